"""All augmentations stronger or weaker by one factor, each by the settings that it names for that."""

import typing
from typing import Any

from mixkit.errors import SettingError
from mixkit.registry import Spec, augmentation
from mixkit.values import Range


def scaled(spec: Spec, strength: float) -> Spec:
    """An augmentation with the settings that its decorator names in `scales` times the strength, within their bounds.

    Args:
        spec: of an augmentation.
        strength: 1 changes nothing, 0 turns it off.

    Raises:
        SettingError: it does not say what is scaled.
    """
    if strength == 1.0:
        return spec
    entry = augmentation.entry(spec.name)
    if not entry.facts["scales"]:
        message = f"is {strength:g}, and augmentation {spec.name!r} does not say which of its settings that scales."
        fix = "Name them in its decorator, scales=('rate',), or leave it out."
        raise SettingError("train.augment_strength", f"{message} {fix}")
    annotations = {setting.name: setting.annotation for setting in entry.settings}
    changed = {name: _times(spec.params[name], strength, annotations[name]) for name in entry.facts["scales"]}
    return augmentation.spec(spec.name, **{**spec.params, **changed})


def _times(value: float, strength: float, annotation: Any) -> float:
    """The product, whole where the value is, and no more than the setting takes."""
    product = value * strength
    for bound in typing.get_args(annotation)[1:]:
        if isinstance(bound, Range):
            product = product if bound.most is None else min(product, bound.most)
            product = product if bound.least is None else max(product, bound.least)
    return round(product) if isinstance(value, int) else float(product)
