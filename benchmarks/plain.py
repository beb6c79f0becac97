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
        weights = self.weigh((time + frequency + channel).mean((1, 2))).unflatten(1, (-1, 3)).softmax(2)
        first, second, third = weights[:, None, None].unbind(-1)
        return self.projection(time * first + frequency * second + channel * third)


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
