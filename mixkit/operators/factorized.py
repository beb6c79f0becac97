"""Factorised mixing: tokens in interleaved rows, and channels through fewer than there are."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixkit.errors import SettingError
from mixkit.operators.feed_forward import Activation, FeedForward, hidden_units
from mixkit.registry import Site, operator
from mixkit.values import Count, Positive, Rate


@operator("factorized_token", mixes={"frequency", "time"}, paper="arXiv:2302.04501, section 4.2")
class FactorizedToken(nn.Module):
    """Factorized token-mixing MLP (MTS-Mixers): lets every second place hear every second other, one channel at a
    time, and those between likewise.

    The tokens are dealt out in turn to `parts` rows, as one deals cards, and each row has a token mixing of its own.

    Shape:
        `b n c -> b n c`, prefix tokens included

    Equation:
        y[i::s, j] = V[i] φ(W[i] x[i::s, j] + b[i]) + v[i]
        s = parts, i = 0 … s - 1, i::s = every s-th token from token i on
        j = channel, φ = activation

    Cost:
        parameters: 2*n*h + parts*h + n + acon
        FLOPs: 4*n*c*h
        h: hidden or round(expansion*c)  # hidden units of each row
        acon: 3*parts*h if activation == "acon_c" else 0  # numbers that the activations learn

    Args:
        site: where it stands.
        parts: rows that the tokens are dealt to; where they don't come out even, the first rows have one more.
        expansion: hidden units of each row, as a multiple of the model's width.
        hidden: hidden units of each row outright; `expansion` then has no effect.
        activation: the function between the two linear maps.
        dropout: probability of silencing a value after the activation, and after the second map.

    Raises:
        SettingError: there are more parts than tokens.

    Paper: MTS-Mixer, Li et al. 2023, arXiv:2302.04501, section 4.2: factorised temporal mixing, where a token is a
    moment. On a grid whose columns `parts` divides, a row has all frequencies at every so many-th moment.
    """

    def __init__(
        self,
        site: Site,
        *,
        parts: Count = 2,
        expansion: Positive = 0.5,
        hidden: Count | None = None,
        activation: Activation = "gelu",
        dropout: Rate = 0.0,
    ):
        super().__init__()
        if parts > site.tokens:
            raise SettingError("parts", f"is {parts}, and there are {site.tokens} tokens. Use {site.tokens} or fewer.")
        units = hidden_units(site.width, expansion, hidden)
        self.rows = nn.ModuleList(
            FeedForward(len(range(part, site.tokens, parts)), units, activation=activation, dropout=dropout)
            for part in range(parts)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Deal, mix each row, and put them together again."""
        parts = len(self.rows)
        longest = -(-x.shape[1] // parts)
        mixed = []
        for part, row in enumerate(self.rows):
            heard: Tensor = row(x[:, part::parts].transpose(1, 2))
            mixed.append(functional.pad(heard, (0, longest - heard.shape[2])))
        return torch.stack(mixed, dim=3).flatten(2)[:, :, : x.shape[1]].transpose(1, 2)


@operator("factorized_channel", mixes={"channel"}, paper="arXiv:2302.04501, section 4.3")
class FactorizedChannel(nn.Module):
    """Factorized channel-mixing MLP (MTS-Mixers): describes the features of each place by fewer, and writes them
    anew from these: what is said twice goes.

    Channel mixing of low rank: fewer hidden units than channels.

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
        expansion: hidden units, as a multiple of the model's width; less than 1.
        hidden: hidden units outright, fewer than channels; `expansion` then has no effect.
        activation: the function between the two linear maps.
        dropout: probability of silencing a value after the activation, and after the second map.

    Raises:
        SettingError: there are as many hidden units as channels.

    Paper: MTS-Mixer, Li et al. 2023, arXiv:2302.04501, section 4.3: factorised channel mixing.
    """

    def __init__(
        self,
        site: Site,
        *,
        expansion: Positive = 0.25,
        hidden: Count | None = None,
        activation: Activation = "gelu",
        dropout: Rate = 0.0,
    ):
        super().__init__()
        units = hidden_units(site.width, expansion, hidden)
        if units >= site.width:
            setting, value = ("expansion", expansion) if hidden is None else ("hidden", hidden)
            few = f"no fewer than the {site.width} channels. Use less, or operator.channel"
            raise SettingError(setting, f"is {value:g}: {units} hidden units are {few}.")
        self.feed_forward = FeedForward(site.width, units, activation=activation, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Recombine."""
        mixed: Tensor = self.feed_forward(x)
        return mixed
