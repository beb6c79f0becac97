"""Operators that no library has, in plain torch, as their equations read: what operators.py holds ours against."""

import torch
from timm.layers import Mlp
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import deform_conv2d

AROUND = [(0, -1), (0, 1), (-1, 0), (1, 0)]  # along frequency and time
EIGHT = [(up, on) for up in (-1, 0, 1) for on in (-1, 0, 1) if (up, on) != (0, 0)]


class Shift(nn.Module):
    """Each part of the channels one step on, out of a picture with a rim: ShiftViT, and Shift of Wu et al.

    Shape: `b c f t -> b c f t`.
    """

    def __init__(self, parts: int, eight: bool = False, mode: str = "constant"):
        super().__init__()
        self.steps, self.parts, self.mode = EIGHT if eight else AROUND, parts, mode

    def forward(self, x: Tensor) -> Tensor:
        """Shift."""
        share, (rows, columns) = x.shape[1] // self.parts, x.shape[2:]
        rim = functional.pad(x, (1, 1, 1, 1), mode=self.mode)
        moved = [
            rim[:, place * share : (place + 1) * share, 1 - up : 1 - up + rows, 1 - on : 1 - on + columns]
            for place, (up, on) in enumerate(self.steps)
        ]
        return torch.cat((*moved, x[:, len(self.steps) * share :]), dim=1)


class SpatialShift(nn.Module):
    """S2-MLP's half of a block. Shape: `b c f t -> b c f t`."""

    def __init__(self, width: int):
        super().__init__()
        self.expand, self.contract = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.shift = Shift(4, mode="replicate")

    def forward(self, x: Tensor) -> Tensor:
        """Recombine, shift, recombine."""
        return self.contract(self.shift(functional.gelu(self.expand(x))))


class ActiveShift(nn.Module):
    """Shifts between patches, channel by channel. Shape: `b c f t -> b c f t`."""

    def __init__(self, width: int):
        super().__init__()
        self.shifts = nn.Parameter(torch.empty(2, width))

    def forward(self, x: Tensor) -> Tensor:
        """Sample; from -1 to 1 are a picture's first and last row, and its first and last column."""
        rows, columns = x.shape[2:]
        up, on = self.shifts
        down = (torch.arange(rows, device=x.device) + up[:, None]) * 2 / (rows - 1) - 1
        across = (torch.arange(columns, device=x.device) + on[:, None]) * 2 / (columns - 1) - 1
        places = torch.stack((across[:, None].expand(-1, rows, -1), down[:, :, None].expand(-1, -1, columns)), -1)
        return functional.grid_sample(x.transpose(0, 1), places, align_corners=True).transpose(0, 1)


def weighed(weigh: nn.Module, first: Tensor, second: Tensor, third: Tensor, places: tuple[int, int]) -> Tensor:
    """The sum of three, each channel by what a small network makes of the mean over all places."""
    weights = weigh((first + second + third).mean(places)).unflatten(1, (-1, 3)).softmax(2)
    for axis in places:
        weights = weights.unsqueeze(axis)
    one, two, three = weights.unbind(-1)
    return first * one + second * two + third * three


class ActiveToken(nn.Module):
    """ATM, whose authors fetch by deformable convolutions with a kernel of 1 x 1. Shape: `b f t c -> b f t c`."""

    def __init__(self, width: int, share: int):
        super().__init__()
        self.share = share
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.distances = nn.Linear(width, 2 * width // share)
        self.time, self.frequency = nn.Linear(width, width), nn.Linear(width, width)
        self.channel = nn.Linear(width, width, bias=False)
        self.weigh = Mlp(width, width // 4, 3 * width)
        self.projection = nn.Linear(width, width)
        self.register_buffer("one", torch.ones(width, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Fetch and weigh."""
        picture = x.permute(0, 3, 1, 2).contiguous()
        distances = self.distances(self.norm(x)).repeat_interleave(self.share, dim=-1)
        on, up = distances.permute(0, 3, 1, 2).chunk(2, dim=1)
        rest = torch.zeros_like(on)
        in_time = deform_conv2d(picture, torch.stack((rest, on), 2).flatten(1, 2), self.one)
        in_frequency = deform_conv2d(picture, torch.stack((up, rest), 2).flatten(1, 2), self.one)
        time = self.time(in_time.permute(0, 2, 3, 1))
        frequency, channel = self.frequency(in_frequency.permute(0, 2, 3, 1)), self.channel(x)
        return self.projection(weighed(self.weigh, time, frequency, channel, (1, 2)))


class FactorizedToken(nn.Module):
    """MTS-Mixer's rows of every so many-th token. Shape: `b n c -> b n c`."""

    def __init__(self, tokens: int, hidden: int, parts: int):
        super().__init__()
        self.rows = nn.ModuleList(Mlp(tokens // parts, hidden) for _ in range(parts))

    def forward(self, x: Tensor) -> Tensor:
        """Mix each row, and write it to its places."""
        x = x.transpose(1, 2)
        mixed = torch.zeros_like(x)
        for part, row in enumerate(self.rows):
            mixed[:, :, part :: len(self.rows)] = row(x[:, :, part :: len(self.rows)])
        return mixed.transpose(1, 2)


class AxialShift(nn.Module):
    """AS-MLP, as its authors write it without their kernels. Shape: `b c f t -> b c f t`."""

    def __init__(self, width: int, size: int):
        super().__init__()
        self.size = size
        self.expand = nn.Conv2d(width, width, 1)
        self.inner_norm, self.outer_norm = nn.GroupNorm(1, width), nn.GroupNorm(1, width)
        self.time, self.frequency = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.contract = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Shift and blend."""
        x = functional.gelu(self.inner_norm(self.expand(x)))
        time, frequency = (functional.gelu(over(self.shifted(x, axis))) for over, axis in self.ways())
        return self.contract(self.outer_norm(time + frequency))

    def ways(self) -> tuple[tuple[nn.Module, int], ...]:
        """Maps, and the axis of each."""
        return (self.time, 3), (self.frequency, 2)

    def shifted(self, x: Tensor, axis: int) -> Tensor:
        """Each part another step on, out of a picture with a rim."""
        rim = self.size // 2
        parts = functional.pad(x, (rim,) * 4).chunk(self.size, dim=1)
        moved = torch.cat([torch.roll(part, step - rim, axis) for step, part in enumerate(parts)], dim=1)
        return moved[:, :, rim : rim + x.shape[2], rim : rim + x.shape[3]]


class Cycle(nn.Module):
    """CycleMLP, whose authors climb by deformable convolutions with a kernel of 1 x 1. Shape: `b f t c -> b f t c`."""

    def __init__(self, width: int, size: int):
        super().__init__()
        self.time, self.frequency = nn.Linear(width, width), nn.Linear(width, width)
        self.channel = nn.Linear(width, width, bias=False)
        self.weigh = Mlp(width, width // 4, 3 * width)
        self.projection = nn.Linear(width, width)
        step = (torch.arange(width) + size // 2) % size - size // 2
        rest = torch.zeros_like(step)
        self.register_buffer("on", torch.stack((rest, step), 1).float().view(1, -1, 1, 1))
        self.register_buffer("up", torch.stack((step, rest), 1).float().view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Climb and weigh."""
        picture = x.permute(0, 3, 1, 2).contiguous()
        time, frequency = (
            deform_conv2d(
                picture, offset.expand(len(x), -1, *picture.shape[2:]), over.weight[:, :, None, None], over.bias
            ).permute(0, 2, 3, 1)
            for offset, over in ((self.on, self.time), (self.up, self.frequency))
        )
        return self.projection(weighed(self.weigh, time, frequency, self.channel(x), (1, 2)))


class Waves(nn.Module):
    """Waves along one axis, of Wave-MLP. Shape: `b c f t -> b c f t`."""

    def __init__(self, width: int, kernel: tuple[int, int]):
        super().__init__()
        self.amplitude, self.phase = nn.Conv2d(width, width, 1, bias=False), nn.Conv2d(width, width, 1)
        self.norm = nn.BatchNorm2d(width)
        settings = {"padding": (kernel[0] // 2, kernel[1] // 2), "groups": width, "bias": False}
        self.cosine, self.sine = (nn.Conv2d(width, width, kernel, **settings) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Sum."""
        amplitude, phase = self.amplitude(x), functional.relu(self.norm(self.phase(x)))
        return self.cosine(amplitude * phase.cos()) + self.sine(amplitude * phase.sin())


class Wave(nn.Module):
    """Wave-MLP's token mixing. Shape: `b c f t -> b c f t`."""

    def __init__(self, width: int, size: int):
        super().__init__()
        self.time, self.frequency = Waves(width, (1, size)), Waves(width, (size, 1))
        self.channel = nn.Conv2d(width, width, 1, bias=False)
        self.weigh = Mlp(width, width // 4, 3 * width)
        self.projection = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Interfere and weigh."""
        return self.projection(weighed(self.weigh, self.time(x), self.frequency(x), self.channel(x), (2, 3)))


class Regions(nn.Module):
    """Regions along frequency, of Hire-MLP, which divide the grid. Shape: `b c f t -> b c f t`."""

    def __init__(self, width: int, size: int, shift: int):
        super().__init__()
        self.size, self.shift = size, shift
        self.contract = nn.Conv2d(size * width, width // 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(width // 2)
        self.expand = nn.Conv2d(width // 2, size * width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Rearrange, mix, and put back."""
        regions = torch.roll(x, self.shift, 2).unflatten(2, (-1, self.size)).permute(0, 3, 1, 2, 4).flatten(1, 2)
        mixed = self.expand(functional.relu(self.norm(self.contract(regions)))).unflatten(1, (self.size, -1))
        return torch.roll(mixed.permute(0, 2, 3, 1, 4).flatten(2, 3), -self.shift, 2)


class Hire(nn.Module):
    """Hire-MLP's rearrangement. Shape: `b c f t -> b c f t`."""

    def __init__(self, width: int, size: int, shift: int):
        super().__init__()
        self.frequency, self.time = Regions(width, size, shift), Regions(width, size, shift)
        self.channel = nn.Conv2d(width, width, 1)
        self.weigh = Mlp(width, width // 4, 3 * width)
        self.projection = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Rearrange and weigh."""
        frequency, time = self.frequency(x), self.time(x.transpose(2, 3)).transpose(2, 3)
        return self.projection(weighed(self.weigh, frequency, time, self.channel(x), (2, 3)))
