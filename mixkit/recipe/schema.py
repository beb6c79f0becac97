"""A recipe as data: frozen sections that say everything about a run, and nothing about modules."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Annotated, Any, Literal, get_type_hints

from mixkit.errors import SettingError, did_you_mean
from mixkit.recipe.figures import KEYS, LOSS, standard
from mixkit.registry import Spec
from mixkit.values import Aside, Count, Positive, Range, Rate, Seed, Whole, fit, show

Norm = Literal["layer", "group", "none", "batch", "affine"]
NormPlace = Literal["pre", "res_post", "post"]
Activation = Literal["relu", "gelu", "silu", "mish"]

OF_TASKS = ("augmentations", "pad", "crop", "training_crop", "windows", "on_bad_file")
HOMES: Mapping[str, str] = dict.fromkeys(OF_TASKS, "task")
"""Fields of the recipe that are written as settings of every task: `task.on_bad_file`."""

Pad = Literal["silence", "repeat", "centre"]
"""What fills up a clip that is shorter than the network takes."""

Crop = Literal["centre", "start", "loudest"]
"""Which stretch is taken of a clip that is longer."""


OF_STAGES = ("pattern", "width", "depth")
"""Settings of the model that are those of its stages, where it has any."""


class Section:
    """A part of a recipe. Its name is the class name in lower case; every field is checked when it is made."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self), include_extras=True)
        for part in fields(self):  # type: ignore[arg-type]
            key = f"{home_of(type(self).__name__.lower(), part.name)}.{part.name}"
            object.__setattr__(self, part.name, fit(getattr(self, part.name), hints[part.name], key))


def home_of(section: str, setting: str) -> str:
    """What stands ahead of a section's setting where a recipe writes it."""
    return HOMES.get(setting, section) if section == "recipe" else section


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
            _expect_kind(self.downsample, "downsample", "stage.downsample")


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
        pool: from the tokens to one vector.
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
    pool: Spec = Spec("pool", "mean")
    head: Spec = Spec("head", "linear")

    def __post_init__(self) -> None:
        super().__post_init__()
        for kind in ("stem", "pool", "head"):
            _expect_kind(getattr(self, kind), kind, f"model.{kind}")
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
class Train(Section):
    """How a model is trained.

    How long is said by `epochs` or by `steps`, of which the one that is written last holds. An epoch is a pass over the
    training split either way, and is followed by validation and a saved state. With `steps` the last one ends at the
    last update. Schedules count updates.

    Args:
        epochs: passes over the training split; 20 where neither this nor `steps` is set.
        steps: updates, exactly so many; one that is left out counts. `auto` goes by the number of training clips, the
            more the more there are. None for what `epochs` comes to.
        batch_size: clips in a step.
        learning_rate: at its highest.
        optimizer: what turns gradients into steps.
        schedule: the learning rate over time.
        loss: what is minimised.
        augmentations: applied in this order, behind those of the task, in training only.
        augment_strength: factor on all augmentations, those of the task too: each is as much stronger or weaker, and 0
            turns them off. `auto` goes by the number of training clips: 1 up to 400, and the weaker the more there are.
        metrics: figures beside those that every run has, computed over a whole split.
        gradient_clip: largest norm of all gradients together; None for no limit.
        accumulation: parts in which a batch is computed, one after the other, to save memory; the step is the same.
        average: decay of the moving average of the weights, which is then what is evaluated and kept; None for none.
        balance: make up for rare classes by weights in the loss, or by drawing them more often.
        precision: of matrix products; `auto` is bf16 where the device computes it faster.
        checkpointing: compute activations twice instead of keeping them, to save memory.
        compile: let torch.compile make the network faster; the first steps take minutes.
        deterministic: only operations that give the same bits every time, also on a GPU.
        best: the figure on the validation split by which the best epoch is chosen: `loss`, a metric that every run has,
            such as `accuracy`, `recall` or `map`, or the name of one of `metrics`.
        refit: when the best epoch is chosen, train once more from the same start, on training and validation together
            and for as many epochs (with `steps`, updates), and test that network.
        patience: epochs without a better one after which training ends early; None for never.
        on_bad_number: what to do when a loss or a gradient is not finite: stop there, or leave the step out.
        save_every_steps: steps between saved states, beside the one after each epoch; None for no others.
        save_every_minutes: minutes between them; None for no others.
        workers: processes that read audio; 0 reads in the main process.
        seed: of weights, order, crops and augmentation.
        init: weights of another network that a new run starts from, as far as they fit; None for fresh ones.
    """

    epochs: Count | None = None
    steps: Count | Literal["auto"] | None = None
    batch_size: Count = 32
    learning_rate: Positive = 1e-3
    optimizer: Spec = Spec("optimizer", "adamw")
    schedule: Spec = Spec("schedule", "cosine")
    loss: Spec = Spec("loss", "cross_entropy")
    augmentations: tuple[Spec, ...] = ()
    augment_strength: Annotated[float, Range(least=0, most=1000)] | Literal["auto"] = 1.0
    metrics: tuple[Spec, ...] = ()
    gradient_clip: Positive | None = 1.0
    accumulation: Count = 1
    average: Rate | None = None
    balance: Literal["none", "weights", "sampler"] = "none"
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    checkpointing: bool = False
    compile: bool = False
    deterministic: bool = False
    best: str = "accuracy"
    refit: bool = False
    patience: Count | None = None
    on_bad_number: Literal["stop", "skip"] = "stop"
    save_every_steps: Annotated[Count | None, Aside.HOW] = None
    save_every_minutes: Annotated[Positive | None, Aside.HOW] = 10.0
    workers: Annotated[int, Range(least=0, most=1024), Aside.HOW] = 0
    seed: Seed = 0
    init: Spec | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps is None and self.epochs is None:
            object.__setattr__(self, "epochs", 20)
        elif self.steps is not None and self.epochs is not None:
            fault = f"is {show(self.steps)}, and train.epochs is {self.epochs}: both say how long a run is."
            raise SettingError("train.steps", f"{fault} Set one of them to None.")
        for kind in ("optimizer", "schedule", "loss"):
            _expect_kind(getattr(self, kind), kind, f"train.{kind}")
        for spec in self.augmentations:
            _expect_kind(spec, "augmentation", "train.augmentations")
        if self.init is not None:
            _expect_kind(self.init, "weights", "train.init")
        names, known = [spec.name for spec in self.metrics], standard()
        for spec in self.metrics:
            _expect_kind(spec, "metric", "train.metrics")
            anyway = spec.name in (*KEYS, *known)
            if anyway or names.count(spec.name) > 1:
                fault = "which every run has anyway" if anyway else "twice"
                raise SettingError("train.metrics", f"names {spec.name}, {fault}. Each figure needs a name of its own.")
        if self.best not in (LOSS, *known, *names):
            hint = did_you_mean(self.best, (LOSS, *known, *names))
            fault = f"is {show(self.best)}, which is no figure to choose by.{hint}"
            raise SettingError("train.best", f"{fault} A metric has to stand in train.metrics, too.")


@dataclass(frozen=True)
class Recipe(Section):
    """Everything about a run.

    Args:
        model: the network.
        train: how it is trained.
        task: where labelled clips come from.
        features: from waveform to log-mel.
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
        sources: where each written key stands, `{"train.epochs": "recipes/mine.gin:7"}`; not part of equality.
    """

    model: Model
    train: Train
    task: Spec
    features: Spec = Spec("features", "log_mel")
    name: str = "recipe"
    plugins: tuple[str, ...] = ()
    augmentations: tuple[Spec, ...] = ()
    pad: Pad = "silence"
    crop: Crop = "centre"
    training_crop: Literal["random", "same"] = "random"
    windows: Literal["one", "all"] = "one"
    on_bad_file: Literal["stop", "skip"] = "stop"
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        _expect_kind(self.task, "task", "recipe.task")
        _expect_kind(self.features, "features", "recipe.features")
        for spec in self.augmentations:
            _expect_kind(spec, "augmentation", "task.augmentations")
        plain = self.name.isprintable() and not self.name.startswith(".") and not set(self.name) & {*"/\\"}
        if not plain or not 0 < len(self.name) <= 100:  # a run is written below the folder of that name
            raise SettingError("recipe.name", f"is {show(self.name)}, no name for a folder. Use letters, digits and _.")

    @property
    def all_augmentations(self) -> tuple[Spec, ...]:
        """Those of the task and of the training, in the order in which they are applied."""
        return (*self.augmentations, *self.train.augmentations)


SECTIONS: Mapping[str, type[Section]] = {
    section.__name__.lower(): section for section in (Recipe, Model, Stage, Block, Branch, Train)
}


def _expect_kind(spec: Spec, kind: str, setting: str) -> None:
    if spec.kind != kind:
        article = "" if kind in ("features", "weights") else "an " if kind[0] in "aeiou" else "a "
        raise SettingError(
            setting, f"is the {spec.kind} {spec.name!r}. It takes {article}{kind}, such as @{kind}.NAME()."
        )
