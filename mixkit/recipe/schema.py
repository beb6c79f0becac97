"""A recipe as data: frozen sections that say everything about a run, and nothing about modules."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_type_hints

from mixkit.errors import SettingError
from mixkit.registry import Spec
from mixkit.values import Count, Positive, Rate, Whole, fit


class Section:
    """A part of a recipe. Its name is the class name in lower case; every field is checked when it is made."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self), include_extras=True)
        for part in fields(self):  # type: ignore[arg-type]
            key = f"{type(self).__name__.lower()}.{part.name}"
            object.__setattr__(self, part.name, fit(getattr(self, part.name), hints[part.name], key))


@dataclass(frozen=True)
class Branch(Section):
    """Operators in a row under one norm and one residual: `x + drop_path(scale * operators(norm(x)))`.

    Args:
        operators: operators in the order they are applied.
        norm: LayerNorm over channels, GroupNorm with one group over tokens and channels, or none.
        residual: add the input; without it the branch replaces its input (ShiftViT's shift).
    """

    operators: tuple[Spec, ...]
    norm: Literal["layer", "group", "none"] = "layer"
    residual: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.operators:
            raise SettingError("branch.operators", "is empty. Name at least one operator.")
        for spec in self.operators:
            if spec.kind != "operator":
                raise SettingError("branch.operators", f"holds the {spec.kind} {spec.name!r}. It takes operators.")


@dataclass(frozen=True)
class Block(Section):
    """A row of branches.

    Args:
        branches: each a `Branch`; an operator alone, or a list of operators, is a branch with the defaults.
        drop_path: probability that a sample skips a branch, growing linearly from 0 at the first layer.
        layer_scale: start value of a learned gain per channel on each branch; None for no gain.
    """

    branches: tuple[Branch, ...]
    drop_path: Rate = 0.0
    layer_scale: Positive | None = None

    def __post_init__(self) -> None:
        if isinstance(self.branches, list | tuple):
            object.__setattr__(self, "branches", tuple(_branch(entry) for entry in self.branches))
        super().__post_init__()
        if not self.branches:
            raise SettingError("block.branches", "is empty. Name at least one operator.")


def _branch(entry: Any) -> Any:
    if isinstance(entry, Spec):
        return Branch((entry,))
    if isinstance(entry, list | tuple):
        return Branch(tuple(entry))
    return entry


@dataclass(frozen=True)
class Model(Section):
    """From log-mel to logits: patches, blocks tiled over the depth, norm, pooling, head.

    Args:
        pattern: blocks in the order they are repeated; layer i is `pattern[i % len(pattern)]`.
        width: channels of a token.
        depth: number of blocks.
        patch: bins and frames of a patch.
        stride: bins and frames from one patch to the next.
        prefix: learned tokens ahead of the grid (AST and ASM: 2, class and distillation).
        positional: add a learned embedding to every token.
        pool: mean over the grid, or mean over the prefix tokens.
        norm_eps: added to the variance in the norms of blocks and output.
        head: from the pooled vector to logits.
    """

    pattern: tuple[Block, ...]
    width: Count = 192
    depth: Count = 12
    patch: tuple[Count, Count] = (16, 16)
    stride: tuple[Count, Count] = (10, 10)
    prefix: Whole = 0
    positional: bool = False
    pool: Literal["mean", "prefix"] = "mean"
    norm_eps: Positive = 1e-6
    head: Spec = Spec("head", "linear")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.pattern:
            raise SettingError("model.pattern", "is empty. Name at least one block.")
        if self.pool == "prefix" and not self.prefix:
            raise SettingError("model.pool", "is 'prefix', but model.prefix is 0. Set model.prefix = 1 or more.")
        _expect_kind(self.head, "head", "model.head")


@dataclass(frozen=True)
class Train(Section):
    """How a model is trained.

    Args:
        epochs: passes over the training split.
        batch_size: clips in a step.
        learning_rate: at its highest.
        optimizer: what turns gradients into steps.
        schedule: the learning rate over time.
        loss: what is minimised.
        augmentations: applied in this order, in training only.
        gradient_clip: largest norm of all gradients together; None for no limit.
        balance: make up for rare classes by weights in the loss, or by drawing them more often.
        precision: of matrix products; `auto` is bf16 where the device computes it faster.
        best: the figure on the validation split by which the best epoch is chosen.
        workers: processes that read audio; 0 reads in the main process.
        seed: of weights, order, crops and augmentation.
    """

    epochs: Count = 20
    batch_size: Count = 32
    learning_rate: Positive = 1e-3
    optimizer: Spec = Spec("optimizer", "adamw")
    schedule: Spec = Spec("schedule", "cosine")
    loss: Spec = Spec("loss", "cross_entropy")
    augmentations: tuple[Spec, ...] = ()
    gradient_clip: Positive | None = 1.0
    balance: Literal["none", "weights", "sampler"] = "none"
    precision: Literal["auto", "float32", "bf16"] = "auto"
    best: Literal["accuracy", "auc", "f1"] = "accuracy"
    workers: Whole = 0
    seed: Whole = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for kind in ("optimizer", "schedule", "loss"):
            _expect_kind(getattr(self, kind), kind, f"train.{kind}")
        for spec in self.augmentations:
            _expect_kind(spec, "augmentation", "train.augmentations")


@dataclass(frozen=True)
class Recipe(Section):
    """Everything about a run.

    Args:
        model: the network.
        train: how it is trained.
        task: where labelled clips come from.
        features: from waveform to log-mel.
        name: for folders and titles.
        plugins: modules that the recipe imports; the user has to name each of them too.
        sources: where each written key stands, `{"train.epochs": "recipes/mine.gin:7"}`; not part of equality.
    """

    model: Model
    train: Train
    task: Spec
    features: Spec = Spec("features", "log_mel")
    name: str = "recipe"
    plugins: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        _expect_kind(self.task, "task", "recipe.task")
        _expect_kind(self.features, "features", "recipe.features")


SECTIONS: Mapping[str, type[Section]] = {
    section.__name__.lower(): section for section in (Recipe, Model, Block, Branch, Train)
}


def _expect_kind(spec: Spec, kind: str, setting: str) -> None:
    if spec.kind != kind:
        raise SettingError(setting, f"is the {spec.kind} {spec.name!r}. It takes a {kind}, such as @{kind}.NAME().")
