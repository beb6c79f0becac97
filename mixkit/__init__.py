"""mixkit: composable mixing operators for audio.

Declare a Mixer in a short gin file, train it with one command, and learn with another which perspective earns its
place.
"""

import sys

# `python -m mixkit` and `torchrun -m mixkit` put the working folder on the path, and a typer.py that lies there would
# run. While Python looks for the module that it is to run, `-m` is the first argument.
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    del sys.path[0]

import importlib
from typing import TYPE_CHECKING, Any

from mixkit.errors import DataError, MixkitError, SettingError
from mixkit.registry import (
    Clip,
    Grid,
    Site,
    Spec,
    augmentation,
    distillation,
    downsample,
    features,
    head,
    loss,
    metric,
    network,
    operator,
    optimizer,
    pool,
    schedule,
    stem,
    task,
)
from mixkit.values import Count, Location, NotNegative, PathName, Positive, Range, Rate, Share, Whole
from mixkit.version import __version__ as __version__

if TYPE_CHECKING:
    from mixkit.api.recipes import check as check
    from mixkit.api.recipes import look as look
    from mixkit.api.runs import evaluate as evaluate
    from mixkit.api.runs import train as train
    from mixkit.api.studies import ablate as ablate
    from mixkit.checkpoints.weights import load as load
    from mixkit.conformance import checks as checks
    from mixkit.draw import Draw as Draw
    from mixkit.model.classifier import build as build
    from mixkit.plugins.load import load_plugins as load_plugins
    from mixkit.recipe.gin_file import load_recipe as load_recipe
    from mixkit.recipe.writer import to_gin as to_gin
    from mixkit.report.write import compare as compare

# Imported at first use: torch takes seconds, and `mixkit --help` needs none of it.
_LAZY = {
    "Draw": "mixkit.draw",
    "ablate": "mixkit.api.studies",
    "build": "mixkit.model.classifier",
    "check": "mixkit.api.recipes",
    "checks": "mixkit.conformance",
    "compare": "mixkit.report.write",
    "evaluate": "mixkit.api.runs",
    "export": "mixkit.export",
    "load": "mixkit.checkpoints.weights",
    "load_plugins": "mixkit.plugins.load",
    "load_recipe": "mixkit.recipe.gin_file",
    "look": "mixkit.api.recipes",
    "report": "mixkit.report",
    "to_gin": "mixkit.recipe.writer",
    "train": "mixkit.api.runs",
}

__all__ = [
    "Clip",
    "Count",
    "DataError",
    "Draw",
    "Grid",
    "Location",
    "MixkitError",
    "NotNegative",
    "PathName",
    "Positive",
    "Range",
    "Rate",
    "SettingError",
    "Share",
    "Site",
    "Spec",
    "Whole",
    "ablate",
    "augmentation",
    "build",
    "check",
    "checks",
    "compare",
    "distillation",
    "downsample",
    "evaluate",
    "export",
    "features",
    "head",
    "load",
    "load_plugins",
    "load_recipe",
    "look",
    "loss",
    "metric",
    "network",
    "operator",
    "optimizer",
    "pool",
    "report",
    "schedule",
    "stem",
    "task",
    "to_gin",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'mixkit' has no attribute {name!r}")
    module = importlib.import_module(_LAZY[name])
    return module if _LAZY[name] == f"mixkit.{name}" else getattr(module, name)  # a room that is a function


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
