"""The Python reference: what `mixkit` offers by name."""

import importlib
from collections.abc import Iterator

import mixkit
from mixkit.registry import Registry

CLASSES = ("mixkit.model.windows.Prediction", "mixkit.runs.folder.Run", "mixkit.model.classifier.Classifier")
WORDS = {"Site": "Where an operator stands", "Spec": "What is to be built, as data"}


def pages() -> Iterator[tuple[str, str]]:
    """One page with every public name."""
    registries, things = [], []
    for name in mixkit.__all__:
        found = getattr(mixkit, name)
        (registries if isinstance(found, Registry) else things).append(name)
    parts = [
        "# Python\n\nMade from the code when this site is built. All of it is imported from `mixkit`.",
        *(f"::: {_home(name)}" for name in things),
        "## Registries\n\nDecorators for code of your own, and lists of what there is: "
        + ", ".join(f"`mixkit.{name}`" for name in registries)
        + ". [Write an operator](../plugins.md) shows them at work.",
        "::: mixkit.registry.Registry",
        "::: mixkit.registry.Spec",
        "::: mixkit.registry.Entry",
        "## What functions return",
        *(f"::: {path}" for path in CLASSES),
        "## Errors",
        "::: mixkit.errors",
    ]
    yield "reference/api.md", "\n\n".join(parts) + "\n"


def _home(name: str) -> str:
    """Where a name is defined."""
    thing = getattr(mixkit, name)
    return f"{importlib.import_module(thing.__module__).__name__}.{thing.__qualname__}"
