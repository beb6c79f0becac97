"""On a CUDA GPU all parts do what they do on the CPU. `make gpu` runs these; without a GPU they are skipped.

`MIXKIT_TEST_DEVICE=cpu` runs them on the CPU: it shows that the tests themselves work, and nothing of a GPU.
"""

import copy
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

import mixkit
from mixkit.conformance.harness import cases, seeded
from mixkit.data.batches import Batch
from mixkit.data.run_split import RunSplits
from mixkit.data.waveforms import Waveforms
from mixkit.draw import Draw
from mixkit.errors import MixkitError
from mixkit.model.block import DropPath
from mixkit.recipe import catalog
from mixkit.registry import (
    Clip,
    Grid,
    Site,
    augmentation,
    downsample,
    features,
    head,
    loss,
    operator,
    pool,
    stem,
)
from mixkit.runs.folder import Run
from mixkit.training.display import TrainingDisplay
from mixkit.training.dry_run import dry_run
from mixkit.training.loop import train
from mixkit.training.precision import autocast
from mixkit.training.prepare import Prepared
from mixkit.training.step import Step
from tests.test_recipes import small

DEVICE = torch.device(os.environ.get("MIXKIT_TEST_DEVICE", "cuda"))
ON_GPU = DEVICE.type == "cuda"
THERE = not ON_GPU or torch.cuda.is_available()

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(
        "MIXKIT_TEST_DEVICE" not in os.environ and not torch.cuda.is_available(),
        reason="needs a CUDA GPU; `make gpu` runs it on one",
    ),
]

RATE = 16_000
SIZES = {"waveform": (6, RATE), "power": (6, 32, 98), "features": (6, 32, 98)}
DEMO = ("task.demo.clips = 4", "task.demo.seconds = 0.5", "model.width = 16", "model.depth = 2", "train.steps = None")


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Products in float32 are float32, not TF32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32, kept = False, torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(before)
    torch.backends.cudnn.allow_tf32 = kept


def through(module: nn.Module, *inputs: Tensor) -> list[Tensor]:
    """What comes out, and all gradients of a weighted sum of it, on the CPU and in float64."""
    first = inputs[0].detach().requires_grad_()
    out = module(first, *inputs[1:])
    weights = torch.randn(out.shape, generator=seeded(1), dtype=torch.float64).to(out)
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad((out * weights).sum(), [first, *learned], allow_unused=True)
    return [part.detach().cpu().double() for part in (out, *gradients) if part is not None]


def expect_same(module: nn.Module, inputs: tuple[Tensor, ...], dtype: torch.dtype, share: float) -> None:
    """On the device in a type as on the CPU in float64, forward and backward."""
    exactly = through(copy.deepcopy(module).double(), *(x.double() for x in inputs))
    there = copy.deepcopy(module).to(DEVICE, dtype)
    found = through(there, *(x.to(DEVICE, dtype) for x in inputs))
    assert len(found) == len(exactly)
    for ours, theirs in zip(found, exactly, strict=True):
        largest = theirs.abs().max().clamp_min(1e-3)
        assert float((ours - theirs).abs().max() / largest) < share


def test_the_device_is_there() -> None:
    assert THERE
    assert len(operator.names()) > 20


@pytest.mark.parametrize("name", operator.names())
def test_an_operator(name: str) -> None:
    for case in cases(operator.spec(name)):
        expect_same(case.module, (case.input(),), torch.float64, 1e-8)
        expect_same(case.module, (case.input(),), torch.float32, 2e-3)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", operator.names())
def test_an_operator_in_half_precision(name: str, precision: str) -> None:
    if precision == "fp16" and not ON_GPU:
        pytest.skip("the CPU has no autocast to fp16 here")
    case = cases(operator.spec(name))[0]
    module = copy.deepcopy(case.module).to(DEVICE)
    x = case.input().to(DEVICE)
    with torch.no_grad():
        exactly = module(x)
        with autocast(DEVICE, precision):
            found = module(x).float()
    assert found.isfinite().all()
    assert float((found - exactly).abs().max() / exactly.abs().max()) < 0.1


@pytest.mark.parametrize("name", ["asm_rh", "mlp_mixer", "small_data"])
def test_a_compiled_network_does_the_same(name: str) -> None:
    model = mixkit.build(mixkit.load_recipe(name, settings=small(catalog.find(name))), 3).to(DEVICE).eval()
    x = torch.randn(2, model.features.samples, generator=seeded(0)).mul(0.1).to(DEVICE)
    with torch.no_grad():
        spectrogram = model.features(x)
        exactly = model.mixer(spectrogram)
        torch._dynamo.reset()
        backend = "inductor" if ON_GPU else "aot_eager"  # which needs no compiler of the machine
        found = torch.compile(model.mixer, fullgraph=True, dynamic=False, backend=backend)(spectrogram)
    torch._dynamo.reset()
    assert torch.allclose(found, exactly, atol=1e-4)


@pytest.mark.parametrize("kind", ["stem", "downsample", "pool", "head"])
def test_the_other_parts_of_a_network(kind: str) -> None:
    grid, width = Grid(5, 7), 16
    given: Mapping[str, tuple[Any, tuple[Any, ...], tuple[int, ...]]] = {
        "stem": (stem, (64, 96, width), (3, 64, 96)),
        "downsample": (downsample, (grid, width, 24), (3, grid.tokens, width)),
        "pool": (pool, (Site(grid, width),), (3, grid.tokens, width)),
        "head": (head, (width, 3), (3, width)),
    }
    registry, context, shape = given[kind]
    tried = 0
    for name in registry.names():
        torch.manual_seed(0)
        with suppress(MixkitError):  # a pool over prefix tokens, which there are none of
            made = registry.build(registry.spec(name), *context).eval()
            expect_same(made, (torch.randn(shape, generator=seeded(0)),), torch.float64, 1e-8)
            tried += 1
    assert tried


@pytest.mark.parametrize("name", features.names())
def test_features(name: str) -> None:
    torch.manual_seed(0)
    made = features.build(features.spec(name), RATE, 1.0).eval()
    x = 0.1 * torch.randn(3, made.samples, generator=seeded(0))
    with torch.no_grad():
        exactly = made(x)
        found = copy.deepcopy(made).to(DEVICE)(x.to(DEVICE)).cpu()
    assert float((found - exactly).abs().max() / exactly.abs().max().clamp_min(1e-3)) < 2e-3


@pytest.mark.parametrize("name", augmentation.names())
def test_an_augmentation(name: str) -> None:
    try:
        made = augmentation.build(augmentation.spec(name), RATE).train()
    except MixkitError as error:
        pytest.skip(f"cannot be tried with its defaults: {error}")
    on = augmentation.entry(name).facts["on"]
    x = torch.randn(SIZES[on], generator=seeded(0))
    x = x.square() if on == "power" else x
    target = torch.eye(3)[torch.arange(6) % 3]
    with torch.no_grad():
        exactly = made(x.clone(), target.clone(), Draw(0, 0, torch.arange(6), 0))
        there = copy.deepcopy(made).to(DEVICE)
        found = there(x.to(DEVICE), target.to(DEVICE), Draw(0, 0, torch.arange(6).to(DEVICE), 0))
    for ours, theirs in zip(found, exactly, strict=True):
        assert torch.allclose(ours.cpu(), theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", loss.names())
def test_a_loss(name: str) -> None:
    logits, target = torch.randn(6, 3, generator=seeded(0)), torch.eye(3)[torch.arange(6) % 3]
    expect_same(loss.build(loss.spec(name), None), (logits, target), torch.float64, 1e-8)


def step_on(device: torch.device, name: str, *lines: str, precision: str = "float32") -> tuple[Step, Batch]:
    """A step of training of a small form of a recipe, the same on every device."""
    recipe = mixkit.load_recipe(name, settings=[*small(catalog.find(name)), "train.batch_size = 4", *lines])
    model = mixkit.build(recipe, 3)
    for part in model.modules():
        if isinstance(part, _DropoutNd):  # each device draws numbers of its own
            part.p = 0.0
        elif isinstance(part, DropPath):
            part.rate = 0.0
    augmentations = [augmentation.build(spec, model.sample_rate) for spec in recipe.all_augmentations]
    splits = RunSplits(model, "", {"train": (Clip(Path("a.wav"), "a", "a"),) * 40}, (), Waveforms(model.sample_rate))
    step = Step(Prepared(recipe, device, precision, model, splits, augmentations))
    waveform = 0.1 * torch.randn(4, model.features.samples, generator=seeded(0))
    target, items = torch.eye(3)[torch.arange(4) % 3], torch.arange(4)
    return step, Batch(waveform.to(device), target.to(device), items.to(device), 0, 4)


@pytest.mark.parametrize("name", catalog.names())
def test_steps_of_a_recipe(name: str) -> None:
    """Loss and gradients of two steps, with features, augmentation, clipping and average."""
    (ours, batch), (theirs, same) = step_on(DEVICE, name), step_on(torch.device("cpu"), name)
    for done in range(2):
        found, exactly = ours(batch, done), theirs(same, done)
        assert float(found.loss) == pytest.approx(float(exactly.loss), rel=5e-3)
        assert float(found.norm) == pytest.approx(float(exactly.norm), rel=5e-2)


@pytest.mark.skipif(not ON_GPU, reason="only a GPU makes the program wait")
@pytest.mark.parametrize("name", ["asm_rh", "small_data", "mlp_mixer", "ast"])
def test_no_step_waits_for_the_gpu(name: str) -> None:
    step, batch = step_on(DEVICE, name)
    for done in range(3):  # plans of transforms and moments of the optimizer are made
        step(batch, done)
    torch.cuda.set_sync_debug_mode("error")
    try:
        step(batch, 3)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.skipif(not ON_GPU, reason="the CPU has no loss scaling")
def test_half_precision_scales_the_loss() -> None:
    step, batch = step_on(DEVICE, "asm_rh", precision="fp16")
    losses = [float(step(batch, done).loss) for done in range(20)]
    assert step.scaler.is_enabled()
    assert all(map(torch.isfinite, map(torch.tensor, losses)))
    assert losses[-1] < losses[0]


class Cut(TrainingDisplay):
    """Ends the program, as it were, behind an epoch."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        raise KeyboardInterrupt


def trained(folder: Path, name: str, *lines: str) -> Run:
    recipe = mixkit.load_recipe("asm_rh", settings=[*DEMO, "train.epochs = 2", "train.deterministic = True", *lines])
    return train(recipe, folder, name, str(DEVICE))


def test_the_same_bits_twice_and_when_it_goes_on(tmp_path: Path) -> None:
    whole, again = trained(tmp_path, "whole"), trained(tmp_path, "again")
    recipe = mixkit.load_recipe("asm_rh", settings=[*DEMO, "train.epochs = 2", "train.deterministic = True"])
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path, "cut", str(DEVICE), Cut())
    cut = train(recipe, tmp_path, "cut", str(DEVICE), go_on=True)
    for other in (again, cut):
        assert other.metrics() == whole.metrics()
        ours, theirs = (load_file(run.folder / "best.safetensors") for run in (other, whole))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.skipif(not ON_GPU, reason="memory of the CPU holds much beside a run")
def test_memory_is_as_foretold(tmp_path: Path) -> None:
    recipe = mixkit.load_recipe("asm_rh", settings=[*DEMO, "train.epochs = 1", "model.width = 256"])
    torch.cuda.reset_peak_memory_stats()
    foretold = dry_run(recipe, str(DEVICE), TrainingDisplay()).memory
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    run = train(recipe, tmp_path, "run", str(DEVICE))
    assert max(record["memory"] for record in run.times()) == pytest.approx(foretold, rel=0.15)


def test_a_run_of_the_device_predicts_on_the_cpu(tmp_path: Path) -> None:
    run = trained(tmp_path, "run")
    model = mixkit.load(run.folder)
    x = torch.randn(2, model.features.samples, generator=seeded(0)) * 0.1
    with torch.no_grad():
        here, there = model(x), copy.deepcopy(model).to(DEVICE)(x.to(DEVICE)).cpu()
    assert torch.allclose(here, there, atol=1e-3)
