"""Feed-forwards along chosen axes of the token grid: the perspectives of a Mixer."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.operators.axes import AXES, Axis
from mixkit.operators.feed_forward import Activation, FeedForward, hidden_units
from mixkit.operators.preset import preset
from mixkit.registry import Site, operator
from mixkit.values import Count, Positive, Rate


def _named_axes(params: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(params["axes"])


@operator("perspective", mixes=_named_axes)
class Perspective(nn.Module):
    """MLP along chosen axes: listens along chosen axes together - frequency, time, channel - and holds the others
    still.

    All values that differ only along the chosen axes become one vector, and one feed-forward recombines every such
    vector. `token`, `channel`, `time` and `frequency` are its named cases.

    Shape:
        `b (f t) c -> b (f t) c`; over both grid axes, or none, also with prefix tokens: `b n c -> b n c`

    Equation:
        y[v] = W₂ φ(W₁ x[v] + b₁) + b₂
        v = every vector of values that differ along axes only, φ = activation

    Cost:
        parameters: 2*d*h + d + h + acon
        FLOPs: 4*n*c*h
        d: length(axes)  # values of a vector
        h: hidden or round(expansion*c)  # hidden units
        acon: 3*h if activation == "acon_c" else 0  # numbers that the activation learns

    Args:
        site: where it stands. Frequency or time alone needs the bare grid.
        axes: `frequency`, `time`, `channel`, singly or together; their order does not matter.
        expansion: hidden units, as a multiple of the model's width, whatever the axes (the Mixer convention: at a
            width of 768, 0.5 is 384 units over tokens and 4 is 3072 over channels).
        hidden: hidden units outright; `expansion` then has no effect.
        activation: the function between the two linear maps.
        dropout: probability of silencing a value after the activation, and after the second map.

    Raises:
        SettingError: no axis is named, or one is named twice.
        MixkitError: frequency or time alone, with prefix tokens.
    """

    def __init__(
        self,
        site: Site,
        *,
        axes: tuple[Axis, ...] = ("frequency", "time"),
        expansion: Positive = 0.5,
        hidden: Count | None = None,
        activation: Activation = "gelu",
        dropout: Rate = 0.0,
    ):
        super().__init__()
        if not axes or len(set(axes)) < len(axes):
            raise SettingError("axes", f"is {list(axes)!r}. Name at least one of {', '.join(AXES)}, each once.")
        whole = ("frequency" in axes) == ("time" in axes)
        grid = None if whole else site.bare("+".join(axes))
        # Without a cut between frequency and time, all tokens stand along the first axis and the second has length 1.
        sizes = (grid.frequency, grid.time, site.width) if grid else (site.tokens, 1, site.width)
        mixed = [place for place, axis in enumerate(AXES, start=1) if axis in axes]
        held = [place for place in (1, 2, 3) if place not in mixed]
        self._sizes = sizes
        self._mixed = tuple(sizes[place - 1] for place in mixed)
        self._order = (0, *held, *mixed)
        self._back = tuple(self._order.index(place) for place in range(4))
        units = hidden_units(site.width, expansion, hidden)
        self.feed_forward = FeedForward(math.prod(self._mixed), units, activation=activation, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Mix along the chosen axes."""
        vectors = x.reshape(x.shape[0], *self._sizes).permute(self._order).flatten(4 - len(self._mixed))
        mixed: Tensor = self.feed_forward(vectors).unflatten(-1, self._mixed).permute(self._back).flatten(1, 2)
        return mixed


@operator("token", mixes={"frequency", "time"}, paper="arXiv:2105.01601, eq. 1")
class Token(Perspective):
    """Token-mixing MLP: lets every place in the spectrogram hear every other, one channel at a time.

    Shape:
        `b n c -> b n c`, prefix tokens included

    Equation:
        y[:, j] = W₂ φ(W₁ x[:, j] + b₁) + b₂
        j = channel, φ = activation

    Cost:
        parameters: 2*n*h + n + h + acon
        FLOPs: 4*n*c*h
        h: hidden or round(expansion*c)  # hidden units
        acon: 3*h if activation == "acon_c" else 0  # numbers that the activation learns

    Args:
        site: where it stands.
        expansion: hidden units, as a multiple of the model's width.

    Paper: Tolstikhin et al. 2021, arXiv:2105.01601, eq. 1, token mixing.
    """

    __init__ = preset(Perspective, {"axes": ("frequency", "time")})


@operator("channel", mixes={"channel"}, paper="arXiv:2105.01601, eq. 1")
class Channel(Perspective):
    """Channel-mixing MLP: recombines the features of each place in the spectrogram, every place by itself.

    Shape:
        `b n c -> b n c`, prefix tokens included

    Equation:
        y[i, :] = W₂ φ(W₁ x[i, :] + b₁) + b₂
        i = token, φ = activation

    Cost:
        parameters: 2*c*h + c + h + acon
        FLOPs: 4*n*c*h
        h: hidden or round(expansion*c)  # hidden units
        acon: 3*h if activation == "acon_c" else 0  # numbers that the activation learns

    Args:
        site: where it stands.
        expansion: hidden units, as a multiple of the model's width.

    Paper: Tolstikhin et al. 2021, arXiv:2105.01601, eq. 1, channel mixing.
    """

    __init__ = preset(Perspective, {"axes": ("channel",)}, expansion=4.0)


@operator("time", mixes={"time"})
class Time(Perspective):
    """Time-mixing MLP: follows each frequency band through time, one channel at a time.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        y[i, :, j] = W₂ φ(W₁ x[i, :, j] + b₁) + b₂
        i = row of the grid, j = channel, φ = activation

    Cost:
        parameters: 2*t*h + t + h + acon
        FLOPs: 4*n*c*h
        h: hidden or round(expansion*c)  # hidden units
        acon: 3*h if activation == "acon_c" else 0  # numbers that the activation learns

    Args:
        site: where it stands; it needs the bare grid.
        expansion: hidden units, as a multiple of the model's width.

    Raises:
        MixkitError: the model has prefix tokens.
    """

    __init__ = preset(Perspective, {"axes": ("time",)})


@operator("frequency", mixes={"frequency"})
class Frequency(Perspective):
    """Frequency-mixing MLP: compares low and high at each moment, one channel at a time.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        y[:, i, j] = W₂ φ(W₁ x[:, i, j] + b₁) + b₂
        i = moment, j = channel, φ = activation

    Cost:
        parameters: 2*f*h + f + h + acon
        FLOPs: 4*n*c*h
        h: hidden or round(expansion*c)  # hidden units
        acon: 3*h if activation == "acon_c" else 0  # numbers that the activation learns

    Args:
        site: where it stands; it needs the bare grid.
        expansion: hidden units, as a multiple of the model's width.

    Raises:
        MixkitError: the model has prefix tokens.
    """

    __init__ = preset(Perspective, {"axes": ("frequency",)})
