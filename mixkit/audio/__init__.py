"""Sound: files to waveforms, waveforms to features, and their variations in training."""

from mixkit.audio import augment as augment
from mixkit.audio import features as features
