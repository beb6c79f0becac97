"""What a contract is: a protocol of what something registered is given and gives back. It needs no base class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:  # torch takes seconds to import, and a list of names needs none of it
    import torch
    from torch import nn


class TorchModule(Protocol):
    """What mixkit calls of a `torch.nn.Module`; features, augmentations, heads and losses are modules."""

    training: bool

    def train(self, mode: bool = True) -> Self:
        """Sets training, or evaluation."""

    def eval(self) -> Self:
        """Sets evaluation."""

    def to(self, device: torch.device | None = None) -> Self:
        """Moves all tensors to a device."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """What it learns."""

    def state_dict(self) -> dict[str, Any]:
        """All tensors that are kept."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> object:
        """Takes up what `state_dict` gave."""


def lacks(thing: object, protocol: type) -> str | None:
    """The first part of a contract that a thing lacks; None where it has them all."""
    parts = (name for name in (*protocol.__annotations__, *vars(protocol)) if not name.startswith("_"))
    return next((name for name in parts if not hasattr(thing, name)), None)
