"""Positional embeddings fitted to another grid, and to how a network keeps them."""

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import interpolate

from mixkit.model.mixer import Mixer
from mixkit.registry import Grid

AVERAGED = "positions of every place averaged to those of each frequency and each time"
ADDED_UP = "positions of each frequency and each time added up to those of every place"


def resizing(what: str, grid: Grid, wanted: Grid) -> str:
    """What is told of positions, or of something else, that come from another grid."""
    sizes = f"{grid.frequency} x {grid.time} to {wanted.frequency} x {wanted.time}"
    return f"{what} {sizes} (frequency x time)"


def fitted(positions: Tensor, grid: Grid, wanted: Grid) -> Tensor:
    """Positions of one grid for another: the middle is cut out where that is smaller, else they are interpolated.

    Args:
        positions: `(f t) c`.
        grid: on which they were learned.
        wanted: on which they are to be used.

    Returns:
        `(f t) c` of the wanted grid.

    Paper: Gong, Chung and Glass 2021, arXiv:2104.01778, section 2.2, "cut and bi-linear interpolate"; time first, as
    the authors' code does, and without antialiasing.
    """
    x = rearrange(positions, "(f t) c -> 1 c f t", f=grid.frequency)
    if wanted.time <= grid.time:
        start = grid.time // 2 - wanted.time // 2
        x = x[:, :, :, start : start + wanted.time]
    else:
        x = interpolate(x, (grid.frequency, wanted.time), mode="bilinear", align_corners=False)
    if wanted.frequency <= grid.frequency:
        start = grid.frequency // 2 - wanted.frequency // 2
        x = x[:, :, start : start + wanted.frequency]
    else:
        x = interpolate(x, (wanted.frequency, wanted.time), mode="bilinear", align_corners=False)
    return rearrange(x, "1 c f t -> (f t) c")


def every_place(mixer: Mixer) -> tuple[Tensor, Tensor] | None:
    """A network's positions, of its prefix tokens, `p c`, and of every place of its grid, `(f t) c`; None without."""
    if mixer.position is not None:
        held, ahead = mixer.position.detach()[0], mixer.sites[0].prefix
        return held[:ahead], held[ahead:]
    if mixer.frequencies is None or mixer.times is None:
        return None
    places = (mixer.frequencies[0, :, None] + mixer.times[0]).detach().flatten(0, 1)
    return places.new_zeros(mixer.sites[0].prefix, places.shape[1]), places


def placed(mixer: Mixer, places: Tensor, ahead: Tensor, tokens: Tensor | None) -> dict[str, Tensor]:
    """Positions as a network keeps them, by the names of its parameters.

    One that has them for frequency and time apart gets the means over the other axis, whose sums are as near as such
    sums can be; and there its prefix tokens take theirs up.

    Args:
        mixer: the network, which has positions.
        places: of every place of its grid, `(f t) c`.
        ahead: of its prefix tokens, `p c`.
        tokens: the prefix tokens themselves, `p c`, where they are given to it, too.
    """
    if mixer.position is not None:
        made = {"position": torch.cat([ahead, places])}
    else:
        table = places.unflatten(0, (mixer.stem.grid.frequency, mixer.stem.grid.time))
        times = table.mean(0)
        made = {"frequencies": table.mean(1), "times": times - times.mean(0)}
        tokens = None if tokens is None else tokens + ahead
    if tokens is not None:
        made["prefix"] = tokens
    return {name: tensor[None] for name, tensor in made.items()}
