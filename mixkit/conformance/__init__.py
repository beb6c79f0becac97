"""What everything registered has to hold, ours or a plugin's. A check takes a spec and says what does not hold.

`checks(kind)` lists them. The tests run them over the registry, `mixkit check` over a plugin.
"""

from collections.abc import Callable, Mapping

from mixkit.conformance.harness import SITES, ConformanceError, NotTried
from mixkit.conformance.losses_and_metrics import (
    check_distillation,
    check_loss,
    check_metric,
    check_optimizer,
    check_schedule,
)
from mixkit.conformance.network_parts import check_downsample, check_head, check_pool, check_stem
from mixkit.conformance.networks import check_network
from mixkit.conformance.operators import (
    check_autocast,
    check_batch,
    check_gradient,
    check_input,
    check_mixing,
    check_repeats,
    check_shape,
    check_stands,
)
from mixkit.conformance.portability import check_compile, check_device, check_export, check_pickle, check_state_dict
from mixkit.conformance.tasks_and_features import check_augmentation, check_features, check_task
from mixkit.conformance.weights import check_weights
from mixkit.registry import Spec

Check = Callable[[Spec], None]

__all__ = ["FIRST", "SITES", "Check", "ConformanceError", "NotTried", "checks"]

FIRST: tuple[Check, ...] = (check_stands, check_shape, check_input, check_repeats, check_batch)
"""Where one of these does not hold, the later ones say little, and something misleading."""

_CHECKS: Mapping[str, tuple[Check, ...]] = {
    "operator": (
        *FIRST,
        check_mixing,
        check_gradient,
        check_autocast,
        check_device,
        check_state_dict,
        check_pickle,
        check_compile,
        check_export,
    ),
    "task": (check_task,),
    "features": (check_features,),
    "augmentation": (check_augmentation,),
    "stem": (check_stem,),
    "downsample": (check_downsample,),
    "pool": (check_pool,),
    "head": (check_head,),
    "network": (check_network,),
    "loss": (check_loss,),
    "distillation": (check_distillation,),
    "metric": (check_metric,),
    "optimizer": (check_optimizer,),
    "schedule": (check_schedule,),
    "weights": (check_weights,),
}


def checks(kind: str = "operator") -> tuple[Check, ...]:
    """All checks of a kind, those first without which the later ones say little. Each raises a `ConformanceError`."""
    return _CHECKS.get(kind, ())
