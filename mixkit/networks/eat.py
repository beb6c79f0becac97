"""EAT: convolutions over the waveform itself, and attention over the few moments that they leave."""

from typing import Literal, NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad, scaled_dot_product_attention

from mixkit.errors import SettingError
from mixkit.registry import network
from mixkit.values import Rate

STEPS, LAST_STEPS, DILATIONS = (4, 4, 4, 4), (2, 2), (1, 3, 9)
KERNEL, SLOPE, SPREAD = 15, 0.2, 0.02


class Size(NamedTuple):
    """A published size: channels of the first convolution, and the encoder's width, heads, layers and hidden units."""

    channels: int
    width: int
    heads: int
    layers: int
    hidden: int


SIZES = {"S": Size(16, 128, 8, 4, 512), "M": Size(32, 256, 16, 6, 2048)}


@network("eat", paper="arXiv:2204.11479")
class EAT(nn.Module):
    """End-to-end audio transformer on waveforms (EAT): listens to the waveform itself, coarser in six steps, and lets
    each of the moments left hear all the others.

    Convolutions, each a norm, LeakyReLU and a fixed triangle ahead of the step against aliasing; between them blocks
    that add a wide filter of each channel and a mix of channels. Then a Transformer with a class token. It takes
    `@features.waveform()`, at 22,050 Hz and 4 s in the paper.

    Shape: `b 1 s -> b k`.

    Args:
        bins: of the features, 1.
        frames: samples of a clip, s.
        classes: how many there are to tell apart, k.
        size: `S`, 5.2 million weights, or `M`, 25.3 million.
        dropout: probability of leaving out a value in the Transformer, in training.

    Raises:
        SettingError: the features are no waveform.

    Paper: Gazneli et al. 2022, arXiv:2204.11479, and its authors' code.

    Differs: of a sound shorter than 1.5 s at 22,050 Hz the widest filter would mirror more than there is; the rest is
        silence here. Its augmentations and its 3,500 epochs are not those of our recipe.
    """

    def __init__(self, bins: int, frames: int, classes: int, *, size: Literal["S", "M"] = "M", dropout: Rate = 0.1):
        super().__init__()
        if bins != 1:
            fix = "Set recipe.features = @features.waveform()."
            raise SettingError("recipe.features", f"give {bins} bins, and network.eat listens to waveforms. {fix}")
        channels, width, heads, layers, hidden = SIZES[size]
        self.start = nn.Sequential(_Convolution(1, channels, 7), nn.BatchNorm1d(channels), nn.LeakyReLU(SLOPE))
        self.body = nn.Sequential()
        tokens = frames
        for number, step in enumerate((*STEPS, *LAST_STEPS)):
            if step in LAST_STEPS:
                self.body.extend(_Residual(channels, dilation) for dilation in DILATIONS)
            self.body.append(Down(channels, step))
            channels, tokens = 2 * channels, -(-tokens // step)
            if step in STEPS and number % 2 == 0:
                self.body.append(_Residual(channels, 1))
        self.project = nn.Conv1d(channels, width, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.normal_(module.weight, std=SPREAD)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, 1 + tokens, width))
        self.dropout = nn.Dropout(dropout)
        self.encoder = nn.Sequential(*(EncoderLayer(width, heads, hidden, dropout) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of waveforms."""
        moments = self.project(self.body(self.start(x))).transpose(1, 2)
        tokens = torch.cat([self.token.expand(x.shape[0], -1, -1).to(moments.dtype), moments], dim=1) + self.position
        heard = self.norm(self.encoder(self.dropout(tokens)))
        logits: Tensor = self.head(heard[:, 0])
        return logits


class _Convolution(nn.Conv1d):
    """A convolution that keeps the length: what it lacks at the ends is mirrored.

    Shape: `b c s -> b c s`.
    """

    def __init__(self, before: int, after: int, kernel: int, dilation: int = 1, groups: int = 1):
        super().__init__(before, after, kernel, dilation=dilation, groups=groups, bias=False)
        self.side = dilation * (kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """The sound, filtered."""
        return super().forward(_mirrored(x, self.side))


def _mirrored(x: Tensor, side: int) -> Tensor:
    """The sound with its mirror image at both ends, as far as there is one, and silence behind that."""
    most = min(side, x.shape[-1] - 1)
    return pad(pad(x, (most, most), mode="reflect") if most else x, (side - most, side - most))


class Down(nn.Module):
    """Twice the channels at fewer places: filters, norm, LeakyReLU, and a fixed triangle ahead of the step.

    Shape: `b c s -> b (2 c) (s / step)`.
    """

    triangle: Tensor

    def __init__(self, channels: int, step: int):
        super().__init__()
        self.step = step
        self.filters, self.norm = _Convolution(channels, 2 * channels, step + 1), nn.BatchNorm1d(2 * channels)
        self.activation = nn.LeakyReLU(SLOPE)
        rising = [float(height) for height in range(1, step + 2)]
        triangle = torch.tensor([*rising, *rising[-2::-1]])
        self.register_buffer("triangle", triangle / (step + 1) ** 2, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The sound, coarser."""
        found = _mirrored(self.activation(self.norm(self.filters(x))), self.step)
        channels = found.shape[1]
        return conv1d(found, self.triangle.to(found.dtype).expand(channels, 1, -1), stride=self.step, groups=channels)


class _Residual(nn.Module):
    """A mix of channels, one with norm and activation, and a wide filter of each channel, all added.

    Shape: `b c s -> b c s`.
    """

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        filters = _Convolution(channels, channels, KERNEL, dilation, groups=channels)
        self.shortcut = nn.Conv1d(channels, channels, 1)
        self.mix = _with_norm(nn.Conv1d(channels, channels, 1, bias=False), channels)
        self.filter = _with_norm(filters, channels)

    def forward(self, x: Tensor) -> Tensor:
        """The block applied."""
        out: Tensor = self.shortcut(x) + self.mix(x) + self.filter(x)
        return out


def _with_norm(layer: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm1d(channels), nn.LeakyReLU(SLOPE))


class EncoderLayer(nn.Module):
    """A layer of a Transformer, with the norms behind the sums: what `nn.TransformerEncoderLayer` computes.

    That one takes another way in evaluation, which no counter of operations sees.

    Shape: `b n c -> b n c`.
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.ask, self.tell = nn.Linear(width, 3 * width), nn.Linear(width, width)
        nn.init.xavier_uniform_(self.ask.weight)
        nn.init.zeros_(self.ask.bias)
        nn.init.zeros_(self.tell.bias)
        self.expand, self.contract = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """The layer applied."""
        query, key, value = rearrange(self.ask(x), "b n (three h d) -> three b h n d", three=3, h=self.heads)
        rate = self.dropout.p if self.training else 0.0
        heard = rearrange(scaled_dot_product_attention(query, key, value, dropout_p=rate), "b h n d -> b n (h d)")
        x = self.norm(x + self.dropout(self.tell(heard)))
        change = self.contract(self.dropout(nn.functional.gelu(self.expand(x))))
        out: Tensor = self.second_norm(x + self.dropout(change))
        return out
