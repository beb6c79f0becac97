"""What the last bits of a result depend on beside the seed, and whether it is what it was."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from mixkit.linear import LIBRARY
from mixkit.recipe.writer import to_gin
from mixkit.registry import Clip
from mixkit.training.prepare import Prepared
from mixkit.version import __version__

Fingerprint = dict[str, str | int]


def fingerprint(prepared: Prepared) -> Fingerprint:
    """What must be the same for a stopped run to end with the same bits as one that was never stopped."""
    device = prepared.device
    return {
        "recipe": hashlib.sha256(to_gin(prepared.recipe).encode()).hexdigest(),
        "data": data_digest(prepared.splits.clips),
        "mixkit": __version__,
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": prepared.precision,
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "products": LIBRARY,
    }


def changes(before: Mapping[str, Any], now: Fingerprint) -> list[str]:
    """What is another than it was, each as `threads: 4, now 2`."""
    differ = [key for key, value in now.items() if before.get(key) != value]
    return [f"{key}: {_short(before.get(key))}, now {_short(now[key])}" for key in differ]


def data_digest(splits: Mapping[str, Sequence[Clip]]) -> str:
    """A digest of which clips stand in which split: their place in the data, size, label and stretch.

    The data may move to another folder; a file that is replaced by another of the same size goes unnoticed.
    """
    paths = [str(clip.path) for clips in splits.values() for clip in clips]
    root = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""  # noqa: PTH120 (strings)
    digest = hashlib.sha256()
    for split, clips in splits.items():
        for clip in clips:
            name = os.path.relpath(clip.path, root)
            facts = (split, name, clip.path.stat().st_size, clip.label, clip.start, clip.stop)
            digest.update(repr(facts).encode(errors="surrogateescape"))
    return digest.hexdigest()


def _short(value: object) -> object:
    return f"{value[:12]}..." if isinstance(value, str) and len(value) == 64 else value
