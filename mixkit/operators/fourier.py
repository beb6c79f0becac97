"""The Fourier transform over tokens and channels, as FNet has it."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from mixkit.operators.precision import wide
from mixkit.registry import Site, operator


@operator("fourier", mixes={"frequency", "time", "channel"}, paper="arXiv:2105.03824")
class Fourier(nn.Module):
    """Fourier mixing (FNet): adds everything to everything, in as many rhythms as there are tokens and channels, and
    learns nothing.

    The real part of the discrete Fourier transform over tokens and channels. Token k and channel l of it are those of
    -k and -l, so that half of it is computed.

    Shape:
        `b n c -> b n c`, prefix tokens included

    Equation:
        y[k, l] = s Σ x[i, j] cos(2π (i k / n + j l / c))
        i = token, j = channel
        s = 1, with norm ortho 1 / √(n c), with forward 1 / (n c)

    Cost:
        parameters: 0
        FLOPs: fft(n, c)

    Args:
        site: where it stands.
        norm: how the sum is divided, as in `torch.fft`. FNet's is `backward`, not at all: the values grow by about
            √(n c / 2), which a norm behind the branch makes up for. With `ortho` they stay as large as they come.

    Paper: FNet, Lee-Thorp et al. 2021, arXiv:2105.03824, eq. 3.

    Differs: `ortho` unless it is set, for blocks with the norm ahead of the branch.
    """

    def __init__(self, site: Site, *, norm: Literal["backward", "ortho", "forward"] = "ortho"):
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Transform."""
        transformed: Tensor = _Transform.apply(wide(x), self.norm)
        return transformed.to(x.dtype)


class _Transform(torch.autograd.Function):
    """The matrix of this transform is symmetric: gradients go through it as values do."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, norm: str) -> Tensor:
        ctx.norm = norm
        half = torch.fft.rfft2(x, s=(x.shape[1], x.shape[2]), dim=(1, 2), norm=norm).real
        mirrored = half[:, :, 1 : x.shape[2] - half.shape[2] + 1].flip(2)
        mirrored = torch.cat((mirrored[:, :1], mirrored[:, 1:].flip(1)), dim=1)  # token 0 is its own
        return torch.cat((half, mirrored), dim=2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        transformed: Tensor = _Transform.apply(gradient, ctx.norm)
        return transformed, None
