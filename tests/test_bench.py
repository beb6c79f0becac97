"""What is made of timings, with a clock that says what the test wants; and one small bench that is real."""

import itertools
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

import pytest
import torch

import mixkit
from mixkit.bench.measure import VariantSpeed, bench, summary
from mixkit.bench.memory import peak_memory
from mixkit.bench.plain import check_same, plain
from mixkit.bench.plot import plot
from mixkit.bench.timed_network import PHASES, TimedNetwork, Variant, variants
from mixkit.bench.timing import Spread, Stopwatch, interleaved, ratios
from mixkit.errors import MixkitError
from mixkit.model.classifier import build
from mixkit.recipe.schema import Recipe

TINY = ("model.width = 16", "model.depth = 2", "task.demo.seconds = 0.5")


def tiny(*settings: str, recipe: str = "asm_rh") -> Recipe:
    return mixkit.load_recipe(recipe, settings=[*TINY, *settings])


CPU = torch.device("cpu")


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets a clock at which each look is later by what comes next."""

    def set_clock(*steps: float) -> None:
        moments = itertools.accumulate(steps)
        monkeypatch.setattr("mixkit.bench.timing.perf_counter", lambda: next(moments))

    return set_clock


def test_a_stopwatch_knows_phases_apart(ticks: Callable[..., None]) -> None:
    ticks(0, 1, 5, 2)
    watch = Stopwatch(CPU)
    for name in ("forward", "backward"):
        with watch.phase(name):
            pass
    assert watch.read() == {"forward": 1, "backward": 2}


def test_a_step_is_split_in_its_phases(ticks: Callable[..., None]) -> None:
    work = TimedNetwork(tiny(), Variant("float32"), 2, CPU)
    # Begin of the step; then begin and end of data, forward, backward and optimiser; end of the step.
    ticks(0, 0, 1, 0, 10, 0, 100, 0, 1000, 0.5)
    assert work.step() == {"data": 1, "forward": 10, "backward": 100, "optimiser": 1000, "step": 1111.5}
    ticks(0, 3)
    assert work.forward() == {"forward": 3}


def test_a_step_moves_the_weights() -> None:
    work = TimedNetwork(tiny(), Variant("float32"), 2, CPU)
    before = {name: tensor.clone() for name, tensor in work.module.state_dict().items()}
    work.forward()
    assert all(torch.equal(before[name], tensor) for name, tensor in work.module.state_dict().items())
    work.step()
    assert not torch.equal(before["head.linear.weight"], work.module.state_dict()["head.linear.weight"])


def test_passes_take_turns() -> None:
    order: list[str] = []

    def one(name: str, seconds: float) -> dict[str, float]:
        order.append(name)
        return {"step": seconds}

    said: list[str] = []
    found = interleaved({"a": lambda: one("a", 1.0), "b": lambda: one("b", 2.0)}, 2, say=said.append)
    assert order == ["a", "b"] * 3
    assert found == {"a": [{"step": 1.0}] * 2, "b": [{"step": 2.0}] * 2}
    assert said == ["warmed up", "round 1 of 2", "round 2 of 2"]


def test_ratios_are_of_rounds_and_not_of_medians() -> None:
    # The machine was three times as slow in the second round, for both.
    assert ratios([2.0, 6.0, 2.2], [1.0, 3.0, 1.1]) == Spread(2.0, 2.0, 2.0)
    assert ratios([1.0, 2.0, 3.0, 4.0, 5.0], [1.0] * 5) == Spread(3.0, 2.0, 4.0)
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0)
    assert str(Spread(1.234, 1.0, 2.0)) == "1.23 (1.00 to 2.00)"
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0], [1.0, 2.0])


def test_what_rounds_come_to() -> None:
    step = {"data": 0.1, "forward": 0.4, "backward": 1.2, "optimiser": 0.3}
    rows = {
        "train plain float32": [{"step": 6.0}, {"step": 8.0}],
        "forward plain float32": [{"forward": 1.5}, {"forward": 1.5}],
        "train mixkit float32": [{**step, "step": 2.0}, {**step, "step": 2.0}],
        "forward mixkit float32": [{"forward": 0.5}, {"forward": 0.5}],
    }
    found = summary(Variant("float32"), rows, "plain float32", size=8, flops=100, peak=2000.0, memory=5)
    assert found == VariantSpeed(
        name="mixkit float32",
        precision="float32",
        training_clips=4.0,
        forward_clips=16.0,
        step=Spread(2.0, 2.0, 2.0),
        forward=Spread(0.5, 0.5, 0.5),
        phases={phase: Spread(step[phase], step[phase], step[phase]) for phase in PHASES},
        training_share=3 * 100 * 8 / 2.0 / 2000,
        forward_share=100 * 8 / 0.5 / 2000,
        training_ratio=Spread(3.5, 3.25, 3.75),
        forward_ratio=Spread(3.0, 3.0, 3.0),
        memory=5,
    )


def test_which_variants() -> None:
    assert [one.name for one in variants(against_plain=False, compiled=False)] == ["mixkit float32", "mixkit bf16"]
    assert [one.name for one in variants(against_plain=True, compiled=True)] == [
        "plain float32",
        "mixkit float32",
        "mixkit bf16",
        "mixkit float32 compiled",
        "mixkit bf16 compiled",
    ]


def test_a_gpu_is_timed_by_events_in_its_own_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    class Event:
        made: ClassVar[list["Event"]] = []

        def __init__(self, enable_timing: bool):
            assert enable_timing
            self.recorded = self.synchronized = False
            self.made.append(self)

        def record(self) -> None:
            self.recorded = True

        def synchronize(self) -> None:
            self.synchronized = True

        def elapsed_time(self, ended: "Event") -> float:
            assert self.recorded
            assert ended.recorded
            assert ended.synchronized
            return 1500.0

    monkeypatch.setattr("torch.cuda.Event", Event)
    watch = Stopwatch(torch.device("cuda"))
    with watch.phase("step"):
        pass
    assert len(Event.made) == 2
    assert not any(event.synchronized for event in Event.made)  # nothing is held up before it is read
    assert watch.read() == {"step": 1.5}


@pytest.mark.parametrize("recipe", ["asm_rh", "asm_h", "asm_r", "mlp_mixer", "ast"])
def test_the_plain_form_is_the_same_function(recipe: str) -> None:
    mixer = build(tiny("model.depth = 4", recipe=recipe), 5).mixer.double().eval()
    other = plain(mixer)
    x = torch.randn(2, 64, 24, dtype=torch.float64)
    before = x.clone()
    with torch.no_grad():
        torch.testing.assert_close(other(x), mixer(x), rtol=1e-10, atol=1e-10)
    assert torch.equal(x, before)
    kinds = {type(module).__name__ for module in other.modules()}
    assert ("PlainRoll" in kinds) == (recipe in ("asm_rh", "asm_r"))
    assert ("PlainHermit" in kinds) == (recipe in ("asm_rh", "asm_h"))
    assert not any(type(module).__module__.endswith("product") for module in other.modules())


def test_another_function_is_not_measured() -> None:
    mixer = build(tiny(), 5).mixer
    other = plain(mixer)
    check_same(mixer, other, torch.randn(2, 64, 24))
    torch.nn.init.normal_(other.head.linear.weight)  # type: ignore[union-attr]
    with pytest.raises(MixkitError, match=r"of the largest logit\. Report this: they must agree\.$"):
        check_same(build(tiny(), 5).mixer, other, torch.randn(2, 64, 24))


def test_what_has_no_pseudo_code_is_refused() -> None:
    mixer = build(tiny("operator.hermit_frequency.variant = 'lossless'"), 5).mixer
    with pytest.raises(MixkitError) as error:
        plain(mixer)
    assert str(error.value) == (
        "hermit_frequency has axis='channel' and variant='lossless', for which the paper has no pseudo code. "
        "Leave --against out, or use axis='channel' and variant='paper'."
    )


def test_an_uneven_roll_has_no_pseudo_code() -> None:
    mixer = build(tiny("operator.roll_time.groups = 7"), 5).mixer
    with pytest.raises(MixkitError) as error:
        plain(mixer)
    assert str(error.value) == (
        f"roll has 7 groups and 4 bands, which cut {mixer.stem.grid.tokens} tokens of width 16 unevenly, for which the "
        "paper has no pseudo code. Leave --against out, or use divisors."
    )


def test_a_real_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixkit.bench.measure.peak_memory", lambda *_: 3 * 2**20)
    forms = variants(against_plain=True, compiled=False)
    found = bench(tiny(), forms, 2, 2, CPU)
    assert [one.name for one in found.variants] == [form.name for form in forms]
    assert found.variants[0].training_ratio == Spread(1.0, 1.0, 1.0)
    assert {"float32", "bf16"} == set(found.peaks)
    assert found.apart is not None
    assert found.apart < 1e-4
    for one in found.variants:
        assert one.step.median >= max(spread.median for spread in one.phases.values()) > 0
        assert one.training_clips == pytest.approx(2 / one.step.median)
    assert [(part.name, part.count) for part in found.parts] == [
        ("stem", 1),
        ("hermit_frequency", 2),
        ("roll_time", 2),
        ("norm", 1),
        ("pool", 1),
        ("head", 1),
    ]
    assert sum(part.flops for part in found.parts) == 2 * found.flops
    assert json.loads(json.dumps(asdict(found)))["parts_of"] == "mixkit float32"
    left, right = plot(found).axes
    assert [label.get_text() for label in left.get_yticklabels()] == [form.name for form in forms]
    assert "2 x roll_time" in [label.get_text() for label in right.get_yticklabels()]


@pytest.mark.slow
def test_memory_is_that_of_training_alone() -> None:
    """It grows with the batch, and a parent that holds much does not count."""
    held = torch.ones(300 * 2**18)  # 300 MiB
    few, many = (peak_memory(tiny("model.width = 96"), Variant("float32"), size, "cpu") for size in (2, 64))
    assert 0 < few < 150 * 2**20 < held.nbytes
    assert many > few + 10 * 2**20


def test_the_command(mixkit_command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixkit.bench.measure.peak_memory", lambda *_: 3 * 2**20)
    monkeypatch.setenv("COLUMNS", "240")
    lines = [argument for line in TINY for argument in ("--set", line)]
    said = mixkit_command("bench", "asm_rh", *lines, "--batch", 2, "--rounds", 1, "--out", tmp_path / "bench.png")
    assert said.code == 0, said.err
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
    for text in ("2 clips a batch, 1 rounds in turn", "mixkit bf16", "3 MiB", "hermit_frequency", "of peak"):
        assert text in said.out
    said = mixkit_command("bench", "asm_rh", *lines, "--batch", 2, "--rounds", 1, "--json")
    document = json.loads(said.out)
    assert document["machine"]["device"] == "cpu"
    assert [one["memory"] for one in document["variants"]] == [3 * 2**20] * 2
    assert mixkit_command("bench", "asm_rh", "--against", "fast").code == 2
