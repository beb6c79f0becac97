"""From a waveform to a spectrogram: what a network is given."""

from mixkit.audio.features.log_mel import LogMel as LogMel
from mixkit.audio.features.mfcc import Mfcc as Mfcc
from mixkit.audio.features.pcen import Pcen as Pcen
from mixkit.audio.features.waveform import WaveformFeatures as WaveformFeatures
