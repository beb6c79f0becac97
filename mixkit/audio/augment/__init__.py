"""Variations of training clips, one draw of random numbers for each clip, on the device.

Each is called as `x, target = augmentation(x, target, draw)`: x is a waveform `b s` or normalised features `b m l`,
target the share of each class `b k`. In evaluation mode each hands back what it was given.
"""

from mixkit.audio.augment.loudness import Gain as Gain
from mixkit.audio.augment.mixup import Mixup as Mixup
from mixkit.audio.augment.noise import Noise as Noise
from mixkit.audio.augment.shift import TimeRoll as TimeRoll
from mixkit.audio.augment.shift import TimeShift as TimeShift
from mixkit.audio.augment.stripes import SpecAugment as SpecAugment
