"""The paper's pseudo code, written plainly: what the fast forms are held against."""

import copy

import torch
from torch import Tensor, nn

from mixkit.errors import MixkitError
from mixkit.linear import Linear
from mixkit.model.mixer import Mixer
from mixkit.operators import HermitFrequency, Roll


def plain(mixer: Mixer) -> Mixer:
    """A copy with the same weights, in which every operator of mixkit is as its paper writes it.

    `roll_time` rolls in place on a copy, `hermit_frequency` takes full-width FFTs and mixes every column, and linear
    maps are torch's own.

    Raises:
        MixkitError: an operator has settings for which there is no pseudo code.
    """
    twin = copy.deepcopy(mixer)
    for name, module in list(twin.named_modules()):
        other: nn.Module | None = None
        if isinstance(module, Roll):
            other = PlainRoll(module)
        elif isinstance(module, HermitFrequency):
            other = PlainHermit(module)
        elif isinstance(module, Linear):
            other = nn.Linear(module.in_features, module.out_features, module.bias is not None, device="meta")
            other.weight, other.bias = module.weight, module.bias
        if other is not None:
            parent, _, child = name.rpartition(".")
            setattr(twin.get_submodule(parent), child, other)
    return twin


class PlainRoll(nn.Module):
    """Four assignments, each a roll of a slice.

    Shape: `b n c -> b n c`.

    Paper: ASM-RH, arXiv:2402.18007, II-B.
    """

    def __init__(self, roll: Roll):
        super().__init__()
        tokens, width, groups, bands = roll.site.tokens, roll.site.width, roll.groups, roll.bands
        if tokens % bands or width * bands % groups:
            raise MixkitError(
                f"roll has {groups} groups and {bands} bands, which cut {tokens} tokens of width {width} unevenly, "
                "for which the paper has no pseudo code. Leave --against out, or use divisors."
            )
        self.roll = ((groups, tokens // bands, width * bands // groups), roll.share, roll.step)

    def forward(self, x: Tensor) -> Tensor:
        """Slide."""
        view, share, step = self.roll
        table = x.clone().view(x.shape[0], *view)
        for part, (axis, shift) in enumerate(((3, step), (3, -step), (2, step), (2, -step))):
            groups = slice(part * share, (part + 1) * share)
            table[:, groups] = torch.roll(table[:, groups], shift, dims=axis)
        return table.view(x.shape)


class PlainHermit(nn.Module):
    """HFFT over channels, a feed-forward over tokens, IRFFT over channels; all columns, all in float32.

    Shape: `b n c -> b n c`.

    Paper: ASM-RH, arXiv:2402.18007, II-C.
    """

    def __init__(self, mixing: HermitFrequency):
        super().__init__()
        if mixing.axis != "channel" or mixing.pair.variant != "paper":
            raise MixkitError(
                f"hermit_frequency has axis={mixing.axis!r} and variant={mixing.pair.variant!r}, for which the paper "
                "has no pseudo code. Leave --against out, or use axis='channel' and variant='paper'."
            )
        self.norm = mixing.pair.norm
        self.feed_forward = mixing.feed_forward

    def forward(self, x: Tensor) -> Tensor:
        """Transform, mix, transform back."""
        width = x.shape[-1]
        spectrum = torch.fft.hfft(_wide(x), n=width, norm=self.norm)
        mixed = self.feed_forward(spectrum.transpose(1, 2)).transpose(1, 2)
        return torch.fft.irfft(_wide(mixed), n=width, norm=self.norm)


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def check_same(module: nn.Module, other: nn.Module, x: Tensor) -> float:
    """How far two networks are apart on an input, as a share of the largest logit.

    Raises:
        MixkitError: further than rounding explains.
    """
    with torch.no_grad():
        ours, theirs = module.eval()(x), other.eval()(x)
    apart = float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-12))
    if not apart < 1e-3:
        raise MixkitError(f"the plain form differs by {apart:.2g} of the largest logit. Report this: they must agree.")
    return apart
