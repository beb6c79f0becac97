"""Whole networks in the place of a model: how one is built, what it is made of, and what comes to its head."""

from collections.abc import Iterator
from typing import cast

from torch import Tensor, nn

from mixkit.model.estimate import expect_whole
from mixkit.registry import Network, Spec, network


def build_whole(spec: Spec, bins: int, frames: int, classes: int) -> nn.Module:
    """A whole network.

    Args:
        spec: its name and settings.
        bins: of the features.
        frames: of the features.
        classes: how many there are to tell apart.

    Raises:
        SettingError: it takes too much, or does not take features of this shape.
    """
    expect_whole(spec, bins, frames, classes)
    return cast(nn.Module, network.build(spec, bins, frames, classes))


def head_of(module: nn.Module) -> str:
    """The name of the head among the parts of a network, whole or built: `head`, or `model.fc`."""
    head = cast(Network, module).head
    return next(name for name, part in module.named_modules() if part is head)


def pooled(module: nn.Module, x: Tensor) -> Tensor:
    """What comes to the head of a whole network: `b m l -> b c`."""
    found: list[Tensor] = []
    handle = cast(Network, module).head.register_forward_pre_hook(lambda _, given: found.append(given[0]))
    try:
        module(x)
    finally:
        handle.remove()
    return found[0].flatten(1)


def parts_of(module: nn.Module) -> dict[str, nn.Module]:
    """The parts of a whole network by name, in its order: what holds others in a row or a list is opened.

    So is what has nothing but the network inside, to give it another input.
    """
    inner = dict(module.named_children())
    if len(inner) == 1:
        inner = {f"{name}.{child}": part for name, only in inner.items() for child, part in only.named_children()}
    return {name: part for path, child in inner.items() for name, part in _opened(path, child)}


def _opened(path: str, part: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    rows = nn.Sequential | nn.ModuleList
    if not isinstance(part, rows) and not any(isinstance(child, nn.ModuleList) for child in part.children()):
        yield path, part
        return
    for name, child in part.named_children():
        yield from _opened(f"{path}.{name}", child)
