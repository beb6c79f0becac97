"""ERANN: a residual network that takes wide steps through time."""

from typing import Annotated

from torch import Tensor, nn

from mixkit.registry import network
from mixkit.values import Count, Range

BLOCKS, STAGES, SLOPE = 4, 5, 0.01
KERNELS = {1: (3, 3), 2: (3, 3), 4: (6, 5)}
"""Sides of the two convolutions of a block, by the step of the first."""


@network("erann", paper="arXiv:2106.01621")
class ERANN(nn.Module):
    """Residual network for audio (ERANN): listens in ever wider steps through time, so that long sounds cost little,
    and adds to what it knew.

    Five stages of four residual blocks, BatchNorm and LeakyReLU ahead of each of their two convolutions. A stage has
    twice the channels of the one ahead and begins with a step of two bins, and of two frames, or four in the first
    stages. Mean and maximum over all places are added; two layers give the answer. ERANN-1-3 is stride 1 and width 3.

    Shape: `b m l -> b k`.

    Args:
        bins: of the features, m; the paper has 128.
        frames: of the features, l; the paper has about 128 a second.
        classes: how many there are to tell apart, k.
        stride: how many stages, from the second on, take four frames a step, s_m.
        width: factor of the channels, W: 8 W in the first stage, 128 W in the last.

    Paper: Verbitskiy, Berikov and Vyshegorodtsev 2021, arXiv:2106.01621 (ERANN-s_m-W).

    Differs: the authors' code is not published; layers are those of an implementation by others, Matheuao/ERANNs, with
        zeros on both sides where Keras has them on one. The paper's norm of the input is of a form that is not said:
        here BatchNorm over bins.
    """

    def __init__(
        self,
        bins: int,
        frames: int,
        classes: int,
        *,
        stride: Annotated[int, Range(least=0, most=3)] = 1,
        width: Count = 4,
    ):
        super().__init__()
        self.norm = nn.BatchNorm1d(bins)
        channels = [8 * width * 2**stage for stage in range(STAGES)]
        self.stages = nn.Sequential()
        before = 1
        for stage, after in enumerate(channels):
            step = (2, 4 if stage <= stride and stage < STAGES - 1 else 2) if stage else (1, 1)
            rest = (ResidualBlock(after, after, (1, 1)) for _ in range(BLOCKS - 1))
            self.stages.append(nn.Sequential(ResidualBlock(before, after, step), *rest))
            before = after
        self.hidden = nn.Linear(before, before)
        self.activation = nn.LeakyReLU(SLOPE)
        self.head = nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of spectrograms."""
        found: Tensor = self.stages(self.norm(x).unsqueeze(1))
        heard = found.mean((2, 3)) + found.amax((2, 3))
        logits: Tensor = self.head(self.activation(self.hidden(heard)))
        return logits


class ResidualBlock(nn.Module):
    """Norm, activation and convolution, twice, added to what came; the first convolution takes the step.

    Shape: `b c f t -> b c f t`, coarser by the step.

    Args:
        before: channels that come.
        after: channels that go.
        step: bins and frames.
    """

    def __init__(self, before: int, after: int, step: tuple[int, int]):
        super().__init__()
        (high, high_second), (wide, wide_second) = (KERNELS[side] for side in step)
        first, second = (high, wide), (high_second, wide_second)
        self.step = step
        self.norm, self.second_norm = nn.BatchNorm2d(before), nn.BatchNorm2d(after)
        self.activation = nn.LeakyReLU(SLOPE)
        self.first = nn.Conv2d(before, after, first, step, 1, bias=False)
        self.second = nn.Conv2d(after, after, second, 1, (second[0] // 2, second[1] // 2), bias=False)
        same = before == after and step == (1, 1)
        self.shortcut = nn.Identity() if same else nn.Conv2d(before, after, 1, step, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The block applied."""
        whole = (0, -x.shape[3] % self.step[1])  # the last step may be a part of one; the shortcut takes it, too
        change = self.first(nn.functional.pad(self.activation(self.norm(x)), whole))
        out: Tensor = self.shortcut(x) + self.second(self.activation(self.second_norm(change)))
        return out
