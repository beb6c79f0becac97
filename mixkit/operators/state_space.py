"""A selective state space: what is heard goes into a memory that fades as fast as what is heard says."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixkit.linear import Linear
from mixkit.operators.feed_forward import hidden_units
from mixkit.operators.precision import without_autocast
from mixkit.registry import Site, operator
from mixkit.values import Count, Positive

SLOWEST, FASTEST = 0.001, 0.1
"""Steps at the start, of which each hidden unit draws one; the memory fades by the step times 1, 2, ... a token."""


def _axes(params: Mapping[str, Any]) -> set[str]:
    return {"time", "channel"} | ({"frequency"} if params["axis"] == "token" else set())


class Memory(nn.Module):
    """One direction: a short causal convolution, and a memory of several numbers for each hidden unit.

    Shape: `b t h -> b t h`.

    Args:
        hidden: units h.
        states: numbers that each remembers.
        kernel: tokens of the convolution, up to the present one.
        rank: numbers that the steps of all units are made of.
    """

    def __init__(self, hidden: int, states: int, kernel: int, rank: int):
        super().__init__()
        self.convolution = nn.Conv1d(hidden, hidden, kernel, groups=hidden)
        self.select = Linear(hidden, rank + 2 * states, bias=False)
        self.step = Linear(rank, hidden)
        self.log_decay = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(hidden, 1))
        self.skip = nn.Parameter(torch.ones(hidden))
        self._sizes = (rank, states, states)
        nn.init.uniform_(self.step.weight, -(rank**-0.5), rank**-0.5)
        with torch.no_grad():
            steps = torch.empty(hidden).uniform_(math.log(SLOWEST), math.log(FASTEST)).exp()
            self.step.bias.copy_(steps + torch.log(-torch.expm1(-steps)))  # softplus gives the step back

    def forward(self, x: Tensor) -> Tensor:
        """What is heard, and remembered of what came before."""
        earlier = functional.pad(x.transpose(1, 2), (self.convolution.kernel_size[0] - 1, 0))
        x = functional.silu(self.convolution(earlier)).transpose(1, 2)
        step, write, read = self.select(x).split(self._sizes, dim=-1)
        step = functional.softplus(self.step(step))
        with without_autocast(x.device):  # a memory of many steps has to be exact
            kind = self.log_decay.dtype
            heard, step, write, read = (part.to(kind) for part in (x, step, write, read))
            states = remembered(step, -self.log_decay.exp(), (step * heard).unsqueeze(-1) * write.unsqueeze(2))
            recalled = (states @ read.unsqueeze(-1)).squeeze(-1)
            return (recalled + heard * self.skip).to(x.dtype)


def remembered(step: Tensor, rate: Tensor, added: Tensor) -> Tensor:
    """The states `s[t] = exp(step[t] rate) s[t - 1] + added[t]`, in about 2 √t steps in a row.

    Time is cut in chunks, as many as each has tokens. All of them are gone through at once, each from nothing; then to
    each is added what the ones ahead have left, faded. No factor is above 1, so that nothing can overflow.

    Shape:
        `b t h`, `h s` and `b t h s -> b t h s`

    Args:
        step: at least 0.
        rate: at most 0.
        added: to the states.
    """
    length = step.shape[1]
    chunk = math.isqrt(length - 1) + 1
    chunks = -(-length // chunk)
    rest = chunks * chunk - length
    step = functional.pad(step, (0, 0, 0, rest)).unflatten(1, (chunks, chunk))
    added = functional.pad(added, (0, 0, 0, 0, 0, rest)).unflatten(1, (chunks, chunk))
    kept = torch.exp(step.unsqueeze(-1) * rate)
    faded = torch.exp(step.cumsum(2).unsqueeze(-1) * rate)  # since the chunk began
    within: list[Tensor] = []
    for new, factor in zip(added.unbind(2), kept.unbind(2), strict=True):
        within.append(torch.addcmul(new, factor, within[-1]) if within else new)
    ahead = [torch.zeros_like(within[0][:, 0])]
    for left, factor in zip(within[-1][:, :-1].unbind(1), faded[:, :-1, -1].unbind(1), strict=True):
        ahead.append(torch.addcmul(left, factor, ahead[-1]))
    states = torch.addcmul(torch.stack(within, 2), faded, torch.stack(ahead, 1).unsqueeze(2))
    return states.flatten(1, 2)[:, :length]


@operator("state_space", mixes=_axes, paper="arXiv:2312.00752, algorithm 2")
class StateSpace(nn.Module):
    """Selective state space model (Mamba): follows each frequency band with a memory that decides by what it hears
    what to keep and what to let fade.

    Mamba's selective state space with a diagonal matrix, forwards and backwards in time, in all rows with one set of
    weights.

    Shape:
        `b (f t) c -> b (f t) c`; over all tokens also with prefix tokens: `b n c -> b n c`

    Equation:
        u, g = x W₁, cut in two
        v = silu(k * u)  over the tokens up to the present one
        d, w, r = v W₂, cut in three;  Δ = softplus(d W₃ + b)
        s[t] = exp(-Δ[t] exp(a)) s[t - 1] + Δ[t] v[t] w[t]
        m[t] = s[t] · r[t] + D v[t]
        y = ((m forwards + m backwards) silu(g)) W₄

    Cost:
        parameters: 3*c*h + p*(h*(kernel + 1) + h*(r + 2*states) + (r + 1)*h + h*states + h)
        FLOPs: 6*n*c*h + p*2*n*h*(kernel + r + 2*states + r + states)
        h: round(expansion*c)  # hidden units
        r: rank or (c + 15)//16  # numbers that the steps are made of
        p: 2 if directions == "both" else 1  # directions

    Args:
        site: where it stands. Along time it needs the bare grid.
        axis: `time`, each row of frequency by itself, or `token`, all tokens in a row, frequency by frequency.
        directions: `both`, each with weights of its own between the two outer maps, or `forward` alone.
        expansion: hidden units, as a multiple of the model's width.
        states: numbers that each hidden unit remembers.
        kernel: tokens of the convolution ahead of the memory.
        rank: numbers that the steps of all hidden units are made of; None for a sixteenth of the width, rounded up.

    Raises:
        SettingError: `expansion` leaves no hidden unit.
        MixkitError: along time, with prefix tokens.

    Paper: Mamba, Gu and Dao 2023, arXiv:2312.00752, algorithm 2 and figure 3; both directions as in Vision Mamba, Zhu
    et al. 2024, arXiv:2401.09417, algorithm 1.

    Differs: along time by default, where Vision Mamba and Audio Mamba (arXiv:2406.03344) have all patches in a row,
    which is `axis = 'token'`.
    """

    def __init__(
        self,
        site: Site,
        *,
        axis: Literal["time", "token"] = "time",
        directions: Literal["both", "forward"] = "both",
        expansion: Positive = 2.0,
        states: Count = 16,
        kernel: Count = 4,
        rank: Count | None = None,
    ):
        super().__init__()
        self._grid = (1, site.tokens)
        if axis == "time":
            grid = site.bare("state_space")
            self._grid = (grid.frequency, grid.time)
        hidden = hidden_units(site.width, expansion, None)
        rank = rank or -(-site.width // 16)
        self.expand = Linear(site.width, 2 * hidden, bias=False)
        self.forwards = Memory(hidden, states, kernel, rank)
        self.backwards = Memory(hidden, states, kernel, rank) if directions == "both" else None
        self.contract = Linear(hidden, site.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Remember."""
        rows = x.unflatten(1, self._grid).flatten(0, 1)
        heard, gate = self.expand(rows).chunk(2, dim=-1)
        recalled = self.forwards(heard)
        if self.backwards is not None:
            recalled = recalled + self.backwards(heard.flip(1)).flip(1)
        mixed = self.contract(recalled * functional.silu(gate))
        return mixed.unflatten(0, (-1, self._grid[0])).flatten(1, 2)
