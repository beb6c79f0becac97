"""Presets: a general operator under a name of its own, with some of its settings fixed."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from mixkit.registry import Site


def preset(general: type[nn.Module], fixed: Mapping[str, Any], **defaults: Any) -> Callable[..., None]:
    """The constructor of a class that derives from a general operator and is a case of it.

    `__init__ = preset(Perspective, {"axes": ("channel",)}, expansion=4.0)` takes what `Perspective` takes but `axes`.
    What the docstring of the general one says of its settings is said of these, too; the class adds its own sentence,
    equation and cost.

    Args:
        general: the operator.
        fixed: settings that the preset does not have, and their values.
        defaults: of settings that it has, where they are not the general one's.
    """
    construct: Callable[..., None] = general.__init__
    signature = inspect.signature(construct)

    def __init__(self: nn.Module, site: Site, **settings: Any) -> None:  # noqa: N807
        construct(self, site, **fixed, **{**defaults, **settings})

    kept = (own for own in signature.parameters.values() if own.name not in fixed)
    changed = [own.replace(default=defaults.get(own.name, own.default)) for own in kept]
    __init__.__signature__ = signature.replace(parameters=changed)  # type: ignore[attr-defined]
    __init__.__annotations__ = {name: kind for name, kind in construct.__annotations__.items() if name not in fixed}
    return __init__
