"""The three axes of a grid of tokens, and along which of them an operator moves information."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, get_args

from mixkit.errors import MixkitError, did_you_mean
from mixkit.registry import Spec, operator

Axis = Literal["frequency", "time", "channel"]
AXES: tuple[Axis, ...] = get_args(Axis)

Mixes = Collection[str] | Callable[[Mapping[str, Any]], Collection[str]]


def mixes_of(spec: Spec) -> frozenset[str]:
    """Along which axes an operator with these settings moves information.

    Args:
        spec: of an operator. Where its settings decide, the decorator was given a function of the settings.

    Returns:
        A subset of `AXES`.

    Raises:
        MixkitError: the decorator names something that is no axis.
    """
    mixes: Mixes = operator.entry(spec.name).facts["mixes"]
    named = mixes(spec.params) if callable(mixes) else mixes
    if isinstance(named, str):
        raise MixkitError(f"operator {spec.name!r} says mixes={named!r}. Write a set: mixes={{{named!r}}}.")
    for axis in sorted(named):
        if axis not in AXES:
            raise MixkitError(f"operator {spec.name!r} mixes {axis!r}, which is no axis.{did_you_mean(axis, AXES)}")
    return frozenset(named)
