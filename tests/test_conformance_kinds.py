"""What every task, head, loss and so on has to hold: ours do, and broken ones are told what is wrong."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mixkit.conformance import ConformanceError, NotTried, checks
from mixkit.conformance.weights import small_mixer
from mixkit.errors import SettingError
from mixkit.registry import REGISTRIES, Grid, Site, Spec
from mixkit.training.loss import CrossEntropy
from mixkit.weights.start import Start

SIZE = sum(parameter.numel() for parameter in small_mixer().parameters())
KINDS = [kind for kind in REGISTRIES if kind != "operator" and checks(kind)]

pytestmark = pytest.mark.usefixtures("without_plugins")


def ours() -> list[Spec]:
    return [
        registry.spec(name)
        for kind, registry in REGISTRIES.items()
        if kind in KINDS
        for name in registry.names()
        if registry.entry(name).target.__module__.startswith("mixkit.")
    ]


@pytest.mark.parametrize("spec", ours(), ids=lambda spec: f"{spec.kind}.{spec.name}")
def test_ours_hold(spec: Spec) -> None:
    for check in checks(spec.kind):
        try:
            check(spec)
        except NotTried:
            assert spec.kind in ("task", "augmentation", "weights"), "only recordings and weights may be missing"


class Linear(nn.Module):
    """A head."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.map = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x)


class BatchMean(Linear):
    """Knows the batch."""

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x - x.mean(0))


class Deaf(Linear):
    """Learns nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x).detach() + 0 * self.map.bias.sum() * x.sum()


class AtHome(Linear):
    """Makes a tensor on the CPU, wherever x is."""

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x) + torch.zeros(len(x), 1)


class Averse:
    """Learns to be wrong."""

    def __init__(self, multi_label: bool):
        self.weight = 0.5

    def __call__(self, logits: Tensor, taught: Tensor) -> Tensor:
        return (logits * taught.sign()).clamp(-1e4, 1e4).detach().sum(1) + 0 * logits.sum(1)


class Boasting(Averse):
    """Is more than all of the loss."""

    def __init__(self, multi_label: bool):
        self.weight = 2


class Placeless(nn.Module):
    """A stem that does not say where its tokens lie."""

    def __init__(self, bins: int, frames: int, width: int):
        super().__init__()


class Keeping(nn.Module):
    """A downsample that leaves all tokens."""

    def __init__(self, grid: Grid, width: int, wider: int):
        super().__init__()
        self.grid, self.step, self.first = grid, (1, 1), (0.0, 0.0)


class Whole(nn.Module):
    """A pool that hands on all tokens."""

    def __init__(self, site: Site):
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x


class Headless(nn.Module):
    """A network that does not say which part gives its logits."""

    def __init__(self, bins: int, frames: int, classes: int):
        super().__init__()
        self.last = nn.Linear(bins, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x.mean(2))


class Squashed(Headless):
    """Does more behind its head."""

    @property
    def head(self) -> nn.Module:
        return self.last

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


class Choosy(Squashed):
    """Takes nothing."""

    def __init__(self, bins: int, frames: int, classes: int):
        raise SettingError("bins", f"is {bins}. Use another.")


class Weighed(CrossEntropy):
    """Keeps the weights where no `to` finds them."""

    def __init__(self, class_weights: Tensor | None):
        super().__init__(None)
        self.shares = class_weights

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        loss: Tensor = super().forward(logits, target)
        return loss if self.shares is None else loss * self.shares.mean()


class Sums(CrossEntropy):
    """One number a clip."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return (logits - target).square().sum(1)


class Unbounded(CrossEntropy):
    """Scores that are no shares."""

    def scores(self, logits: Tensor) -> Tensor:
        return logits


class Logarithm(CrossEntropy):
    """The logarithm of a share that may be 0."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return -(target * logits.softmax(-1).log()).sum(1).mean()


class Always(nn.Module):
    """Louder, in evaluation too."""

    def __init__(self, sample_rate: int):
        super().__init__()

    def forward(self, x: Tensor, target: Tensor, draw: Any) -> tuple[Tensor, Tensor]:
        return 2 * x, target


class OwnDice(nn.Module):
    """Draws elsewhere."""

    def __init__(self, sample_rate: int):
        super().__init__()

    def forward(self, x: Tensor, target: Tensor, draw: Any) -> tuple[Tensor, Tensor]:
        return (x * torch.rand(len(x), 1), target) if self.training else (x, target)


class Forgets(nn.Module):
    """Gives x alone."""

    def __init__(self, sample_rate: int):
        super().__init__()

    def forward(self, x: Tensor, target: Tensor, draw: Any) -> Any:
        return x


class Transposed(nn.Module):
    """Gives frames and bins the wrong way round."""

    def __init__(self, sample_rate: int, seconds: float):
        super().__init__()
        self.samples, self.bins, self.frames, self.needs_measuring = round(sample_rate * seconds), 10, 1600, False

    def forward(self, x: Tensor) -> Tensor:
        return x.view(-1, 1600, 10)


class Silent(Transposed):
    """The logarithm of silence."""

    def forward(self, x: Tensor) -> Tensor:
        return x.abs().log().view(-1, 10, 1600).nan_to_num(nan=0.0, posinf=0.0, neginf=float("-inf"))


def still(parameters: Any, learning_rate: float) -> torch.optim.Optimizer:
    """Ascends."""
    return torch.optim.SGD(parameters, lr=learning_rate, maximize=True)


def fixed(parameters: Any, learning_rate: float) -> torch.optim.Optimizer:
    """Has a rate of its own."""
    return torch.optim.SGD(parameters, lr=1.0)


def below(steps: int, steps_per_epoch: int) -> Callable[[int], float]:
    """Falls below 0."""
    return lambda step: 0.25 if step < steps else -0.25


def impatient() -> Callable[[Tensor, Tensor], float]:
    """Divides by a count."""
    return lambda scores, target: 1 / (len(target) - 1)


def started(parameters: int, of: int | None = None) -> Start:
    return Start("here.safetensors", "0" * 64, parameters, of or SIZE, ("norm",), (), ())


def kind_start(mixer: nn.Module) -> Start:
    """Sets the gains of the last norm."""
    with torch.no_grad():
        mixer.norm.weight.fill_(0.5)
    return started(24)


def silent_start(mixer: nn.Module) -> None:
    """Tells nothing."""
    kind_start(mixer)


def boasting_start(mixer: nn.Module) -> Start:
    """Tells of more than there is."""
    kind_start(mixer)
    return started(10**9)


def modest_start(mixer: nn.Module) -> Start:
    """Tells of less than it copies."""
    kind_start(mixer)
    return started(1)


def infinite_start(mixer: nn.Module) -> Start:
    """Gives no numbers."""
    with torch.no_grad():
        mixer.norm.weight.fill_(float("nan"))
    return started(24)


def dicing_start(mixer: nn.Module) -> Start:
    """Draws."""
    with torch.no_grad():
        mixer.norm.weight.normal_()
    return started(24)


def frozen_start(mixer: nn.Module) -> Start:
    """Stops learning."""
    mixer.norm.weight.requires_grad_(False)
    return kind_start(mixer)


def growing_start(mixer: nn.Module) -> Start:
    """Makes the norm another."""
    mixer.norm = nn.LayerNorm(48)
    return started(24)


BROKEN: list[tuple[str, Any, dict[str, Any], str]] = [
    ("head", BatchMean, {}, "broken: a clip comes out otherwise in a batch than alone."),
    ("head", Deaf, {}, "broken: parameter map.weight gets no gradient. Use it in forward, or leave it out."),
    (
        "head",
        AtHome,
        {},
        "broken: fails on a CUDA device (create tensors on the device of what comes in, and decide nothing by their "
        "values): FakeTensorDeviceMismatchError: Expected all tensors to be on the same device, but found at least two "
        "devices, cuda:0 and cpu!",
    ),
    ("stem", Placeless, {}, "broken: its grid is None. Set a Grid, as the protocol says."),
    (
        "downsample",
        Keeping,
        {},
        "broken: the grid is Grid(frequency=5, time=7), no coarser than Grid(frequency=5, time=7).",
    ),
    ("pool", Whole, {}, "broken: [5, 35, 16] came out as [5, 35, 16]. It should be [5, 16]."),
    ("loss", Weighed, {}, "broken: self.shares is a tensor that would stay on the CPU. Use register_buffer."),
    ("loss", Sums, {}, "broken: it gives the shape [6]. Return one number, the mean."),
    ("loss", Unbounded, {}, "broken: scores lie outside 0 to 1. Return probabilities."),
    ("loss", Logarithm, {}, "broken: it is not finite for logits of about 1000. Guard logarithms."),
    ("metric", impatient, {}, "broken: fails for a single clip: ZeroDivisionError: division by zero"),
    (
        "augmentation",
        Always,
        {"on": "waveform"},
        "broken: it changes clips in evaluation. Hand back what came where self.training is False.",
    ),
    (
        "augmentation",
        OwnDice,
        {"on": "waveform"},
        "broken: the same dice give something else the second time. Draw from `draw` alone.",
    ),
    ("augmentation", Forgets, {"on": "features"}, "broken: it does not give (x, target). Return both."),
    ("augmentation", OwnDice, {"on": "air"}, "broken: on is 'air'. Write on='waveform', on='power' or on='features'."),
    (
        "features",
        Transposed,
        {},
        "broken: waveforms of 16000 samples came out as [3, 1600, 10]. It says [3, 10, 1600].",
    ),
    ("features", Silent, {}, "broken: silence comes out as numbers that are not finite. Guard logarithms."),
    ("distillation", Averse, {}, "broken: a step against the gradient does not come nearer to the teacher."),
    ("distillation", Boasting, {}, "broken: its weight is 2. It is a share of the loss, above 0 to 1."),
    ("optimizer", still, {}, "broken: 20 steps took x² from 5 to 11.0402. They should go down."),
    ("optimizer", fixed, {}, "broken: its learning rate is 1.0 and not the given 0.01. Pass it on."),
    ("weights", silent_start, {}, "broken: it gives a NoneType without 'parameters'. Return a mixkit.weights.Start."),
    (
        "weights",
        boasting_start,
        {},
        f"broken: it tells of 1000000000 of {SIZE} parameters. The network has {SIZE}.",
    ),
    (
        "weights",
        modest_start,
        {},
        "broken: it tells of 1 parameters, and 24 are other than before. Count all that are copied.",
    ),
    ("weights", infinite_start, {}, "broken: norm.weight came out with numbers that are not finite."),
    ("weights", dicing_start, {}, "broken: norm.weight starts otherwise the second time."),
    ("weights", frozen_start, {}, "broken: norm.weight learns no longer. Copy under torch.no_grad()."),
    (
        "weights",
        growing_start,
        {},
        "broken: the network has other parameters than before. Copy into those that it has.",
    ),
    (
        "network",
        Headless,
        {},
        "broken: it has no `head`, the module that gives the logits. Set it, or give it as a property.",
    ),
    ("network", Squashed, {}, "broken: what its head gives is changed behind it. Make it the last part."),
    (
        "network",
        Choosy,
        {},
        "broken refuses all that it was tried on.\n  64 x 96: bins is 64. Use another.\n  "
        "65 x 99: bins is 65. Use another.\n  1 x 4096: bins is 1. Use another.",
    ),
    ("schedule", below, {}, "broken: it gives -0.25 in a run of 1 updates. Return a number, 0 or more."),
]


@pytest.mark.parametrize(("kind", "target", "facts", "message"), BROKEN)
def test_a_broken_one_is_told_what_is_wrong(kind: str, target: Any, facts: dict[str, Any], message: str) -> None:
    REGISTRIES[kind]("broken", **facts)(target)
    (check,) = checks(kind)
    with pytest.raises(ConformanceError) as caught:
        check(REGISTRIES[kind].spec("broken"))
    assert str(caught.value) == message


def test_weights_that_hold_and_weights_that_are_not_here() -> None:
    REGISTRIES["weights"]("kind_start")(kind_start)
    (check,) = checks("weights")
    check(REGISTRIES["weights"].spec("kind_start"))
    with pytest.raises(NotTried, match=r"deit cannot be tried with its defaults: weights\.deit\.path is not set"):
        check(REGISTRIES["weights"].spec("deit"))


def test_every_kind_is_seen_to_fail() -> None:
    assert {kind for kind, *_ in BROKEN} == set(KINDS) - {"task"}
    assert len(KINDS) >= 8


class Leaking:
    """One speaker in two splits."""

    labels, folds, notes, protocol = ("a", "b"), (), (), "none"
    sample_rate, seconds = 16_000, 1.0

    def __init__(self, *, sample_rate: int = 16_000, seconds: float = 1.0):
        pass

    def clips(self, split: str) -> tuple[Any, ...]:
        from pathlib import Path

        from mixkit import Clip

        return tuple(Clip(Path(f"{split}_{label}.wav"), label, "anna") for label in self.labels)


def test_a_task_that_leaks() -> None:
    REGISTRIES["task"]("broken")(Leaking)
    (check,) = checks("task")
    with pytest.raises(ConformanceError, match=r"^broken: the group anna stands in train \(train_a\.wav\)"):
        check(REGISTRIES["task"].spec("broken"))
