"""What every operator has to hold, ours or a plugin's. A check takes a spec and says in words what does not hold.

`checks()` lists them. The tests run them over the registry, `mixkit check` over a plugin.
"""

from collections.abc import Callable

from mixkit.conformance.mixing import (
    check_autocast,
    check_batch,
    check_gradient,
    check_input,
    check_mixing,
    check_repeats,
    check_shape,
    check_stands,
)
from mixkit.conformance.survival import check_compile, check_device, check_export, check_pickle, check_state_dict
from mixkit.conformance.trial import SITES, ConformanceError
from mixkit.registry import Spec

__all__ = [
    "SITES",
    "ConformanceError",
    "check_autocast",
    "check_batch",
    "check_compile",
    "check_device",
    "check_export",
    "check_gradient",
    "check_input",
    "check_mixing",
    "check_pickle",
    "check_repeats",
    "check_shape",
    "check_stands",
    "check_state_dict",
    "checks",
]


def checks() -> tuple[Callable[[Spec], None], ...]:
    """All checks, those first without which the later ones say little. Each raises a `ConformanceError`."""
    return (
        check_stands,
        check_shape,
        check_input,
        check_batch,
        check_mixing,
        check_gradient,
        check_repeats,
        check_autocast,
        check_device,
        check_state_dict,
        check_pickle,
        check_compile,
        check_export,
    )
