"""A recipe as data: frozen sections that say everything about a run, and nothing about modules."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, Literal

from mixkit.errors import SettingError
from mixkit.recipe.figures import LOSS
from mixkit.recipe.pretrain import Pretrain
from mixkit.recipe.section import Section, expect_kind, refuse_assignment
from mixkit.recipe.train import Train
from mixkit.registry import Spec
from mixkit.values import Count, Positive, Rate, Whole, show

Norm = Literal["layer", "group", "none", "batch", "affine"]
NormPlace = Literal["pre", "res_post", "post"]
Activation = Literal["relu", "gelu", "silu", "mish"]

Pad = Literal["silence", "repeat", "centre"]
"""What fills up a clip that is shorter than the network takes."""

Crop = Literal["centre", "start", "loudest"]
"""Which stretch is taken of a clip that is longer."""


OF_STAGES = ("pattern", "width", "depth")
"""Settings of the model that are those of its stages, where it has any."""


OF_MODELS = ("model", "stage", "block", "branch", "stem", "downsample", "operator", "pool", "head")
"""Sections and kinds of which a model is made, and a whole network is not."""


@dataclass(frozen=True)
class Branch(Section):
    """Operators in a row under one norm and one residual: `x + drop_path(scale * operators(norm(x)))`.

    Args:
        operators: operators in the order they are applied.
        norm: `layer`: LayerNorm over channels; `group`: GroupNorm with one group, over tokens
            and channels; `batch`: BatchNorm; `affine`: a learned gain and bias per channel alone; or `none`.
        residual: add the input; without it the branch replaces its input (ShiftViT's shift).
        norm_place: where the norm stands. `pre`: ahead of the operators; `res_post`: behind them, ahead of the sum with
            the input (Swin V2); `post`: behind the sum (FNet, and Transformers at first).
    """

    operators: tuple[Spec, ...]
    norm: Norm = "layer"
    residual: bool = True
    norm_place: NormPlace = "pre"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.operators:
            raise SettingError("branch.operators", "is empty. Name at least one operator.")
        for spec in self.operators:
            if spec.kind != "operator":
                raise SettingError("branch.operators", f"holds the {spec.kind} {spec.name!r}. It takes operators.")

    @property
    def around(self) -> dict[str, Any]:
        """Its settings, but for the operators."""
        return {name: getattr(self, name) for name in PLAIN}


PLAIN: Mapping[str, Any] = {part.name: part.default for part in fields(Branch) if part.name != "operators"}
"""Settings of a branch that is written as its operators alone."""


@dataclass(frozen=True)
class Block(Section):
    """A row of branches.

    Args:
        branches: each a `Branch`; an operator alone, or a list of operators, is a branch with the defaults. With an
            empty list nothing is mixed: the network is its stem and its pool.
        drop_path: probability that a sample skips a branch, growing linearly from 0 at the first layer.
        layer_scale: start value of a learned gain per channel on each branch; None for no gain.
        residual: add the input of the block to what comes out of its branches, which then have one drop path together,
            and one gain, on the last of them (GFNet). Its branches are meant to have no residual of their own.
    """

    branches: tuple[Branch, ...]
    drop_path: Rate = 0.0
    layer_scale: Positive | None = None
    residual: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.branches, list | tuple):
            object.__setattr__(self, "branches", tuple(_branch(entry) for entry in self.branches))
        super().__post_init__()


def _branch(entry: Any) -> Any:
    if isinstance(entry, Spec):
        return Branch((entry,))
    if isinstance(entry, list | tuple):
        return Branch(tuple(entry))
    return entry


@dataclass(frozen=True)
class Stage(Section):
    """Blocks of one width on one grid. Several make a pyramid: `model.stages = [@early/stage(), @late/stage()]`.

    Args:
        pattern: blocks in the order they are repeated.
        width: channels of a token.
        depth: number of blocks.
        downsample: from the stage ahead to the grid and the width of this one; None keeps them, as the first one does.
    """

    pattern: tuple[Block, ...]
    width: Count = 192
    depth: Count = 12
    downsample: Spec | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.pattern:
            raise SettingError("stage.pattern", "is empty. Name at least one block.")
        if self.downsample is not None:
            expect_kind(self.downsample, "downsample", "stage.downsample")


@dataclass(frozen=True)
class Model(Section):
    """From a spectrogram to logits: stem, stages of blocks, norm, pool, head.

    With `stages`, width, depth and pattern are those of the stages: here the width is the last one's, and the depth all
    of theirs together.

    Args:
        pattern: blocks in the order they are repeated; layer i is `pattern[i % len(pattern)]`.
        width: channels of a token.
        depth: number of blocks.
        stages: of a pyramid, instead of a pattern, width and depth for all of the network.
        stem: from the spectrogram to tokens on a grid.
        prefix: learned tokens ahead of the grid (AST and ASM: 2, class and distillation).
        positional: add a learned embedding to every token: `whole`, one for each, or `axes`, one for each frequency
            plus one for each time.
        norm: behind the last block.
        activation: behind that norm; None for none.
        norm_eps: added to the variance in the norms of blocks and output.
        pool: from the tokens to one vector; None for the mean of prefix tokens, or of the grid without any.
        head: from that vector to logits.
    """

    pattern: tuple[Block, ...] = ()
    width: Count = 192
    depth: Count = 12
    stages: tuple[Stage, ...] = ()
    stem: Spec = Spec("stem", "patches")
    prefix: Whole = 0
    positional: Literal["none", "whole", "axes"] = "none"
    norm: Norm = "layer"
    activation: Activation | None = None
    norm_eps: Positive = 1e-6
    pool: Spec | None = None
    head: Spec = Spec("head", "linear")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pool is None:
            object.__setattr__(self, "pool", Spec("pool", "prefix" if self.prefix else "mean"))
        for kind in ("stem", "pool", "head"):
            expect_kind(getattr(self, kind), kind, f"model.{kind}")
        if self.stages:
            self._check_stages()
            object.__setattr__(self, "width", self.stages[-1].width)
            object.__setattr__(self, "depth", sum(stage.depth for stage in self.stages))
        elif not self.pattern:
            raise SettingError("model.pattern", "is empty. Name at least one block.")

    @property
    def pyramid(self) -> tuple[Stage, ...]:
        """The stages; where the recipe names none, all blocks are one."""
        return self.stages or (Stage(self.pattern, self.width, self.depth),)

    def _check_stages(self) -> None:
        if self.pattern:
            raise SettingError(
                "model.pattern", "stands beside model.stages, which have patterns. Leave one of them out."
            )
        if self.stages[0].downsample is not None:
            raise SettingError("model.stages", "begins with a stage with a downsample. Set the stem's stride instead.")
        for number, (before, stage) in enumerate(pairwise(self.stages), start=2):
            if stage.downsample is None and stage.width != before.width:
                message = f"has a stage {number} of width {stage.width} behind one of {before.width}, and no way there."
                raise SettingError("model.stages", f"{message} Set its stage.downsample = @downsample.convolution().")
            if stage.downsample is not None and self.prefix:
                message = (
                    f"is {self.prefix}, and stages with a downsample have no place for prefix tokens. Set it to 0."
                )
                raise SettingError("model.prefix", message)


@dataclass(frozen=True)
class Recipe(Section):
    """Everything about a run.

    Args:
        model: the network, built of parts; None where a whole one is named.
        train: how it is trained.
        task: where labelled clips come from.
        features: from waveform to log-mel.
        network: a whole network in the place of a model; None to build the model.
        name: for folders and titles; at most 100 characters, none of them a slash.
        plugins: modules that the recipe imports; the user has to name each of them too.
        augmentations: that fit the recordings, whatever else is varied in training: of sounds that have no beginning,
            any moment may come first. They are applied ahead of those of `train`. Like the five that follow, the
            setting is written as one of every task, `task.augmentations`.
        pad: what fills up a clip that is shorter than the network takes: silence behind it, silence on both sides, or
            the clip again.
        crop: which stretch of a longer clip is evaluated: the one in the centre, the first, or the loudest.
        training_crop: which one is trained on: any, drawn anew in each epoch, or the same.
        windows: what of a longer clip is evaluated: one stretch, or all of it in windows that overlap by half, whose
            scores are averaged, as `predict` does.
        on_bad_file: what to do about recordings that cannot be used: refuse to train, or leave out up to one in a
            hundred.
        pretrain: how to pretrain the network without labels, instead of training it; None to train it.
        sources: where each written key stands, `{"train.epochs": "recipes/mine.gin:7"}`; not part of equality.
        left_aside: where each key of a model stands that a network takes the place of; not part of equality.
    """

    model: Model | None
    train: Train
    task: Spec
    features: Spec = Spec("features", "log_mel")
    network: Spec | None = None
    name: str = "recipe"
    plugins: tuple[str, ...] = ()
    augmentations: tuple[Spec, ...] = ()
    pad: Pad = "silence"
    crop: Crop = "centre"
    training_crop: Literal["random", "same"] = "random"
    windows: Literal["one", "all"] = "one"
    on_bad_file: Literal["stop", "skip"] = "stop"
    pretrain: Pretrain | None = None
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    left_aside: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.model is None) == (self.network is None):
            raise SettingError("recipe.network", "and recipe.model: a recipe has one of them. Set the other to None.")
        if self.network is not None:
            expect_kind(self.network, "network", "recipe.network")
            if self.pretrain is not None:
                fault = f"hides cells of a model's grid, and @network.{self.network.name}() has none."
                raise SettingError("recipe.pretrain", f"{fault} Take a recipe with a model.")
        expect_kind(self.task, "task", "recipe.task")
        expect_kind(self.features, "features", "recipe.features")
        for spec in self.augmentations:
            expect_kind(spec, "augmentation", "task.augmentations")
        if self.pretrain is not None and self.train.teacher is not None:
            raise SettingError("train.teacher", "is set, and pretraining has no classes to learn of. Set it to None.")
        plain = self.name.isprintable() and not self.name.startswith(".") and not set(self.name) & {*"/\\"}
        if not plain or not 0 < len(self.name) <= 100:  # a run is written below the folder of that name
            raise SettingError("recipe.name", f"is {show(self.name)}, no name for a folder. Use letters, digits and _.")

    def __repr__(self) -> str:
        if self.model is None:
            shape = f"network {self.network}"
        else:
            blocks = [block for stage in self.model.pyramid for block in stage.pattern]
            names = [spec.name for block in blocks for branch in block.branches for spec in branch.operators]
            mixed = " + ".join(dict.fromkeys(names)) or "nothing mixed"
            shape = f"{self.model.depth} blocks of {self.model.width} channels ({mixed})"
        length = f"epochs: {self.train.epochs}" if self.train.epochs else f"updates: {self.train.steps}"
        batch = f"clips in a batch: {self.train.batch_size}"
        return f"<Recipe {self.name}: task {self.task.name}, {shape}, {length}, {batch}>"

    @property
    def architecture(self) -> Model | Spec:
        """The network as data: a model, or the whole network that takes its place."""
        chosen = self.network if self.model is None else self.model
        assert chosen is not None, "a recipe has a model or a network"
        return chosen

    @property
    def note(self) -> str:
        """What is written for a model, and left aside for a network; nothing where there is no such thing."""
        if self.network is None or not self.left_aside:
            return ""
        keys = ", ".join(self.left_aside)
        return f"@network.{self.network.name}() stands in the place of a model. Left aside: {keys}."

    @property
    def all_augmentations(self) -> tuple[Spec, ...]:
        """Those of the task and of the training, in the order in which they are applied."""
        if self.pretrain is not None and not self.pretrain.augment:
            return ()
        return (*self.augmentations, *self.train.augmentations)

    @property
    def best(self) -> str:
        """The figure on validation by which the best epoch is chosen."""
        return self.train.best if self.pretrain is None else LOSS

    @property
    def refits(self) -> bool:
        """Whether the network is trained once more when the best epoch is chosen."""
        return self.train.refit and self.pretrain is None

    @property
    def every_window(self) -> bool:
        """Whether all of a longer clip is evaluated."""
        return self.windows == "all" and self.pretrain is None


SECTIONS: Mapping[str, type[Section]] = {
    section.__name__.lower(): section for section in (Recipe, Model, Stage, Block, Branch, Train, Pretrain)
}

for _section in SECTIONS.values():  # a frozen dataclass has an error of its own, which names no other way
    _section.__setattr__ = refuse_assignment  # type: ignore[method-assign, assignment]
