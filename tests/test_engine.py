"""The engine: settings that must not change a step do not, and those that save memory or time do what they say."""

import os
import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import torch
from torch import Tensor

import mixkit
from mixkit.data.batches import Batch
from mixkit.data.run_split import RunSplits
from mixkit.data.waveforms import Waveforms
from mixkit.errors import RunError
from mixkit.registry import Clip, augmentation
from mixkit.runs.folder import Run
from mixkit.training.device import deterministic
from mixkit.training.loop import train
from mixkit.training.memory import explained
from mixkit.training.prepare import Prepared
from mixkit.training.step import Step
from tests.nursery import Nursery

SMALL = (
    "task.demo.clips = 4",
    "task.demo.seconds = 0.5",
    "model.width = 16",
    "model.depth = 2",
    "train.epochs = 1",
    "train.batch_size = 8",
    "train.precision = 'float32'",
    "train.average = None",
    "train.augmentations = []",
    "task.augmentations = []",
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """The number of threads changes the bits."""
    torch.set_num_threads(1)


def recipe(*lines: str) -> Any:
    return mixkit.load_recipe("asm_rh", ["stem/patches"], settings=[*SMALL, *lines])


def step_of(*lines: str) -> Step:
    """A step, ready to be taken, with the same weights each time."""
    settings = recipe(*lines)
    torch.manual_seed(0)
    model = mixkit.build(settings, 3)
    clips = (Clip(Path("a.wav"), "a", "a"),) * 10 * settings.train.batch_size
    splits = RunSplits(model, "", {"train": clips}, (), Waveforms(16_000))
    augmentations = [augmentation.build(spec, model.sample_rate) for spec in settings.all_augmentations]
    return Step(Prepared(settings, torch.device("cpu"), settings.train.precision, model, splits, augmentations))


def exactly(step: Step) -> Step:
    """The same in float64."""
    augmented = step.augmented
    step.model.mixer.double()
    step.augmented = lambda batch: tuple(x.double() for x in augmented(batch))  # type: ignore[method-assign,assignment]
    return step


def batch(clips: int = 8) -> Batch:
    generator = torch.Generator().manual_seed(1)
    waveform = torch.randn(clips, 8000, generator=generator)
    target = torch.eye(3)[torch.arange(clips) % 3]
    return Batch(waveform, target, torch.arange(clips), 0, clips)


def weights(step: Step) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in step.model.mixer.named_parameters()}


@pytest.mark.parametrize("parts", [2, 3, 8, 20])
def test_a_batch_in_parts_is_the_same_step(parts: int) -> None:
    """To float64's rounding; also where parts are uneven, or more than clips."""
    whole, split = exactly(step_of()), exactly(step_of(f"train.accumulation = {parts}"))
    for _ in range(2):
        one, other = whole(batch(7), 1), split(batch(7), 1)
        assert float(other.loss) == pytest.approx(float(one.loss), rel=1e-12)
        assert float(other.norm) == pytest.approx(float(one.norm), rel=1e-12)
    before, after = weights(whole), weights(split)
    assert max(float((before[name] - after[name]).abs().max()) for name in before) < 1e-10


def test_parts_that_are_only_added_up_are_caught() -> None:
    """The control: the mean of the parts' means is another step where the parts are uneven."""
    whole, split = exactly(step_of()), exactly(step_of("train.accumulation = 2"))
    halves = batch(7)
    spectrogram, target = split.augmented(halves)
    naive = sum(split.objective(split.network(spectrogram[s]), target[s]) / 2 for s in (slice(0, 3), slice(3, 7)))
    assert abs(float(naive.detach()) - float(whole(halves, 1).loss)) > 1e-6


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_on_a_cpu(precision: str) -> None:
    step = step_of(f"train.precision = '{precision}'", "train.learning_rate = 0.01")
    losses = [float(step(batch(), 1).loss) for _ in range(30)]
    assert losses[-1] < 0.97 * losses[0]
    assert step.scaler.is_enabled() == (precision == "fp16")
    assert all(weight.dtype == torch.float32 for weight in weights(step).values())


def test_a_step_that_overflows_in_fp16_is_left_out_by_the_scaler() -> None:
    step = step_of("train.precision = 'fp16'")
    step(batch(), 1)
    before, scale = weights(step), step.scaler.get_scale()
    next(iter(step.model.mixer.parameters())).register_hook(lambda gradient: gradient * float("inf"))
    step(batch(), 1)
    assert all(torch.equal(weight, before[name]) for name, weight in weights(step).items())
    assert step.scaler.get_scale() == scale / 2


def test_the_average_is_that_of_the_formula() -> None:
    """By hand: m += (1 - min(decay, (1 + n) / (10 + n))) * (w - m), from the first step's weights on."""
    step = step_of("train.average = 0.3", "train.learning_rate = 0.01")
    expected: dict[str, Tensor] = {}
    for count in range(6):
        step(batch(), 1)
        now = weights(step)
        kept = min(0.3, (1 + count) / (10 + count))
        expected = {name: kept * expected[name] + (1 - kept) * now[name] if expected else now[name] for name in now}
    found = dict(step.evaluated_model.mixer.named_parameters())
    for name, wanted in expected.items():
        torch.testing.assert_close(found[name].detach(), wanted, rtol=1e-5, atol=1e-7)
    assert any(not torch.equal(found[name], now[name]) for name in now), "the control: the average lags behind"


def test_checkpointing_keeps_less_for_the_same_gradients() -> None:
    kept, gradients = {}, {}
    for name in ("False", "True"):
        step = step_of(f"train.checkpointing = {name}", "model.depth = 6")
        total = 0

        def pack(tensor: Tensor) -> Tensor:
            nonlocal total
            total += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            spectrogram, target = step.augmented(batch())
            objective = step.objective(step.network(spectrogram), target)
        kept[name] = total
        objective.backward()
        gradients[name] = [weight.grad for weight in step.model.mixer.parameters()]
    assert kept["True"] < 0.5 * kept["False"], kept
    assert all(torch.equal(one, other) for one, other in zip(*gradients.values(), strict=True))


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("MIXKIT_FAULTS") != "release", reason="compiles for minutes: MIXKIT_FAULTS=release")
@pytest.mark.skipif(not (which("c++") or which("g++")), reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")
def test_compiled_is_the_same_to_rounding() -> None:
    plain, compiled = step_of("model.depth = 1"), step_of("model.depth = 1", "train.compile = True")
    one, other = plain(batch(), 1), compiled(batch(), 1)
    assert float(other.loss) == pytest.approx(float(one.loss), rel=1e-4)
    before, after = weights(plain), weights(compiled)
    assert max(float((before[name] - after[name]).abs().max()) for name in before) < 1e-3


@pytest.mark.parametrize("before", [False, True])
def test_deterministic_leaves_the_process_as_it_was(before: bool) -> None:
    torch.use_deterministic_algorithms(before)
    try:
        with suppress(ZeroDivisionError), deterministic(True):
            assert torch.are_deterministic_algorithms_enabled()
            raise ZeroDivisionError
        assert torch.are_deterministic_algorithms_enabled() is before
        with deterministic(False):
            assert torch.are_deterministic_algorithms_enabled() is before
    finally:
        torch.use_deterministic_algorithms(False)


def test_patience_ends_a_run_that_no_longer_gets_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mixkit.training import fit

    pairs = [(3.0, 1.0), (2.0, 3.0), (2.5, 3.0), (9.0, 3.0)]  # from epoch 2 on: its figure, and the best before
    figures = (figure for pair in pairs for figure in pair)
    monkeypatch.setattr(fit, "rank", lambda valid, figure: (next(figures), 0.0))
    run = train(recipe("train.epochs = 10", "train.patience = 2"), tmp_path, device="cpu")
    results = run.results()
    assert [record["epoch"] for record in run.metrics()] == [1, 2, 3, 4]
    assert (results.best_epoch, results.epochs) == (2, 4)


FAULTS = """
import resource, sys, torch
from mixkit.training.memory import keep_freed
if sys.argv[1] == "keep":
    keep_freed()
for _ in range(20):
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt * 4 // 1024)
"""


@pytest.mark.skipif(os.name != "posix" or "glibc" not in platform.libc_ver(), reason="the allocator is not glibc's")
def test_memory_that_is_freed_is_kept() -> None:
    """20 tensors of 64 MiB, one after another, are made of the pages of the first; without, each of fresh ones.

    In interpreters of their own: how many pages the first takes depends on the heap that a fork inherits.
    """
    fresh = {how: int(subprocess.check_output([sys.executable, "-c", FAULTS, how])) for how in ("keep", "return")}
    assert fresh["return"] - fresh["keep"] > 15 * 64


def test_memory_that_does_not_suffice_is_explained() -> None:
    settings = recipe("train.accumulation = 2").train
    with pytest.raises(RunError) as caught, explained(settings):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nmore")
    assert str(caught.value) == (
        "a step with train.batch_size = 8 does not fit into memory (CUDA out of memory. Tried to allocate 20.00 GiB.). "
        "Compute it in parts, train.accumulation = 4; keep fewer activations, train.checkpointing = True; "
        "or lower train.batch_size."
    )
    with pytest.raises(RunError, match=r"fit into memory \(could not create a primitive\)"), explained(settings):
        raise RuntimeError("could not create a primitive")
    with pytest.raises(RuntimeError, match="shapes differ"), explained(settings):
        raise RuntimeError("shapes differ")


LIMITED = """
import resource, sys
from pathlib import Path
import mixkit
from mixkit.errors import RunError
from mixkit.training import fit, loop
real = fit.Fit.__call__
def tight(self):
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 60_000_000, resource.RLIM_INFINITY))
    return real(self)
fit.Fit.__call__ = tight
recipe = mixkit.load_recipe("asm_rh", settings=sys.argv[2:])
try:
    loop.train(recipe, sys.argv[1], "run", device="cpu")
except RunError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_process_that_may_not_take_more_memory(nursery: Nursery, tmp_path: Path) -> None:
    """A real limit, on a batch far too large for it."""
    lines = [*SMALL, "model.width = 256", "model.depth = 8", "train.batch_size = 400", "task.demo.clips = 40"]
    done = nursery.run("-c", LIMITED, tmp_path, *lines)
    assert done.out.startswith("a step with train.batch_size = 400 does not fit into memory ("), done.err
    assert done.out.endswith(
        "Compute it in parts, train.accumulation = 2; keep fewer activations, train.checkpointing = True; "
        "or lower train.batch_size.\n"
    )
    assert not Run(tmp_path / "run").complete
