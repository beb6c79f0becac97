"""Wave: tokens as waves, which strengthen each other where their phases agree and cancel where they do not."""

import torch
from torch import Tensor, nn

from mixkit.linear import Linear
from mixkit.model.norms import BatchNorm
from mixkit.operators.weighed import Weigh
from mixkit.registry import Site, operator
from mixkit.values import Side, expect_middle

NORM_EPS = 1e-5


@operator("wave", mixes={"frequency", "time", "channel"}, paper="arXiv:2111.12294, section 3")
class Wave(nn.Module):
    """Phase-aware token mixing (Wave-MLP): gives every feature a phase, so that neighbours add up where they are in
    step and cancel where they are not.

    A token is an amplitude and a phase, both made from it by linear maps. Its neighbours along time are summed as waves
    are, and those along frequency, each by a depthwise convolution; both, and a map of the token, are weighed channel
    by channel.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        a = x W₁, θ = relu(BN(x W₂ + b₂))  for time
        u = k * (a cos θ) + l * (a sin θ)
        v alike, for frequency; w = x W₃
        g = softmax over the three of MLP(mean of u + v + w)
        y = (g₁ u + g₂ v + g₃ w) W₄ + b₄
        k, l = depthwise kernels along the axis
        beyond the edge 0

    Cost:
        parameters: 6*c**2 + 2*c*(kernel[0] + kernel[1]) + 10*c + (4*c + 1)*h
        FLOPs: 12*n*c**2 + 4*n*c*(kernel[0] + kernel[1]) + 8*c*h
        h: c//4 or 1  # hidden units of what weighs

    Args:
        site: where it stands; it needs the bare grid.
        kernel: patches along frequency and along time, odd numbers.

    Raises:
        SettingError: a side of the kernel has no middle.
        MixkitError: the model has prefix tokens.

    Paper: Wave-MLP, Tang et al. 2021, arXiv:2111.12294, section 3: phase-aware token mixing.

    Differs: cosine and sine of a channel meet in that channel, as the paper sums waves. In the authors' code one half
    of the channels gets the cosines of two neighbours, the other half the sines of two. It has as many weights.
    """

    def __init__(self, site: Site, *, kernel: tuple[Side, Side] = (7, 7)):
        super().__init__()
        site.bare("wave")
        expect_middle("kernel", kernel)
        width, (rows, moments) = site.width, kernel
        self.time = _Interference(site, (1, moments))
        self.frequency = _Interference(site, (rows, 1))
        self.channel = Linear(width, width, bias=False)
        self.weigh = Weigh(width)
        self.projection = Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Interfere along both axes, and weigh."""
        mixed: Tensor = self.projection(self.weigh(self.time(x), self.frequency(x), self.channel(x)))
        return mixed


class _Interference(nn.Module):
    """Waves along one axis, summed around each token.

    Shape:
        `b (f t) c -> b (f t) c`
    """

    def __init__(self, site: Site, kernel: tuple[int, int]):
        super().__init__()
        width = site.width
        self._grid = (site.grid.frequency, site.grid.time)
        self.amplitude, self.phase = Linear(width, width, bias=False), Linear(width, width)
        self.norm = BatchNorm(width, NORM_EPS)
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.cosine, self.sine = (
            nn.Conv2d(width, width, kernel, padding=padding, groups=width, bias=False) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Sum."""
        amplitude, phase = self.amplitude(x), torch.relu(self.norm(self.phase(x)))
        real, imaginary = self._picture(amplitude * phase.cos()), self._picture(amplitude * phase.sin())
        summed: Tensor = self.cosine(real) + self.sine(imaginary)
        return summed.permute(0, 2, 3, 1).flatten(1, 2)

    def _picture(self, x: Tensor) -> Tensor:
        return x.unflatten(1, self._grid).permute(0, 3, 1, 2)
