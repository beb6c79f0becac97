"""The Python reference: what `mixkit` offers by name."""

from collections.abc import Iterator
from typing import Annotated, Any, get_origin

import mixkit
from mixkit import registry
from mixkit.errors import MixkitError
from mixkit.registry import Registry
from mixkit.values import describe

CLASSES = ("mixkit.model.windows.Prediction", "mixkit.runs.folder.Run", "mixkit.model.classifier.Classifier")
PROTOCOLS = (
    "Operator",
    "Task",
    "Features",
    "PowerFeatures",
    "Augmentation",
    "Head",
    "Network",
    "Loss",
    "Distillation",
    "Metric",
    "Schedule",
    "StartingWeights",
)


def pages() -> Iterator[tuple[str, str]]:
    """One page with every public name."""
    registries, numbers, things = [], [], []
    for name in mixkit.__all__:
        found = getattr(mixkit, name)
        if isinstance(found, Registry):
            registries.append(name)
        elif get_origin(found) is Annotated:
            numbers.append(name)
        elif not (isinstance(found, type) and issubclass(found, MixkitError)):  # errors have a part of their own
            things.append(name)
    parts = [
        "# Python\n\nMade from the code when this site is built. All of it is imported from `mixkit`.",
        *(f"::: {_home(getattr(mixkit, name))}" for name in things),
        "## Registries\n\nDecorators for code of your own, and lists of what there is: "
        + ", ".join(f"`mixkit.{name}`" for name in registries)
        + ". [Write an operator](../plugins.md) shows them at work.",
        "::: mixkit.registry.registry.Registry",
        "::: mixkit.registry.registry.Entry",
        "What each kind is given and gives back:",
        *(f"::: {_home(getattr(registry, name))}" for name in PROTOCOLS),
        "## Numbers with bounds, and paths\n\n"
        + "\n".join(f"- `mixkit.{n}`: {describe(getattr(mixkit, n))}" for n in numbers),
        "## What functions return",
        *(f"::: {path}" for path in CLASSES),
        "## Errors",
        "::: mixkit.errors",
    ]
    yield "reference/api.md", "\n\n".join(parts) + "\n"


def _home(thing: Any) -> str:
    """Where a thing is defined; of a room that is a function, the function."""
    thing = getattr(thing, "function", thing)
    return f"{thing.__module__}.{thing.__qualname__}"
