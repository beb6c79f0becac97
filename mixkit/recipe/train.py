"""The section of a recipe that says how a model is trained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from mixkit.errors import SettingError, did_you_mean
from mixkit.recipe.figures import KEYS, LOSS, standard
from mixkit.recipe.section import Section, expect_kind
from mixkit.registry import REGISTRIES, Spec
from mixkit.values import Aside, Count, Location, Positive, Range, Rate, Seed, show


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
        batch_size: clips in a batch, for one update.
        learning_rate: the peak learning rate; the schedule leads up to it and down from it.
        optimizer: how gradients become updates of the weights.
        schedule: learning rate schedule.
        loss: loss function, which is minimised.
        teacher: a trained run, bigger as a rule, that is distilled: its answers are learned beside the labels; None for
            the labels alone.
        distillation: distillation loss, how far the network is from its teacher; `hard` where there is a teacher and
            nothing else is said.
        augmentations: applied in this order, behind those of the task, in training only.
        augment_strength: factor on all augmentations, those of the task too: each is as much stronger or weaker, and 0
            turns them off. `auto` goes by the number of training clips: 1 up to 400, and the weaker the more there are.
        metrics: figures beside those that every run has, computed over a whole split.
        gradient_clip: gradient clipping: the largest norm of all gradients together; None for no limit.
        accumulation: gradient accumulation: parts in which a batch is computed, one after the other, to save memory;
            the step is the same.
        average: decay of the exponential moving average (EMA) of the weights, which is then what is evaluated and kept;
            None for none.
        balance: make up for rare classes by weights in the loss, or by drawing them more often.
        precision: mixed precision, that of matrix products; `auto` is bf16 where the device computes it faster.
        checkpointing: gradient checkpointing: compute activations twice instead of keeping them, to save memory.
        compile: let torch.compile make the network faster; the first steps take minutes.
        deterministic: only operations that give the same bits every time, also on a GPU.
        best: the figure on the validation split by which the best epoch is chosen: `loss`, a metric that every run has,
            such as `accuracy`, `recall` or `map`, or the name of one of `metrics`.
        refit: when the best epoch is chosen, train once more from the same start, on training and validation together
            and for as many epochs (with `steps`, updates), and test that network.
        patience: early stopping: epochs without a better one after which training ends; None for never.
        on_bad_number: what to do when a loss or a gradient is not finite: stop there, or leave the step out.
        save_every_steps: steps between saved states, beside the one after each epoch; None for no others.
        save_every_minutes: minutes between them; None for no others.
        workers: processes that read audio; 0 reads in the main process.
        seed: random seed of weights, order, crops and augmentation.
        init: pretrained weights: those of another network that a new run starts from, as far as they fit; None for
            fresh ones.
        freeze: parts that do not learn: `body`, which is all but the head, `features` if they learn, `stem`, `blocks`,
            `blocks.0`, `norm` and so on.
        freeze_epochs: for how many epochs they do not; None for the whole run.
        body_rate: learning rate of all but the head, as a factor of `learning_rate`.
        layer_decay: factor on the learning rate from each layer to the one ahead of it, from the head to the stem; None
            for one rate.
    """

    epochs: Count | None = None
    steps: Count | Literal["auto"] | None = None
    batch_size: Count = 32
    learning_rate: Positive = 1e-3
    optimizer: Spec = Spec("optimizer", "adamw")
    schedule: Spec = Spec("schedule", "cosine")
    loss: Spec = Spec("loss", "cross_entropy")
    teacher: Location | None = None
    distillation: Spec | None = None
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
    freeze: tuple[str, ...] = ()
    freeze_epochs: Count | None = None
    body_rate: Positive = 1.0
    layer_decay: Annotated[float, Range(least=0.01, most=1)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps is None and self.epochs is None:
            object.__setattr__(self, "epochs", 20)
        elif self.steps is not None and self.epochs is not None:
            fault = f"is {show(self.steps)}, and train.epochs is {self.epochs}: both say how long a run is."
            raise SettingError("train.steps", f"{fault} Set one of them to None.")
        if self.freeze_epochs is not None and not self.freeze:
            fault = f"is {self.freeze_epochs}, but nothing is frozen. Set train.freeze = ['body'], too."
            raise SettingError("train.freeze_epochs", fault)
        for kind in ("optimizer", "schedule", "loss"):
            expect_kind(getattr(self, kind), kind, f"train.{kind}")
        self._check_teacher()
        for spec in self.augmentations:
            expect_kind(spec, "augmentation", "train.augmentations")
        if self.init is not None:
            expect_kind(self.init, "weights", "train.init")
        names, known = [spec.name for spec in self.metrics], standard()
        for spec in self.metrics:
            expect_kind(spec, "metric", "train.metrics")
            anyway = spec.name in (*KEYS, *known)
            if anyway or names.count(spec.name) > 1:
                fault = "which every run has anyway" if anyway else "twice"
                raise SettingError("train.metrics", f"names {spec.name}, {fault}. Each figure needs a name of its own.")
        if self.best not in (LOSS, *known, *names):
            hint = did_you_mean(self.best, (LOSS, *known, *names))
            fault = f"is {show(self.best)}, which is no figure to choose by.{hint}"
            raise SettingError("train.best", f"{fault} A metric has to stand in train.metrics, too.")

    def _check_teacher(self) -> None:
        if self.distillation is not None:
            expect_kind(self.distillation, "distillation", "train.distillation")
            if self.teacher is None:
                fault = f"is {self.distillation}, but there is no teacher. Name a run: train.teacher = 'runs/NAME'."
                raise SettingError("train.distillation", fault)
        elif self.teacher is not None:
            object.__setattr__(self, "distillation", REGISTRIES["distillation"].spec("hard"))
