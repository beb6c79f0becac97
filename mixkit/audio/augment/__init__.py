"""Variations of training clips, one draw of random numbers for each clip, on the device.

Each is called as `x, target = augmentation(x, target, draw)`: x is a waveform `b s`, a power spectrum `b m l` or
normalised features `b m l`, target the share of each class `b k`. In evaluation mode each hands back what it was given.
"""

from mixkit.audio.augment.cutmix import CutMix as CutMix
from mixkit.audio.augment.cutmix import FreqMixStyle as FreqMixStyle
from mixkit.audio.augment.equalizer import Equalizer as Equalizer
from mixkit.audio.augment.loudness import Gain as Gain
from mixkit.audio.augment.mixup import Mixup as Mixup
from mixkit.audio.augment.mixup import PowerMixup as PowerMixup
from mixkit.audio.augment.noise import Noise as Noise
from mixkit.audio.augment.pitch import Pitch as Pitch
from mixkit.audio.augment.room import ImpulseResponse as ImpulseResponse
from mixkit.audio.augment.shift import TimeRoll as TimeRoll
from mixkit.audio.augment.shift import TimeShift as TimeShift
from mixkit.audio.augment.stripes import SpecAugment as SpecAugment
from mixkit.audio.augment.warp import FrequencyShift as FrequencyShift
from mixkit.audio.augment.warp import Warp as Warp
