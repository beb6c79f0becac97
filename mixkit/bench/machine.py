"""Where figures were measured: without it they mean nothing."""

import os
from typing import Any

import torch

from mixkit.runs.environment import environment


def machine(device: torch.device) -> dict[str, Any]:
    """Processor or GPU, threads, versions, command, and how busy the machine is."""
    facts = environment(str(device), "float32")
    facts.pop("precision")
    return facts | {
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "load": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }


def sentence(facts: dict[str, Any]) -> str:
    """The same in a line."""
    where = (
        facts["device_name"] if facts["device"].startswith("cuda") else f"{facts['processor']}, {facts['cores']} cores"
    )
    load = f", load {facts['load'][0]}" if facts["load"] else ""
    return (
        f"{where}, {facts['instructions']}, {facts['threads']} threads{load}; "
        f"mixkit {facts['mixkit']}, torch {facts['torch']}, Python {facts['python']}"
    )
