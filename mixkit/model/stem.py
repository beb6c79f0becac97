"""Stems: from a spectrogram to tokens on a grid."""

from collections.abc import Sequence
from typing import Literal

from einops import rearrange
from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.model.activations import ACTIVATIONS
from mixkit.model.norms import norm_layer
from mixkit.recipe.schema import Activation, Norm
from mixkit.registry import Grid, stem
from mixkit.storage.capacity import expect
from mixkit.values import Count, Positive, Side, expect_middle

Pair = tuple[Side, Side]


@stem("patches", paper="arXiv:2104.01778, section 2")
class Patches(nn.Module):
    """Linear patch embedding: cuts a spectrogram into overlapping squares and describes each by one vector.

    A rest that does not fill a patch is left out.

    Shape: `b m l -> b (f t) c`, frequency-major.

    Args:
        bins: of the spectrogram, m.
        frames: of the spectrogram, l.
        width: channels of a token.
        size: bins and frames of a patch.
        stride: bins and frames from one patch to the next.
        activation: of each token, ahead of its norm (ConvMixer); None for none.
        norm: of each token (Swin, ShiftViT); AST and ASM have none.
        norm_eps: added to the variance in that norm.
        flexible: sizes of patches; each step of training draws one of them (FlexiViT), and the stride changes as the
            size does. Whatever else is done with the network, its patches have `size`. Empty to train with it, too.

    Raises:
        SettingError: not even one patch fits.

    Paper: Gong, Chung and Glass 2021, arXiv:2104.01778, section 2 (16 x 16 patches with an overlap of 6).
    """

    def __init__(
        self,
        bins: int,
        frames: int,
        width: int,
        *,
        size: Pair = (16, 16),
        stride: Pair = (10, 10),
        activation: Activation | None = None,
        norm: Norm = "none",
        norm_eps: Positive = 1e-5,
        flexible: tuple[Pair, ...] = (),
    ):
        super().__init__()
        for place, sides in enumerate((size, *flexible)):
            for length, side, axis in ((bins, sides[0], "bins"), (frames, sides[1], "frames")):
                if length < side:
                    fitting = (min(sides[0], bins), min(sides[1], frames))
                    verb, example = ("names", "") if place else ("is", f", such as stem.patches.size = {fitting}")
                    fix = f"Use at most {length} {axis} a patch{example}."
                    message = f"{verb} {list(sides)}, but there are {length} {axis}. {fix}"
                    raise SettingError("flexible" if place else "size", message)
        self.grid = Grid((bins - size[0]) // stride[0] + 1, (frames - size[1]) // stride[1] + 1)
        self.step = stride
        self.first = ((size[0] - 1) / 2, (size[1] - 1) / 2)
        self.projection = nn.Conv2d(1, width, size, stride)
        self.activation = nn.Identity() if activation is None else ACTIVATIONS[activation]()
        self.norm = norm_layer(norm, width, norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens of a batch of spectrograms."""
        patches = rearrange(self.projection(x.unsqueeze(1)), "b c f t -> b (f t) c")
        tokens: Tensor = self.norm(self.activation(patches))
        return tokens


@stem("convolution", paper="arXiv:2106.14881")
class ConvolutionStem(nn.Module):
    """Convolutional stem: describes each place by what lies around it, in a few layers of small filters, each coarser
    than the one ahead.

    A row of layers, each a convolution over frequency and time, a norm and an activation. Beyond the edge are zeros,
    half a kernel of them.

    Shape: `b m l -> b (f t) c`, frequency-major.

    Args:
        bins: of the spectrogram, m.
        frames: of the spectrogram, l.
        width: channels of a token, which the last layer gives.
        channels: of each layer but the last.
        kernel: bins and frames of each layer's filters, odd numbers; one pair holds for all.
        stride: steps along frequency and time of each layer; one pair holds for all.
        coarsen: how a layer takes those steps: its convolution does (`stride`), or every convolution goes step by step,
            and of each step's activations the largest is taken (`max_pool`, as in VGG; the last ones may have fewer).
        norm: behind each convolution.
        norm_eps: added to the variance in the norms.
        activation: behind each norm; None for none (PoolFormer's one layer).

    Raises:
        SettingError: there are too many layers, or not as many kernels or strides as layers, or a kernel has no middle.

    Paper: Xiao et al. 2021, arXiv:2106.14881: early convolutions help transformers train.
    """

    def __init__(
        self,
        bins: int,
        frames: int,
        width: int,
        *,
        channels: tuple[Count, ...] = (24, 48),
        kernel: tuple[Pair, ...] = ((3, 3),),
        stride: tuple[Pair, ...] = ((2, 2),),
        coarsen: Literal["stride", "max_pool"] = "stride",
        norm: Norm = "batch",
        norm_eps: Positive = 1e-5,
        activation: Activation | None = "relu",
    ):
        super().__init__()
        layers = len(channels) + 1
        expect("channels", "layers", layers, "Use fewer.")
        kernels, strides = _each(kernel, layers, "kernel"), _each(stride, layers, "stride")
        for pair in kernels:
            expect_middle("kernel", pair, verb="has")
        sizes = zip((1, *channels), (*channels, width), kernels, strides, strict=True)
        pools = coarsen == "max_pool"
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, size, 1 if pools else step, (size[0] // 2, size[1] // 2), bias=norm == "none")
            for before, after, size, step in sizes
        )
        self.pools = nn.ModuleList(nn.MaxPool2d(step, ceil_mode=True) if pools else nn.Identity() for step in strides)
        self.norms = nn.ModuleList(norm_layer(norm, after, norm_eps) for after in (*channels, width))
        self.activation = nn.Identity() if activation is None else ACTIVATIONS[activation]()
        frequency, time, step = bins, frames, (1, 1)
        for along_frequency, along_time in strides:
            frequency, time = -(-frequency // along_frequency), -(-time // along_time)
            step = (step[0] * along_frequency, step[1] * along_time)
        self.grid, self.step = Grid(frequency, time), step
        self.first = ((step[0] - 1) / 2, (step[1] - 1) / 2) if pools else (0.0, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens of a batch of spectrograms."""
        x = x.unsqueeze(-1)  # channels last, so that tokens and pictures are two looks at one piece of memory
        for layer, norm, pool in zip(self.layers, self.norms, self.pools, strict=True):
            picture = layer(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            tokens = self.activation(norm(picture.flatten(1, 2)))
            x = pool(tokens.unflatten(1, picture.shape[1:3]).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x.flatten(1, 2)


def _each(pairs: Sequence[tuple[int, int]], layers: int, name: Literal["kernel", "stride"]) -> list[tuple[int, int]]:
    if len(pairs) not in (1, layers):
        message = f"has {len(pairs)} pairs for {layers} layers (channels has one less). Use {layers}, or one for all."
        raise SettingError(name, message)
    return list(pairs) * (layers // len(pairs))
