"""Nothing inside a step of training waits for the device: no number is read, no shape depends on one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import mixkit
from mixkit.data.batches import Batch
from mixkit.data.run_split import RunSplits
from mixkit.data.waveforms import Waveforms
from mixkit.registry import Clip, augmentation
from mixkit.training.prepare import Prepared
from mixkit.training.step import Step

WAITS = {
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::masked_select",
    "aten::unique_dim",
    "aten::_unique2",
    "aten::equal",
    "aten::is_nonzero",
    "aten::bincount",
    "aten::lift_fresh",
}
"""On a GPU these wait until all that was asked for before them is done; the last makes a tensor of written numbers."""

COPIES = {"aten::_to_copy", "aten::copy_"}


class Watched(TorchDispatchMode):
    """Keeps the names of operations that would wait: these, and copies from one device to another."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name().partition(".")[0]
        made = func(*args, **(kwargs or {}))
        if name in WAITS or (name in COPIES and {x.device for x in args if isinstance(x, Tensor)} != {made.device}):
            self.seen.append(name)
        return made


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


SMALL = (
    "task.demo.seconds = 0.5",
    "model.width = 32",
    "model.depth = 2",
    "train.batch_size = 4",
    "train.average = None",  # reads its counter
    "augmentation.time_roll.frames = 10",
)


def step_of(name: str, *lines: str, device: str = "cpu") -> tuple[Step, Batch]:
    """A step as on a GPU, where losses are looked at a step later and not inside."""
    place = torch.device(device)
    recipe = mixkit.load_recipe(name, settings=[*SMALL, *lines])
    model = mixkit.build(recipe, 3)
    augmentations = [augmentation.build(spec, model.sample_rate) for spec in recipe.all_augmentations]
    splits = RunSplits(model, "", {"train": (Clip(Path("a.wav"), "a", "a"),) * 40}, (), Waveforms(16_000))
    precision = "bf16" if device == "cpu" else "float32"
    step = Step(Prepared(recipe, place, precision, model, splits, augmentations))
    step.looks = False
    waveform = torch.randn(4, 8000, generator=torch.Generator().manual_seed(0))
    target, items = torch.eye(3)[torch.arange(4) % 3], torch.arange(4)
    return step, Batch(waveform.to(place), target.to(place), items.to(place), 0, 4)


AUGMENTED = (
    "train.augmentations = [@augmentation.mixup(), @augmentation.noise(), @augmentation.time_shift(),"
    " @augmentation.spec_augment(), @augmentation.time_roll()]"
)


@pytest.mark.parametrize("lines", [(), (AUGMENTED, "train.gradient_clip = 1.0")])
@pytest.mark.parametrize("name", ["asm_rh", "mlp_mixer", "shift_mixer", "ast"])
def test_no_step_waits(name: str, lines: tuple[str, ...]) -> None:
    step, batch = step_of(name, *lines)
    step(batch, 1)  # the first makes the optimizer's moments
    with Watched() as watched:
        for _ in range(2):
            step(batch, 2)
    assert watched.seen == []


@pytest.mark.parametrize("lines", [("train.average = 0.9",), (AUGMENTED, "train.gradient_clip = 1.0")])
@pytest.mark.parametrize("name", ["asm_rh", "mlp_mixer"])
def test_nothing_is_carried_to_the_device(name: str, lines: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """On torch's device without numbers: to read one there is an error. The optimizer's counts lie in the host."""
    step, batch = step_of(name, *lines, device="meta")
    step(batch, 1)
    with Watched() as watched:
        step(batch, 2)
    assert set(watched.seen) == {"aten::_local_scalar_dense"}
    own = step.objective.forward
    monkeypatch.setattr(step.objective, "forward", lambda x, target: own(x, target) * torch.ones(1).to(x.device))
    with Watched() as watched:
        step(batch, 2)
    assert set(watched.seen) == {"aten::_local_scalar_dense", "aten::_to_copy"}, "the control"


def test_an_average_of_the_weights_reads_its_counter_alone() -> None:
    """It lies in the host's memory, and is read once for all weights."""
    step, batch = step_of("asm_rh", "train.average = 0.9")
    step(batch, 1)
    with Watched() as watched:
        step(batch, 2)
    assert watched.seen == ["aten::_local_scalar_dense"]


def test_what_waits_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a step that looks at its loss at once, and an objective that reads a number."""
    step, batch = step_of("asm_rh")
    step.looks = True
    with Watched() as watched:
        step(batch, 1)
    assert watched.seen == ["aten::_local_scalar_dense"]
    step.looks = False
    own = step.objective.forward

    def curious(logits: Tensor, target: Tensor) -> Tensor:
        return own(logits, target) * float(logits.detach().abs().max() > -1)

    monkeypatch.setattr(step.objective, "forward", curious)
    with Watched() as watched:
        step(batch, 1)
    assert watched.seen == ["aten::_local_scalar_dense"]
