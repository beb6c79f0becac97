"""Tensors of a ViT chosen, checked and fitted for a Mixer; copied at the end, when all of it is known to fit."""

import math
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from mixkit.errors import MixkitError, SettingError, printable
from mixkit.model.block import MixerBranch
from mixkit.model.mixer import Mixer
from mixkit.registry import Grid
from mixkit.weights.names import recognise
from mixkit.weights.positions import AVERAGED, every_place, fitted, placed, resizing
from mixkit.weights.start import Start, groups
from mixkit.weights.tensors import Tensors

COLOURS = {"gray": (0.299, 0.587, 0.114), "sum": (1.0, 1.0, 1.0)}  # of red, green and blue; BT.601, and AST
TAKERS = ("channel", "roll_time")  # operators whose feed-forward runs over channels alone


class Taking:
    """What is taken from a file of weights for a network.

    Args:
        kind: the registered name of the weights, for errors.
        mixer: the network.
        path: the file.

    Raises:
        MixkitError: the file holds no ViT.
        DamagedError: it cannot be read.
    """

    def __init__(self, kind: str, mixer: Mixer, path: Path):
        self.kind, self.mixer = kind, mixer
        self.file = Tensors(path)
        self.parts = recognise(self.file.names)
        self._shown = printable(str(path))
        if not self.parts:
            held = ", ".join(groups(sorted(self.file.names))) or "nothing"
            raise MixkitError(
                f"{self._shown} holds no ViT by the names of timm or transformers. It should have one "
                f"patch_embed.proj.weight, or embeddings.patch_embeddings.projection.weight. It has: {held}."
            )
        self._own = dict(mixer.named_parameters())
        self._blocks = mixer.layers
        self._copies: dict[str, Tensor] = {}
        self._used: set[str] = set()
        self._taken: list[str] = []
        self._resized: list[str] = []

    def patches(self, colours: Sequence[float] | None, rule: str) -> None:
        """The patch projection; of a network for photographs, its colours are made one.

        Args:
            colours: factors of red, green and blue; None for a network that has one channel.
            rule: what they are called.
        """
        projection = self._own.get("stem.projection.weight")
        if projection is None or projection.ndim != 4:
            raise SettingError(
                "model.stem",
                f"has no linear patches, in whose place weights.{self.kind} begins. "
                "Set model.stem = @stem.patches(), or lay its form over the recipe: --with stem/patches.",
            )
        wanted = projection.shape
        channels = 1 if colours is None else 3
        found = self.file.shape(self.parts["patches.weight"])
        if len(found) == 4 and found[1] != channels and found[1] in (1, 3):
            other, what = ("ast", "one channel") if found[1] == 1 else ("deit", "three colours")
            raise MixkitError(
                f"{self._at('patches.weight')} is {list(found)}: it has {what}. "
                f"Set train.init = @weights.{other}() for it."
            )
        if len(found) != 4:
            advice = "Take a file of a ViT"
        elif found[0] != wanted[0]:
            advice = f"Set model.width = {found[0]}, or take a file of {wanted[0]}"
        else:
            advice = f"Set stem.patches.size = ({found[2]}, {found[3]})"
        weight = self._read("patches.weight", (wanted[0], channels, *wanted[2:]), advice)
        if colours is not None:
            weight = (weight * weight.new_tensor(colours).view(1, 3, 1, 1)).sum(1, keepdim=True)
        self._copies["stem.projection.weight"] = weight
        self._copies["stem.projection.bias"] = self._read("patches.bias", (wanted[0],), advice)
        factors = "" if colours is None else f" (RGB by {rule}: {', '.join(f'{factor:g}' for factor in colours)})"
        self._taken.append(f"patch projection{factors}")

    def positions(self, rows: int | None) -> None:
        """Class tokens and positional embedding.

        Args:
            rows: of the file's grid along frequency; None for a square one.
        """
        mixer = self.mixer
        own = every_place(mixer)
        if own is None:
            raise self._no_place("position", "no positional embedding", "model.positional = 'whole'")
        ahead, width = own[0].clone(), own[1].shape[1]
        tokens = [part for part in ("class", "distillation") if part in self.parts]
        held = self._count_positions()
        before = self._grid(held - len(tokens), rows, len(tokens))
        learned = self._read("positions", (1, held, width), f"Take a file of width {width}")[0]
        places = fitted(learned[len(tokens) :], before, mixer.stem.grid)
        kept = tokens[: len(ahead)]
        ahead[: len(kept)] = learned[: len(kept)]
        self._taken.append("positional embedding")
        prefix = None
        if kept and mixer.prefix is not None:
            prefix = mixer.prefix.detach()[0].clone()
            for place, part in enumerate(kept):
                prefix[place] = self._read(part, (1, 1, width), f"Take a file of width {width}")[0, 0]
            self._taken.append(f"{' and '.join(kept)} token")
        self._copies |= placed(mixer, places, ahead, prefix)
        if before != mixer.stem.grid:
            self._resized.append(resizing("positions", before, mixer.stem.grid))
        if mixer.position is None:
            self._resized.append(AVERAGED)

    def channels(self) -> None:
        """The feed-forward over channels of each block, and its norm."""
        blocks = next(number for number in count() if f"{number}.expand.weight" not in self.parts)
        places = [(layer, *place) for layer, block in enumerate(self._blocks) if (place := _taker(block.names))]
        if not places:
            raise self._no_place("channel", f"no {' or '.join(TAKERS)}")
        if not blocks:
            raise MixkitError(
                f"{self._shown} holds no feed-forward of blocks. Set weights.{self.kind}.channel = False."
            )
        into: dict[str, list[int]] = {}
        for layer, branch, operator in places:
            if layer < blocks:
                self._channel(layer, branch, operator)
                into.setdefault(self._blocks[layer].names[branch][operator], []).append(layer)
        for name, layers in into.items():
            of = f"of {len(layers)} blocks" if len(layers) > 1 else f"of block {layers[0]}"
            self._taken.append(f"feed-forward over channels and its norm, {of} of {blocks}, into {name}")

    def copied(self) -> Start:
        """Copies all of it into the network, and says what it was."""
        with torch.no_grad():
            for name, values in self._copies.items():
                self._own[name].copy_(values)
        return Start(
            file=str(self.file.path),
            sha256=self.file.sha256(),
            parameters=sum(self._own[name].numel() for name in self._copies),
            of=sum(parameter.numel() for parameter in self._own.values()),
            taken=tuple(self._taken),
            resized=tuple(self._resized),
            left=groups(name for name in sorted(self.file.names) if name not in self._used),
        )

    def _channel(self, layer: int, branch: int, operator: int) -> None:
        place = f"blocks.{layer}.branches.{branch}"
        inside = f"{place}.operators.{operator}.feed_forward"
        hidden, width = self._own[f"{inside}.expand.weight"].shape
        name = self._blocks[layer].names[branch][operator]
        found = (*self.file.shape(self.parts[f"{layer}.expand.weight"]), 0)[0]
        advice = f"Set operator.{name}.hidden = {found}, or weights.{self.kind}.channel = False"
        shapes = {"expand": (hidden, width), "contract": (width, hidden)}
        for part, shape in shapes.items():
            self._copies[f"{inside}.{part}.weight"] = self._read(f"{layer}.{part}.weight", shape, advice)
            self._copies[f"{inside}.{part}.bias"] = self._read(f"{layer}.{part}.bias", shape[:1], advice)
        # The norm is that of the feed-forward only where nothing stands between the two.
        own = cast(MixerBranch, self._blocks[layer].get_submodule(f"branches.{branch}"))
        if operator == 0 and own.norm_place == "pre" and isinstance(own.norm, nn.LayerNorm):
            for part in ("weight", "bias"):
                self._copies[f"{place}.norm.{part}"] = self._read(f"{layer}.norm.{part}", (width,), advice)

    def _count_positions(self) -> int:
        name = self.parts.get("positions")
        shape = self.file.shape(name) if name else ()
        if len(shape) != 3:
            raise MixkitError(f"{self._shown} holds no positional embedding. Set weights.{self.kind}.position = False.")
        return shape[1]

    def _grid(self, patches: int, rows: int | None, tokens: int) -> Grid:
        """The grid of so many patches."""
        height = math.isqrt(max(patches, 0)) if rows is None else rows
        if patches < 1 or patches % height or (rows is None and height * height != patches):
            what = "a square" if rows is None else f"a grid of {rows} rows"
            remedy = "Take a file without register tokens" if rows is None else f"Set weights.{self.kind}.rows"
            raise MixkitError(
                f"{self._at('positions')} has {patches} positions beside {tokens} class tokens, which is not {what}. "
                f"{remedy}, or weights.{self.kind}.position = False."
            )
        return Grid(height, patches // height)

    def _read(self, part: str, shape: Sequence[int], advice: str) -> Tensor:
        name = self.parts.get(part)
        if name is None:
            block, _, rest = part.partition(".")
            where = f"{rest} of block {block}" if block.isdecimal() else part
            raise MixkitError(
                f"{self._shown} lacks {where}, which it should have beside the others. Take a whole file."
            )
        found = self.file.shape(name)
        if found != tuple(shape):
            raise MixkitError(f"{self._at(part)} is {list(found)}, and this network takes {list(shape)}. {advice}.")
        self._used.add(name)
        return self.file.read(name)

    def _at(self, part: str) -> str:
        return self.file.at(self.parts[part])

    def _no_place(self, setting: str, lacking: str, remedy: str = "") -> SettingError:
        key = f"weights.{self.kind}.{setting}"
        remedy = f"{remedy}, or {key} = False" if remedy else f"{key} = False"
        return SettingError(key, f"is True, but the network has {lacking}. Set {remedy}.")


def _taker(names: Sequence[Sequence[str]]) -> tuple[int, int] | None:
    """Branch and place in it of the first feed-forward over channels of a block."""
    found = ((b, o) for b, row in enumerate(names) for o, name in enumerate(row) if name in TAKERS)
    return next(found, None)
