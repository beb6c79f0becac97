"""mixkit: composable mixing operators for audio.

Declare a Mixer in a short gin file, train it with one command, and learn with another which perspective earns its
place.
"""

import importlib
from typing import TYPE_CHECKING, Any

from mixkit.registry import Clip, augmentation, features, head, loss, metric, operator, optimizer, schedule, task
from mixkit.version import __version__ as __version__

if TYPE_CHECKING:
    from mixkit.checkpoints.weights import load as load
    from mixkit.model.classifier import build as build
    from mixkit.model.site import Grid as Grid
    from mixkit.model.site import Site as Site
    from mixkit.recipe.gin_file import load_recipe as load_recipe
    from mixkit.recipe.writer import to_gin as to_gin
    from mixkit.training.loop import train as train

# Imported at first use: torch takes seconds, and `mixkit --help` needs none of it.
_LAZY = {
    "Grid": "mixkit.model.site",
    "Site": "mixkit.model.site",
    "build": "mixkit.model.classifier",
    "load": "mixkit.checkpoints.weights",
    "load_recipe": "mixkit.recipe.gin_file",
    "to_gin": "mixkit.recipe.writer",
    "train": "mixkit.training.loop",
}

__all__ = [
    "Clip",
    "Grid",
    "Site",
    "augmentation",
    "build",
    "features",
    "head",
    "load",
    "load_recipe",
    "loss",
    "metric",
    "operator",
    "optimizer",
    "schedule",
    "task",
    "to_gin",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'mixkit' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
