"""Hermit-Frequency-mixing, and its transform pair as an operator to put others in."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from torch import Tensor, nn

from mixkit.model.block import build_operators
from mixkit.operators.axes import mixes_of
from mixkit.operators.feed_forward import Activation, FeedForward, hidden_units
from mixkit.operators.hermit_pair import HermitPair, Norm, Variant
from mixkit.registry import Grid, Site, Spec, operator
from mixkit.values import Count, Positive, Rate


def _of_the_pair(params: Mapping[str, Any]) -> set[str]:
    inside = {axis for spec in params["around"] for axis in mixes_of(spec)}
    if params["variant"] == "lossless" and not inside:
        return set()
    own = {"channel"} if params["axis"] == "channel" else {"frequency", "time"}
    return own | (inside & {"channel"} if params["axis"] == "token" else inside)


@operator("hermit", mixes=_of_the_pair, paper="arXiv:2402.18007, II-C")
class Hermit(nn.Module):
    """FFT over the channels, around other operators: shows other operators the spectrum of the channels instead of
    the channels.

    The Hermitian transform, then the operators of `around` in a row, then the inverse real transform; it learns nothing
    itself. With nothing inside, variant `paper` is the projection on even channels, and `lossless` changes nothing.

    It composes well with operators that mix tokens and leave channels apart (`token`, `time`, `frequency`): they find
    the grid as it was, and `hermit(around=[token(hidden=384)])` is `hermit_frequency(hidden=384)`. What is inside
    stands on a site as wide as the distinct columns (width // 2 + 1 in variant `paper`), so `expansion` counts from
    there and operators that divide the width may refuse it; give `hidden`, or use `lossless`, which keeps the width.
    Along `axis="token"` there is no grid inside: the columns stand in one row, without prefix.

    Shape:
        `b n c -> b n c`, prefix tokens included

    Equation:
        X[m] = Σ w[k] x[k] cos(2π k m / N)      over k = 0 … ⌊N/2⌋ of the axis
        Z    = around(X)
        y[j] = Σ w[m] Z[m] cos(2π m j / N) / N  over m = 0 … ⌊N/2⌋
        w = 1 at 0 and at N/2, else 2
        N = length of the axis; 2 (length - 1) in variant lossless
        norm: ortho divides X and y by √N each, forward X alone by N

    Cost:
        parameters: inside
        FLOPs: 4*r*m**2 + inside
        r: n if axis == "channel" else c  # rows that are transformed
        m: (n + c - r)//2 + 1 if variant == "paper" else n + c - r  # distinct columns of the spectrum
        inside: cost(around, c=m) if axis == "channel" else cost(around, n=m)  # of what is inside, m wide or long

    Args:
        site: where it stands.
        around: operators between the transforms, in the order they are applied.
        variant: `paper` reads the first half of the axis and writes it evenly; `lossless` reads and writes all of it.
        norm: where the division by the period goes, as in `torch.fft`: `backward`, `ortho` or `forward`.
        axis: transform along `channel`, as the paper does, or along `token`.

    Raises:
        SettingError: `lossless` along an axis of length 1, or an operator inside cannot stand there.

    Paper: ASM-RH, arXiv:2402.18007, II-C.
    """

    def __init__(
        self,
        site: Site,
        *,
        around: tuple[Spec, ...] = (),
        variant: Variant = "paper",
        norm: Norm = "backward",
        axis: Literal["channel", "token"] = "channel",
    ):
        super().__init__()
        self._along_tokens = axis == "token"
        self.pair = HermitPair(site.tokens if self._along_tokens else site.width, variant, norm)
        columns = self.pair.columns
        inside = replace(site, grid=Grid(1, columns), prefix=0) if self._along_tokens else replace(site, width=columns)
        self.around = build_operators(around, inside)

    def forward(self, x: Tensor) -> Tensor:
        """Transform, mix, transform back."""
        if self._along_tokens:
            mixed = self.around(self.pair.spectrum(x.transpose(1, 2)).transpose(1, 2))
            return self.pair.signal(mixed.transpose(1, 2)).transpose(1, 2)
        return self.pair.signal(self.around(self.pair.spectrum(x)))


def _of_the_branch(params: Mapping[str, Any]) -> set[str]:
    return {"frequency", "time"} | ({"channel"} if params["axis"] == "channel" else set())


@operator("hermit_frequency", mixes=_of_the_branch, paper="arXiv:2402.18007, II-C")
class HermitFrequency(nn.Module):
    """Token-mixing MLP on the channels' spectrum (Hermit-Frequency, ASM-RH): lets every place in the spectrogram
    hear every other, through the spectrum of its features.

    HFFT over channels, a feed-forward over tokens, IRFFT over channels. In ASM-RH it takes the place of token mixing.

    In variant `paper` with an even width, channels above width / 2 are not read, and channels j and width - j get the
    same output. The full transform would repeat the columns m and width - m, and the feed-forward treats every column
    alike, so only width // 2 + 1 columns are computed: the same function for half the work.

    Shape:
        `b n c -> b n c`, prefix tokens included

    Equation:
        X[m] = Σ w[k] x[k] cos(2π k m / N)      over k = 0 … ⌊N/2⌋ of the axis
        Z    = W₂ φ(W₁ X + b₁) + b₂             over tokens; of axis token, over m
        y[j] = Σ w[m] Z[m] cos(2π m j / N) / N  over m = 0 … ⌊N/2⌋
        w = 1 at 0 and at N/2, else 2, φ = activation
        N = length of the axis; 2 (length - 1) in variant lossless
        norm: ortho divides X and y by √N each, forward X alone by N

    Cost:
        parameters: 2*d*h + d + h + acon
        FLOPs: 4*r*m*(m + h)
        r: n if axis == "channel" else c  # rows that are transformed
        m: (n + c - r)//2 + 1 if variant == "paper" else n + c - r  # distinct columns of the spectrum
        d: n if axis == "channel" else m  # values of a vector that is recombined
        h: hidden or round(expansion*c)  # hidden units
        acon: 3*h if activation == "acon_c" else 0  # numbers that the activation learns

    Args:
        site: where it stands.
        variant: `paper` reads the first half of the axis and writes it evenly; `lossless` reads and writes all of it.
        norm: where the division by the period goes, as in `torch.fft`. With `backward` the feed-forward sees values
            about sqrt(period) times as large; with `ortho` as large as they come.
        axis: transform along `channel`, as the paper does, and mix tokens; or along `token`, and mix its spectrum.
        expansion: hidden units, as a multiple of the model's width.
        hidden: hidden units outright; `expansion` then has no effect.
        activation: the function between the two linear maps.
        dropout: probability of silencing a value after the activation, and after the second map.

    Raises:
        SettingError: `lossless` along an axis of length 1.

    Paper: ASM-RH, arXiv:2402.18007, II-C.

    Differs: a cosine matrix in place of FFTs, which refuse bfloat16 and cannot be exported everywhere. The paper leaves
    open the transform length, axis and norm (here: the width, channels, `backward`), and the hidden units, activation
    and dropout (here: those of Mixer-B/16). Along `token` the feed-forward has weights for the distinct columns
    only: mirrored columns would share the sum of their weights in, and be dropped on the way out.
    """

    def __init__(
        self,
        site: Site,
        *,
        variant: Variant = "paper",
        norm: Norm = "backward",
        axis: Literal["channel", "token"] = "channel",
        expansion: Positive = 0.5,
        hidden: Count | None = None,
        activation: Activation = "gelu",
        dropout: Rate = 0.0,
    ):
        super().__init__()
        self.axis = axis
        self._along_tokens = axis == "token"
        self.pair = HermitPair(site.tokens if self._along_tokens else site.width, variant, norm)
        length = self.pair.columns if self._along_tokens else site.tokens
        units = hidden_units(site.width, expansion, hidden)
        self.feed_forward = FeedForward(length, units, activation=activation, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Transform, mix, transform back."""
        if self._along_tokens:
            mixed = self.feed_forward(self.pair.spectrum(x.transpose(1, 2)))
            return self.pair.signal(mixed).transpose(1, 2)
        mixed = self.feed_forward(self.pair.spectrum(x).transpose(1, 2))
        return self.pair.signal(mixed.transpose(1, 2))
