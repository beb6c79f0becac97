"""Numbers that are far too large, in every setting that takes a number: refused in seconds, with the number."""

import multiprocessing
import resource
import signal
import time
import types
import typing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import mixkit
from mixkit.cli.views.recipe import classes_of
from mixkit.errors import MixkitError, SettingError
from mixkit.model.classifier import build_features
from mixkit.model.cost import costs
from mixkit.model.estimate import expect_network
from mixkit.recipe.gin_file import load_recipe
from mixkit.recipe.schema import SECTIONS, Block, Branch, Model
from mixkit.recipe.section import home_of
from mixkit.registry import REGISTRIES, Site, Spec, operator
from mixkit.storage import capacity
from mixkit.training.memory import expect_training, held
from mixkit.values import Count

SMALL = ("model.width = 16", "model.depth = 2", "task.demo.clips = 4", "task.demo.seconds = 0.5")
STAGES = (
    "early/stage.width = 8",
    "early/stage.depth = 1",
    "late/stage.width = 16",
    "late/stage.depth = 1",
    "late/stage.downsample = @downsample.{}()",
    "model.stages = [@early/stage(), @late/stage()]",
)
USED = {
    "operator": ("block.branches = [@operator.{}()]",),
    "task": ("recipe.task = @task.{}()",),
    "features": ("recipe.features = @features.{}()",),
    "augmentation": ("train.augmentations = [@augmentation.{}()]",),
    "stem": ("model.stem = @stem.{}()",),
    "downsample": STAGES,
    "pool": ("model.pool = @pool.{}()",),
    "head": ("model.head = @head.{}()",),
    "network": ("recipe.network = @network.{}()",),
    "loss": ("train.loss = @loss.{}()",),
    "distillation": ("train.teacher = 'runs/big'", "train.distillation = @distillation.{}()"),
    "metric": ("train.metrics = [@metric.{}()]",),
    "optimizer": ("train.optimizer = @optimizer.{}()",),
    "schedule": ("train.schedule = @schedule.{}()",),
    "weights": ("train.init = @weights.{}()",),
}
"""The lines that make a recipe use what is registered, by its kind."""

MEMORY, SECONDS = 2**30, 10.0


def large(annotation: Any) -> Iterator[str]:
    """Values of a setting that are far too large or too small, or far too many, as a recipe writes them."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        yield from large(arguments[0])
    elif origin in (typing.Union, types.UnionType):
        yield from chain.from_iterable(large(choice) for choice in arguments)
    elif origin is tuple and arguments[-1] is Ellipsis:
        values = [*large(arguments[0])]
        yield from (f"[{value}]" for value in values)
        if values:
            one = "[1, 1]" if values[0].startswith("[") else "1"
            yield f"[{', '.join([one] * 2_000)}]"
    elif origin is tuple:
        for place, choice in enumerate(arguments):
            for value in large(choice):
                yield f"[{', '.join(value if at == place else '1' for at in range(len(arguments)))}]"
    elif annotation is int:
        yield from ("1000000001", "9223372036854775807")  # odd, as kernels are; the largest there is
    elif annotation is float:
        yield from ("1e9", "1e308", "1e-308")


def lines() -> Iterator[tuple[str, tuple[str, ...]]]:
    """A line for each setting and large value, and what has to stand ahead of it."""
    for name, section in SECTIONS.items():
        hints = typing.get_type_hints(section, include_extras=True)
        for part in fields(section):  # type: ignore[arg-type]
            ahead = tuple(line.format("convolution") for line in STAGES) if name == "stage" else ()
            key = f"late/stage.{part.name}" if name == "stage" else f"{home_of(name, part.name)}.{part.name}"
            yield from ((f"{key} = {value}", ahead) for value in large(hints[part.name]))
    for kind, registry in REGISTRIES.items():
        for name in registry.names():
            ahead = tuple(line.format(name) for line in USED[kind])
            for setting in registry.entry(name).settings:
                yield from ((f"{kind}.{name}.{setting.name} = {value}", ahead) for value in large(setting.annotation))


def small(line: str, ahead: tuple[str, ...]) -> list[str]:
    """The lines of a small recipe that a line does not take the place of."""
    key, other = (
        line.partition(" = ")[0],
        {"recipe.task": "task.demo", "model.stages": "model.", "recipe.network": "model."},
    )
    gone = [start for used, start in other.items() if any(one.startswith(used) and "demo" not in one for one in ahead)]
    return [own for own in SMALL if own.partition(" = ")[0] != key and not own.startswith(tuple(gone))]


@contextmanager
def limited() -> Iterator[None]:
    """With little memory and time beside what is there."""

    def late(*_: object) -> None:
        raise TimeoutError

    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    handler = signal.signal(signal.SIGVTALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, before[1]))
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def looked_over(*settings: str) -> None:
    """What `check` and `show` do."""
    recipe = load_recipe("asm_rh", (), settings)
    network(recipe.model, recipe.features, recipe.task)


@cache
def network(model: Model, features: Spec, task: Spec) -> None:
    """What it costs; most settings leave it as it is."""
    recipe = replace(load_recipe("asm_rh"), model=model, features=features, task=task)
    found = build_features(recipe)
    costs(model, found.bins, found.frames, classes_of(recipe)[0])


def test_no_number_takes_memory_or_time() -> None:
    tried, faults = 0, []
    for line, ahead in lines():
        own = small(line, ahead)
        tried += 1
        try:
            with limited():
                looked_over(*own, *ahead, line)
        except MixkitError:
            continue
        except Exception as error:
            faults.append(f"{line}: {type(error).__name__} {error}"[:200])
    assert not faults
    assert tried > 250


def too_much() -> str:
    """What a process meets that takes more than it is given."""
    with limited():
        try:
            bytearray(2 * MEMORY)
        except MemoryError:
            return "MemoryError"
    return "nothing"


def test_the_controls() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(too_much).result() == "MemoryError"  # this one has memory of other tests to give back
    looked_over(*SMALL)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "model.width = 1000000000",
            "stem.convolution asks for 104,000,000,000 values of a clip in a layer, where 1,073,741,824 are the most. "
            "Use less.",
        ),
        ("model.depth = 20000", "model.depth asks for 40,000 operators, where 10,000 are the most. Use fewer blocks."),
        (
            "operator.roll_time.hidden = 1000000000000",
            "operator.roll_time asks for 516,000,000,051,482 parameters, where 100,000,000,000 are the most. Make "
            "it smaller, or set a smaller model.width or model.depth.",
        ),
        (
            "task.demo.sample_rate = 1000000000",
            "task.demo.sample_rate asks for 1,000,000,000 Hz, where 384,000 are the most. Use 16000, or what the "
            "recordings have.",
        ),
        (
            "features.log_mel.bins = 1000000000",
            "features.log_mel.bins asks for 611,000,000,000 numbers for the features, where 1,073,741,824 are the "
            "most. Use fewer.",
        ),
    ],
)
def test_what_is_said(line: str, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        looked_over(line)
    assert str(caught.value) == message


@pytest.mark.parametrize("seed", ["train.seed", "task.demo.seed"])
def test_seeds_have_bounds_where_they_are_declared(seed: str) -> None:
    load_recipe("asm_rh", (), [f"{seed} = 4294967295"])
    with pytest.raises(MixkitError, match=f"{seed} is 4294967296. It takes an int, at least 0 and at most 4294967295."):
        load_recipe("asm_rh", (), [f"{seed} = 4294967296"])


def test_a_network_that_this_machine_cannot_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe("asm_rh", (), SMALL)
    monkeypatch.setattr("mixkit.model.estimate.memory", lambda: 10_000)
    with pytest.raises(SettingError, match="bytes of memory for parameters, where 10,000 are the most"):
        mixkit.build(recipe, 10)
    looked_over(*SMALL)  # a check takes no memory


def test_a_training_that_this_machine_cannot_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    model = mixkit.build(load_recipe("asm_rh", (), SMALL), 10)
    expect_training(model, 32, torch.device("cpu"))
    monkeypatch.setattr("mixkit.training.memory.memory", lambda: 10_000)
    for rows, setting in ((1, "model.width"), (1000, "train.batch_size")):
        with pytest.raises(SettingError) as caught:
            expect_training(model, rows, torch.device("cpu"))
        assert str(caught.value).startswith(f"{setting} asks for ")
        assert "bytes of memory for a step, where 10,000 are the most." in str(caught.value)


def test_sounds_for_which_the_disk_has_no_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path))
    recipe = load_recipe("asm_rh", (), ["task.demo.clips = 10000", "task.demo.seconds = 60000.0"])
    with pytest.raises(SettingError, match=r"task\.demo\.clips asks for .* bytes on the disk, where .* are the most"):
        mixkit.task.build(recipe.task).clips("train")
    assert not [*tmp_path.iterdir()]


def test_the_memory_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert held() < capacity.memory()
    (tmp_path / "memory.max").write_text("123456\n")
    monkeypatch.setattr(capacity, "GROUP", tmp_path / "memory.max")
    assert capacity.memory() == 123456
    (tmp_path / "memory.max").write_text("max\n")
    assert capacity.memory() > 2**30


def test_a_batch_in_more_parts_than_it_has_clips(tmp_path: Path) -> None:
    lines = [*SMALL, "train.epochs = 1", "train.batch_size = 8", "train.precision = 'float32'"]
    began = time.process_time()
    weights = [
        torch.cat([p.flatten() for p in mixkit.load(run.folder).mixer.parameters()])
        for parts in (8, 10**9)
        for run in [mixkit.train(load_recipe("asm_rh", (), [*lines, f"train.accumulation = {parts}"]), tmp_path)]
    ]
    assert torch.equal(*weights)
    assert time.process_time() - began < 60


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ("downsample.convolution.kernel = [99999, 99999]",),
            "downsample.convolution asks for 1,279,974,410,526 parameters, where 100,000,000,000 are the most. "
            "Make it smaller, or set a smaller model.width or model.depth.",
        ),
        (
            ("late/stage.depth = 20000",),
            "stage.depth asks for 40,002 operators, where 10,000 are the most. Use fewer blocks.",
        ),
        (
            ("model.stem = @stem.convolution()", "stem.convolution.channels = [3000000, 48]"),
            "stem.convolution asks for 1,152,000,000 values of a clip in a layer, where 1,073,741,824 are the most. "
            "Use less.",
        ),
    ],
)
def test_what_is_said_of_stems_and_stages(lines: tuple[str, ...], message: str) -> None:
    ahead = tuple(line.format("convolution") for line in STAGES)
    with pytest.raises(SettingError) as caught:
        looked_over(*small("", ahead), *ahead, *lines)
    assert str(caught.value) == message


def test_what_has_no_formula_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator of a plugin need not say what it costs: it is built once, without memory."""
    monkeypatch.setattr(operator, "_entries", dict(operator._entries))

    @operator("unsaid", mixes={"channel"})
    class Unsaid(nn.Bilinear):
        """Mixes, and says nothing of what it costs."""

        def __init__(self, site: Site, *, hidden: Count = 8):
            super().__init__(site.width, hidden, site.width)

    def expect(hidden: int) -> None:
        spec = operator.spec("unsaid", hidden=hidden)
        expect_network(Model((Block((Branch((spec,)),)),), width=16, depth=2), 128, 48, 10)

    expect(10**6)
    with pytest.raises(SettingError, match=r"operator\.unsaid asks for 512,000,004,314 parameters"):
        expect(10**9)
