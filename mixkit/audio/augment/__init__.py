"""Variations of training clips, one draw of dice for each clip, on the device.

Each is called as `x, target = augmentation(x, target, draw)`: x is a waveform `b s` or normalised features `b m l`,
target the share of each class `b k`. In evaluation mode each hands back what it was given. One that has to get ready
for a sample rate, such as noise of a folder, has a method `prepare(sample_rate)`.
"""

from typing import Any

from mixkit.audio.augment.loudness import Gain as Gain
from mixkit.audio.augment.mixup import Mixup as Mixup
from mixkit.audio.augment.noise import Noise as Noise
from mixkit.audio.augment.shift import TimeRoll as TimeRoll
from mixkit.audio.augment.shift import TimeShift as TimeShift
from mixkit.audio.augment.stripes import SpecAugment as SpecAugment
from mixkit.registry import Spec, augmentation


def build(spec: Spec, sample_rate: int) -> Any:
    """An augmentation that is ready to be called.

    Args:
        spec: which, with its settings.
        sample_rate: of the waveforms, in Hz.

    Raises:
        MixkitError: a setting cannot work, or a recording that it names cannot be used.
    """
    made = augmentation.build(spec)
    if hasattr(made, "prepare"):
        made.prepare(sample_rate)
    return made
