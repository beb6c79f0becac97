"""Starts from a run of mixkit: the same network, or one for another grid or other classes."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mixkit.checkpoints.weights import load, located
from mixkit.errors import MixkitError, SettingError, printable
from mixkit.model.mixer import Mixer
from mixkit.model.resizing import resized
from mixkit.plugins.load import loaded_plugins
from mixkit.registry import Grid, weights
from mixkit.values import PathName
from mixkit.weights.filters import resized_filters
from mixkit.weights.kernels import resized_stem
from mixkit.weights.network import network
from mixkit.weights.positions import ADDED_UP, AVERAGED, every_place, placed, resizing
from mixkit.weights.start import Start, groups

POSITIONS = ("position", "frequencies", "times")


@weights("run", network=None)
def run(mixer: nn.Module, *, path: PathName | None = None, head: bool = False) -> Start:
    """Weights of an earlier run: what a network of mixkit learned before: from other recordings, shorter clips, or with
    other classes.

    Taken is every part whose tensors have the same names and shapes in both, in blocks of the same operators.
    Linear patches of another size say of a resized patch what they said of the patch. Positions of another grid, and
    the filters of `global_filter`, are interpolated, and where the one network has positions for every place and the
    other for frequency and time apart, they are averaged or added up. What does not fit stays fresh, such as maps over
    tokens where the grid is another. Features are measured anew. A whole network takes all but its head of a run of the
    same one, as `weights.network` does.

    Args:
        mixer: that is to start from it.
        path: a run folder, or its `best.safetensors`; `~` is your home, and a relative path begins at the working
            folder.
        head: take the head, too, where there are as many classes; they have to be the same ones in the same order.

    Raises:
        SettingError: no run is named.
        RunError: there is no such run, or it has no weights yet.
        MixkitError: nothing of it fits this network.
        DamagedError: the file is not what was written.
    """
    if path is None:
        message = "is not set. Name a run folder: --set \"weights.run.path = 'runs/NAME'\"."
        raise SettingError("weights.run.path", message)
    if not isinstance(mixer, Mixer):
        return network(mixer, path=path, head=head)
    named = Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - keeps an unknown ~name
    file, _ = located(named)
    found = load(named, plugins=loaded_plugins())
    if (whole := found.recipe.network) is not None:
        fault = f"{printable(str(file))} holds a whole network, @network.{whole.name}(), and the recipe has a model."
        raise MixkitError(f"{fault} Take a recipe with that network, or a run with a model.")
    theirs = found.mixer
    held, ours = theirs.state_dict(), mixer.state_dict()
    same = [one.names == other.names for one, other in zip(theirs.layers, mixer.layers, strict=False)]
    other = {_part(name) for name in held.keys() | ours if _shape(held, name) != _shape(ours, name)}
    fits = {name: tensor for name, tensor in held.items() if _means(name, same, head) and _part(name) not in other}
    stem, resized_patches = resized_stem(theirs, mixer)
    fits |= stem
    if not fits:
        remedy = "Take a run with the same operators and width"
        raise MixkitError(f"{printable(str(file))} holds nothing that fits this network. {remedy}.")
    positions, told = _positions(theirs, mixer)
    told = [resized_patches, *told] if stem else told
    for name, tensor, before, now in resized_filters(theirs, mixer, same):
        fits[name] = tensor
        told.append(resizing("filters", before, now))
    own = dict(mixer.named_parameters())
    with torch.no_grad():
        for name, tensor in (fits | positions).items():
            ours[name].copy_(tensor)
    with file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return Start(
        file=str(file),
        sha256=sha256,
        parameters=sum(own[name].numel() for name in fits | positions if name in own),
        of=sum(parameter.numel() for parameter in own.values()),
        taken=(*groups(fits), *(["positional embedding"] if positions else [])),
        resized=tuple(dict.fromkeys(told)),
        left=groups(name for name in held if name not in fits and not (positions and name in POSITIONS)),
    )


def _means(name: str, same: list[bool], head: bool) -> bool:
    """Whether a tensor of that name means the same in both networks, and is asked for."""
    part, _, rest = name.partition(".")
    if part == "blocks":
        layer = int(rest.partition(".")[0])
        return layer < len(same) and same[layer]
    return part not in POSITIONS and (head or part != "head")


def _part(name: str) -> str:
    """What a tensor is of use with alone: an operator, a norm or gain of a branch, or a part of the network."""
    where, operators, rest = name.partition(".operators.")
    if operators:
        return f"{where}.{rest.partition('.')[0]}"
    return name.rpartition(".")[0] if name.startswith("blocks.") else name.partition(".")[0]


def _shape(state: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(state[name].shape) if name in state else None


def _positions(theirs: Mixer, mixer: Mixer) -> tuple[dict[str, Tensor], list[str]]:
    """Their positions as this network keeps its own, and what was done to them."""
    before, now = theirs.stem.grid, mixer.stem.grid
    found, own = every_place(theirs), every_place(mixer)
    if found is None or own is None or found[1].shape[1] != own[1].shape[1]:
        return {}, []
    told = [] if before == now else [resizing("positions", before, now)]
    if theirs.frequencies is not None and theirs.times is not None and mixer.position is None:
        rows = resized(theirs.frequencies[0], Grid(before.frequency, 1), Grid(now.frequency, 1))
        columns = resized(theirs.times[0], Grid(1, before.time), Grid(1, now.time))
        return {"frequencies": rows[None], "times": columns[None]}, told
    if (theirs.position is None) != (mixer.position is None):
        told.append(AVERAGED if mixer.position is None else ADDED_UP)
    as_many = len(found[0]) == len(own[0])
    tokens = theirs.prefix[0] if as_many and theirs.prefix is not None else None
    return placed(mixer, resized(found[1], before, now), (found if as_many else own)[0], tokens), told
