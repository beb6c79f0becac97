"""A network with linear patches at another patch size: the same weights on another grid.

Its kernel and its positions are resized; all else is as it was, so no operator may have weights for places of one grid.
"""

import re
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mixkit.errors import MixkitError, SettingError
from mixkit.model.classifier import Classifier, build, expect_labels
from mixkit.model.mixer import Mixer
from mixkit.model.norms import BatchNorm
from mixkit.model.resizing import along_axes, kernel_matrix, position_matrix
from mixkit.recipe.schema import Model, Recipe
from mixkit.registry import Spec

Size = tuple[int, int]
"""Bins and frames of a patch."""

KERNEL = "stem.projection.weight"
RESIZED = (KERNEL, "position", "frequencies", "times")
FLEXIBLE = "stem.patches.flexible"
ANY_GRID = "attention, channel, convolution, pooling and shift"
"""Some of the operators without weights for places, for errors."""


def patch_size(text: str) -> Size:
    """A size as it is written on the command line: `20`, or `16x8`.

    Raises:
        MixkitError: it is written otherwise.
    """
    if not (found := re.fullmatch(r"([1-9]\d{0,5})(?:x([1-9]\d{0,5}))?", text)):
        raise MixkitError(f"--patch {text!r} is no size. Write 20 for 20 x 20, or bins and frames as 16x8.")
    return int(found[1]), int(found[2] or found[1])


def shown(size: Size) -> str:
    """A size in words."""
    return f"{size[0]} x {size[1]} (bins x frames)"


def flexible(recipe: Recipe) -> tuple[Size, ...]:
    """The sizes that training draws from; none of most recipes."""
    model = recipe.model
    sizes: tuple[Size, ...] = () if model is None or not _is_linear(model) else model.stem.params["flexible"]
    return sizes


def model_at(model: Model, size: Size) -> Model:
    """A network with linear patches as data, with patches of another size.

    Their stride changes as they do, rounded to whole bins and frames.
    """
    settings = model.stem.params
    sides = zip(settings["stride"], settings["size"], size, strict=True)
    stride = tuple(max(1, (2 * step * new + old) // (2 * old)) for step, old, new in sides)
    changed = {**settings, "size": size, "stride": stride, "flexible": ()}
    return replace(model, stem=Spec("stem", model.stem.name, changed))


def with_patches(model: Classifier, patch: int | Size) -> Classifier:
    """A trained network as it is for patches of another size, on the CPU.

    Args:
        model: with its labels.
        patch: bins and frames of a patch, or one number for both.

    Raises:
        SettingError: it has no linear patches, such ones do not fit the spectrogram, or an operator has weights for
            places of its own grid.
        MixkitError: it is pretrained.
    """
    expect_labels(model)
    recipe, size = model.recipe, (patch, patch) if isinstance(patch, int) else patch
    if recipe.model is None or not _is_linear(recipe.model):
        has = recipe.architecture if isinstance(recipe.architecture, Spec) else recipe.architecture.stem
        fault = f"is {shown(size)}, and the network has no linear patches but @{has.kind}.{has.name}()."
        raise SettingError("patch", f"{fault} Take a run with them, such as one that was trained --with stem/patches.")
    place = model.features.bins, model.features.frames
    if not all(1 <= side <= most for side, most in zip(size, place, strict=True)):
        fault = f"is {shown(size)}, and the spectrogram has {place[0]} bins and {place[1]} frames."
        raise SettingError("patch", f"{fault} Use at most those, and at least 1.")
    with torch.device("meta"):
        other_mixer(recipe.model, model.mixer, place, size, "patch")
    other = build(replace(recipe, model=model_at(recipe.model, size)), len(model.labels))
    resized = Resized(model.mixer, other.mixer).weights()
    other.load_state_dict(model.state_dict() | {f"mixer.{name}": tensor for name, tensor in resized.items()})
    other.labels, other.refit, other.trained_on = model.labels, model.refit, model.trained_on
    return other.train(model.training)


def expect_flexible(recipe: Recipe, mixer: nn.Module, bins: int, frames: int) -> None:
    """Refuses sizes to draw from at which the network cannot be, before it is trained.

    Args:
        recipe: of the network.
        mixer: the network.
        bins: of its spectrograms.
        frames: of its spectrograms.

    Raises:
        SettingError: of `stem.patches.flexible`, or of a setting that does not go with it.
    """
    sizes = flexible(recipe)
    if not sizes or recipe.model is None or not isinstance(mixer, Mixer):
        return
    if recipe.pretrain is not None:
        fault = "names sizes to draw from, and pretraining hides cells of one grid."
        raise SettingError(FLEXIBLE, f"{fault} Set it to [] here, and draw in the training that starts from the run.")
    if recipe.train.compile:
        fault = f"is True, and {FLEXIBLE} changes the network from step to step."
        raise SettingError("train.compile", f"{fault} Set one of them to its default.")
    with torch.device("meta"):
        for size in dict.fromkeys(sizes):
            other_mixer(recipe.model, mixer, (bins, frames), size, FLEXIBLE)


def other_mixer(model: Model, mixer: Mixer, place: tuple[int, int], size: Size, setting: str) -> Mixer:
    """The network with patches of another size, with fresh weights, but for the head, which is the same one.

    Args:
        model: the network as data.
        mixer: the network.
        place: bins and frames of its spectrograms.
        size: of the patches.
        setting: that asks for it, for errors.

    Raises:
        SettingError: it cannot be, or has other weights than kernel and positions of another shape.
    """
    asked = f"asks for patches of {shown(size)}"
    try:
        other = Mixer(model_at(model, size), *place, 1)
    except MixkitError as error:
        raise SettingError(setting, f"{asked}, of which the network cannot be built: {error}") from None
    other.head = mixer.head
    ours, theirs = ({name: tensor.shape for name, tensor in one.state_dict().items()} for one in (mixer, other))
    tied = [name for name in ours | theirs if name not in RESIZED and ours.get(name) != theirs.get(name)]
    if tied:
        before, now = mixer.stem.grid, other.stem.grid
        grids = f"{before.frequency} x {before.time} but of {now.frequency} x {now.time} of them"
        fault = f"{asked}, a grid not of {grids}, and {_part(mixer, tied[0])} has weights for the places of one grid."
        raise SettingError(setting, f"{fault} Operators that have none are, among others, {ANY_GRID}.")
    return other


class Resized:
    """Kernel and positions of a network as they are for patches of another size; gradients go through.

    Args:
        mixer: the network.
        other: the same one with those patches.
    """

    def __init__(self, mixer: Mixer, other: Mixer):
        self.mixer = mixer
        kernel, wanted = mixer.get_parameter(KERNEL), other.get_parameter(KERNEL)
        before, now = mixer.stem.grid, other.stem.grid
        self._kernel = [kernel_matrix(*sides).to(kernel.dtype) for sides in _pairs(kernel.shape[2:], wanted.shape[2:])]
        grids = _pairs((before.frequency, before.time), (now.frequency, now.time))
        self._places = [position_matrix(*lengths).to(kernel.dtype) for lengths in grids]
        self._grid = before.frequency, before.time

    def weights(self) -> dict[str, Tensor]:
        """All of them, by the names of the network's parameters."""
        mixer, kernel = self.mixer, self.mixer.get_parameter(KERNEL)
        self._kernel, self._places = ([m.to(kernel.device) for m in both] for both in (self._kernel, self._places))
        with torch.autocast(kernel.device.type, enabled=False):
            made = {KERNEL: along_axes(kernel, *self._kernel)}
            if mixer.position is not None:
                ahead, places = mixer.position.split([mixer.sites[0].prefix, mixer.stem.grid.tokens], dim=1)
                table = along_axes(places.mT.unflatten(2, self._grid), *self._places)
                made["position"] = torch.cat([ahead, table.flatten(2).mT], dim=1)
            if mixer.frequencies is not None and mixer.times is not None:
                made |= {"frequencies": self._places[0] @ mixer.frequencies, "times": self._places[1] @ mixer.times}
        return made


class FlexiblePatches(nn.Module):
    """A network that takes patches of several sizes, with one set of weights for all of them.

    Shape: `b m l -> b k`.

    Args:
        recipe: of the network.
        mixer: the network.
        bins: of its spectrograms.
        frames: of its spectrograms.

    Attributes:
        sizes: of its patches.

    Paper: FlexiViT, Beyer et al. 2023, arXiv:2212.08013; FlexiAST, Feng et al. 2023, arXiv:2307.09286.
    Differs: both interpolate positions bilinearly, here it is done bicubically, as wherever else they go to another
        grid. FlexiAST's patches do not overlap; here the stride changes as the size does.
    """

    def __init__(self, recipe: Recipe, mixer: Mixer, bins: int, frames: int):
        super().__init__()
        self.mixer = mixer
        self.sizes = flexible(recipe)
        assert recipe.model is not None, "a network with patches is a model"
        with torch.random.fork_rng(devices=[]):
            others = [other_mixer(recipe.model, mixer, (bins, frames), size, FLEXIBLE) for size in self.sizes]
        self._others = [(_tied(other, mixer), Resized(mixer, other)) for other in others]  # in a list: no parts of this

    def forward(self, x: Tensor, size: int) -> Tensor:
        """Logits of a batch of spectrograms by patches of one of the sizes, named by its place among them."""
        other, resized = self._others[size]
        for own, shared in zip(other.modules(), self.mixer.modules(), strict=True):
            own.training = shared.training
        logits: Tensor = functional_call(other, resized.weights(), (x,))
        return logits


def _tied(other: Mixer, mixer: Mixer) -> Mixer:
    """The other network with the weights and statistics of this one in the place of its own."""
    for path, module in mixer.named_modules():
        if isinstance(module, BatchNorm):  # one for both, which knows whether a batch is to be counted
            other.set_submodule(path, module)
    for path, tensor in mixer.state_dict(keep_vars=True).items():
        if path not in RESIZED:
            where, _, name = path.rpartition(".")
            setattr(other.get_submodule(where), name, tensor)
    other.checkpointing = mixer.checkpointing
    return other.to(mixer.get_parameter(KERNEL).device)


def _part(mixer: Mixer, name: str) -> str:
    """What of a network a weight belongs to."""
    if found := re.match(r"blocks\.(\d+)\.branches\.(\d+)\.operators\.(\d+)\.", name):
        layer, branch, place = map(int, found.groups())
        return f"@operator.{mixer.layers[layer].names[branch][place]}()"
    return f"the {name.partition('.')[0].removesuffix('s')}"


def _is_linear(model: Model) -> bool:
    return model.stem.name == "patches"


def _pairs(before: tuple[int, ...], now: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(zip(before, now, strict=True))
