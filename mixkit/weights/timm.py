"""Starts from networks of timm whose operators have a twin here, from a file of their weights."""

import math
import re
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from mixkit.errors import MixkitError, SettingError
from mixkit.model.mixer import Mixer
from mixkit.model.resizing import resized, resized_kernel
from mixkit.operators import Attention, WindowAttention
from mixkit.registry import Grid, weights
from mixkit.values import PathName
from mixkit.weights.kernels import resizing_kernel
from mixkit.weights.positions import AVERAGED, every_place, placed, resizing
from mixkit.weights.start import Start, groups, shortened
from mixkit.weights.tensors import Tensors, weights_file
from mixkit.weights.twins import FAMILIES, TOKENS, Family, family_of, ours

COLOURS = {"sum": (1.0, 1.0, 1.0), "mean": (1 / 3, 1 / 3, 1 / 3), "gray": (0.299, 0.587, 0.114)}  # the last BT.601's
HEAD = 64  # channels of a head of attention in timm's ViTs, whose files do not say it


@weights("timm")
def timm(
    mixer: Mixer, *, path: PathName | None = None, colour: Literal["sum", "mean", "gray"] = "sum", head: bool = False
) -> Start:
    """Pretrained network of timm: what a network of timm learned from photographs, of a kind that is built here as
    well.

    MLP-Mixer, gMLP, ResMLP, PoolFormer, ConvMixer, ViT and DeiT, Swin and Swin V2, each into the recipe of the same
    operators. Taken is what has the same shape in both. Linear patches of another size say of a resized patch what they
    said of the patch. Positions of another grid are interpolated, bicubically as timm does, and so are biases of
    windows of another size. Maps over tokens stay fresh where the grid is another. Of a
    file with fewer blocks in a stage the last ones of that stage stay fresh; of one with more, the first are taken.

    Args:
        mixer: that is to start from it.
        path: the file, safetensors with the names of timm: `safetensors.torch.save_file(model.state_dict(), PATH)`;
            `~` is your home, and a relative path begins at the working folder.
        colour: how red, green and blue become one: `sum` adds them up, as AST's code does, so that all that follows
            gets what it got of a gray photograph; `mean` is a third of that; `gray` weighs them 0.299, 0.587 and 0.114.
        head: take the head, too, where there are as many classes; they have to be the same ones in the same order.

    Raises:
        SettingError: no file is named, or there is none.
        MixkitError: the file is of another kind than this network, or of another width; the tensor is named.
        DamagedError: it is no safetensors file, or holds numbers that are not finite.

    Paper: as a start for audio AST, Gong, Chung and Glass 2021, arXiv:2104.01778, section 2.2.
    """
    example = "timm.create_model(NAME, pretrained=True), saved with safetensors.torch.save_file"
    file = Tensors(weights_file("timm", path, example), only_safetensors=True)
    family = family_of(file.names)
    if family is None:
        known = ", ".join(family.recipe for family in FAMILIES)
        held = ", ".join(groups(sorted(file.names))) or "nothing"
        raise MixkitError(f"{file.shown} holds no network of timm that has a twin here: {known}. It has: {held}.")
    taken = _Taken(mixer, file, family)
    taken.first(COLOURS[colour], colour)
    taken.rest(head)
    if family.recipe == "ast":
        taken.positions()
    return taken.copied()


class _Taken:
    """What is taken of a file, checked and fitted; copied at the end, when all of it is known to fit.

    Args:
        mixer: that is to start from it.
        file: of weights.
        family: what they are of.
    """

    def __init__(self, mixer: Mixer, file: Tensors, family: Family):
        self.mixer, self.file, self.family = mixer, file, family
        self.own = mixer.state_dict()
        self.names = {name: ours(name, family, mixer) for name in file.names}
        self._copies: dict[str, Tensor] = {}
        self._used: set[str] = set()
        self._unfit: dict[str, str] = {}
        self._taken: list[str] = []
        self._resized: list[str] = []

    def first(self, colours: Sequence[float], rule: str) -> None:
        """The first map, of patches as a rule, with its colours made one; all else rests on it.

        Args:
            colours: factors of red, green and blue.
            rule: what they are called.
        """
        kernels = (name for name, own in self.names.items() if own.startswith("stem.") and own in self.own)
        name = next((name for name in kernels if len(self.file.shape(name)) == 4), None)
        if name is None:
            message = f"has nothing in common with the stem of {self.family.recipe}, of which {self.file.shown} is"
            raise SettingError("model.stem", f"{message}. Take that of the recipe {self.family.recipe}.")
        found, wanted = self.file.shape(name), self.own[self.names[name]].shape
        linear = self.names[name] == "stem.projection.weight"
        if found[0] != wanted[0] or (found[2:] != wanted[2:] and not linear) or found[1] not in (1, len(colours)):
            shape = f"[{wanted[0]}, 1 or 3, {wanted[2]}, {wanted[3]}]"
            fix = f"stem.convolution.kernel = [({found[2]}, {found[3]})]"
            if found[0] != wanted[0]:
                fix = f"{'the width of the first stage' if self.mixer.downsamples else 'model.width'} = {found[0]}"
            raise MixkitError(f"{self.file.at(name)} is {list(found)}, and this network takes {shape}. Set {fix}.")
        weight = self.file.read(name).double()
        if found[1] != 1:
            weight = (weight * weight.new_tensor(colours).view(1, -1, 1, 1)).sum(1, keepdim=True)
        if found[2:] != tuple(wanted[2:]):
            self._resized.append(resizing_kernel(found, wanted))
        self._take(name, self.names[name], resized_kernel(weight, (wanted[2], wanted[3])))
        self._taken.append(f"first map{f' (RGB by {rule})' if found[1] != 1 else ''}")

    def rest(self, head: bool) -> None:
        """All that has a place by its name, and the operators of its block, and the shape of that place.

        Args:
            head: that one, too.
        """
        for name, own in self.names.items():
            if name in self._used or own not in self.own or not self._is_same(own) or (_of_head(own) and not head):
                continue
            found, place = self.file.read(name), self.own[own]
            if own.endswith(".table"):
                found = self._table(found, own)
            if _sizes(found) == _sizes(place):
                self._take(name, own, found.view_as(place))
            else:
                self._unfit[name] = f"{list(found.shape)}, and here {list(place.shape)}"
        layers = {own.split(".")[1] for own in self._copies if own.startswith("blocks.")}
        if not layers:
            blocks = " and ".join(", ".join(row) for row in self.family.operators)
            raise MixkitError(
                f"{self.file.shown} holds blocks of {blocks}, and this network has none that they fit. Take the recipe "
                f"{self.family.recipe}, of the same width."
            )
        self._taken.append(f"{len(layers)} of {len(self.mixer.layers)} blocks")
        self._taken += groups(own for own in self._copies if not own.startswith(("blocks.", "stem.")))
        narrow = {part.head_width for part in self.mixer.modules() if isinstance(part, Attention)} - {HEAD}
        if narrow:
            width = ", ".join(map(str, sorted(narrow)))
            self._taken.append(f"attention in heads of {width} channels, where timm's ViTs have {HEAD}")

    def positions(self) -> None:
        """Class tokens and the positional embedding of a ViT, as this network keeps them."""
        parts = {part: name for name, part in self.names.items() if part in TOKENS.values()}
        own, learned = every_place(self.mixer), parts.get("positions")
        if own is None or learned is None:
            return
        tokens = [part for part in ("class", "distillation") if part in parts]
        held, grid = self.file.read(learned)[0], self.mixer.stem.grid
        before, count = _grid_of(len(held), len(tokens), grid)
        if before is None or held.shape[1] != own[1].shape[1]:
            self._unfit[learned] = f"{list(held.shape)}, which are no places of a square"
            return
        places, ahead = resized(held[count:], before, grid), own[0].clone()
        prefix = None if self.mixer.prefix is None else self.mixer.prefix.detach()[0].clone()
        for place, part in enumerate(tokens[: len(ahead)]):
            if count:
                ahead[place] = held[place]
            if prefix is not None:
                prefix[place] = self.file.read(parts[part])[0, 0]
                self._used.add(parts[part])
                self._taken.append(f"{part} token")
        self._copies |= placed(self.mixer, places, ahead, prefix)
        self._used.add(learned)
        self._taken.append("positional embedding")
        if before != grid:
            self._resized.append(resizing("positions", before, grid))
        if self.mixer.position is None:
            self._resized.append(AVERAGED)

    def copied(self) -> Start:
        """Copies all of it into the network, and says what it was."""
        with torch.no_grad():
            for name, values in self._copies.items():
                self.own[name].copy_(values)
        learned = dict(self.mixer.named_parameters())
        left = groups(name for name in sorted(self.file.names) if name not in self._used and name not in self._unfit)
        unfit = [f"{group} ({why})" for (group,), why in ((groups([name]), why) for name, why in self._unfit.items())]
        return Start(
            file=str(self.file.path),
            sha256=self.file.sha256(),
            parameters=sum(learned[name].numel() for name in self._copies if name in learned),
            of=sum(parameter.numel() for parameter in learned.values()),
            taken=tuple(self._taken),
            resized=tuple(dict.fromkeys(self._resized)),
            left=(*left, *shortened(dict.fromkeys(unfit))),
        )

    def _take(self, name: str, own: str, values: Tensor) -> None:
        self._copies[own] = values
        self._used.add(name)

    def _is_same(self, own: str) -> bool:
        """Whether what has that name here is of the operator that it is of in timm."""
        found = re.match(r"blocks\.(\d+)\.branches\.(\d+)\.", own)
        if found is None:
            return True
        layer, branch = int(found[1]), int(found[2])
        return self.mixer.layers[layer].names[branch] == self.family.operators[branch]

    def _table(self, table: Tensor, own: str) -> Tensor:
        """Biases of a window for one of another size; those of windows that are no square as they are."""
        module = self.mixer.get_submodule(own.rpartition(".")[0])
        side = math.isqrt(len(table))
        assert isinstance(module, WindowAttention)
        rows, columns = (2 * length - 1 for length in module.windows.size)
        if side * side != len(table) or (side, side) == (rows, columns):
            return table
        before, now = (side + 1) // 2, module.windows.size
        self._resized.append(f"biases of windows of {before} x {before} to {now[0]} x {now[1]} tokens")
        return resized_table(table, (side, side), (rows, columns))


def resized_table(table: Tensor, before: tuple[int, int], now: tuple[int, int]) -> Tensor:
    """Biases of the offsets in a window for those in another one: interpolated bicubically, as timm and Swin do.

    Args:
        table: `(f t) h`, of each offset along frequency and time.
        before: offsets along frequency and time.
        now: those that are wanted.
    """
    x = table.t().unflatten(1, before).unsqueeze(0)
    return interpolate(x, now, mode="bicubic", align_corners=False)[0].flatten(1).t()


def _grid_of(positions: int, tokens: int, wanted: Grid) -> tuple[Grid | None, int]:
    """The grid that positions are of, a square or else the wanted one, and how many of them are of class tokens."""
    for count in (tokens, 0):
        side = math.isqrt(max(positions - count, 0))
        if side and side * side == positions - count:
            return Grid(side, side), count
        if positions - count == wanted.tokens:
            return wanted, count
    return None, 0


def _sizes(tensor: Tensor) -> list[int]:
    """Its shape without axes of length 1, which a convolution of one place has and a linear map has not."""
    return [size for size in tensor.shape if size != 1]


def _of_head(own: str) -> bool:
    return own.startswith("head.")
