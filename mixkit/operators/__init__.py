"""Operators: what mixes the tokens of a spectrogram, one perspective a file.

Importing this registers them all.
"""

from mixkit.operators.activation import Activation as Activation
from mixkit.operators.active_token import ActiveToken as ActiveToken
from mixkit.operators.attention import Attention as Attention
from mixkit.operators.axes import AXES as AXES
from mixkit.operators.axes import Axis as Axis
from mixkit.operators.axes import mixes_of as mixes_of
from mixkit.operators.axial_shift import AxialShift as AxialShift
from mixkit.operators.broadcast_residual import BroadcastResidual as BroadcastResidual
from mixkit.operators.convolution import Convolution as Convolution
from mixkit.operators.cross_patch import CrossPatch as CrossPatch
from mixkit.operators.cycle import Cycle as Cycle
from mixkit.operators.factorized import FactorizedChannel as FactorizedChannel
from mixkit.operators.factorized import FactorizedToken as FactorizedToken
from mixkit.operators.feed_forward import FeedForward as FeedForward
from mixkit.operators.feed_forward import hidden_units as hidden_units
from mixkit.operators.fourier import Fourier as Fourier
from mixkit.operators.frequency_filter import FrequencyFilter as FrequencyFilter
from mixkit.operators.global_filter import GlobalFilter as GlobalFilter
from mixkit.operators.hermit import Hermit as Hermit
from mixkit.operators.hermit import HermitFrequency as HermitFrequency
from mixkit.operators.hire import Hire as Hire
from mixkit.operators.perspective import Channel as Channel
from mixkit.operators.perspective import Frequency as Frequency
from mixkit.operators.perspective import Perspective as Perspective
from mixkit.operators.perspective import Time as Time
from mixkit.operators.perspective import Token as Token
from mixkit.operators.pointwise import Pointwise as Pointwise
from mixkit.operators.pooling import Pooling as Pooling
from mixkit.operators.roll import Roll as Roll
from mixkit.operators.roll import RollTime as RollTime
from mixkit.operators.shift import ActiveShift as ActiveShift
from mixkit.operators.shift import Shift as Shift
from mixkit.operators.shift import SpatialShift as SpatialShift
from mixkit.operators.spatial_gate import SpatialGate as SpatialGate
from mixkit.operators.state_space import StateSpace as StateSpace
from mixkit.operators.wave import Wave as Wave
from mixkit.operators.window_attention import WindowAttention as WindowAttention
from mixkit.operators.window_attention_v2 import WindowAttentionV2 as WindowAttentionV2
