"""What the last bits of a result depend on beside the seed, and whether it is what it was."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch

from mixkit.linear import LIBRARY
from mixkit.recipe.identity import what
from mixkit.recipe.writer import to_gin
from mixkit.runs.clips import to_bytes
from mixkit.training.prepare import Prepared
from mixkit.version import __version__

Fingerprint = dict[str, str | int]


def fingerprint(prepared: Prepared) -> Fingerprint:
    """What must be the same for a stopped run to end with the same bits as one that was never stopped."""
    device = prepared.device
    return {
        "recipe": hashlib.sha256(what(to_gin(prepared.recipe)).encode()).hexdigest(),
        "data": hashlib.sha256(to_bytes(prepared.splits.kept)).hexdigest(),
        "mixkit": __version__,
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": prepared.precision,
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "products": LIBRARY,
        **_sounds(prepared),
        **({} if prepared.teacher is None else {"teacher_weights": prepared.teacher.sha256}),
    }


def changes(before: Mapping[str, Any], now: Fingerprint) -> list[str]:
    """What is another than it was, each as `threads: 4, now 2`."""
    differ = [key for key, value in now.items() if before.get(key) != value]
    return [f"{key}: {_short(before.get(key))}, now {_short(now[key])}" for key in differ]


def _sounds(prepared: Prepared) -> Fingerprint:
    """A digest of the recordings that augmentations draw from, if they do: their folder is no part of the recipe."""
    modules = (one for one in prepared.augmentations if isinstance(one, torch.nn.Module))
    buffers = [buffer for module in modules for buffer in module.buffers()]
    digest = hashlib.sha256()
    for buffer in buffers:
        digest.update(buffer.detach().cpu().contiguous().numpy().data)
    return {"augmentations": digest.hexdigest()} if buffers else {}


def _short(value: object) -> object:
    return f"{value[:12]}..." if isinstance(value, str) and len(value) == 64 else value
