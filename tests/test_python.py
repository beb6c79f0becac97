"""Python and notebooks: what commands do is there as functions, and what they give shows itself."""

import os
import re
import signal
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

import mixkit
from mixkit.errors import RunError, Stopped
from mixkit.runs.folder import Run
from mixkit.study.definition import study_of
from mixkit.study.plan import Plan, plan
from mixkit.training.signals import Signals, interactive

QUICK = ["train.epochs = 1", "model.width = 16", "model.depth = 2", "task.demo.clips = 4", "task.demo.seconds = 0.5"]


class Tags(HTMLParser):
    """The tags of a piece of HTML; refuses one that is closed and was not opened last."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.found: set[str] = set()
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.add(tag)
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_training_is_told_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = mixkit.load_recipe("asm_rh", settings=QUICK)
    quiet = mixkit.train(recipe, tmp_path, device="cpu")
    assert capsys.readouterr().out == "", "a program is not talked to unless it asks"
    told = mixkit.train(recipe, tmp_path, device="cpu", progress=True)
    assert "epoch   1/1" in capsys.readouterr().out
    for run in (quiet, told):
        assert {"curves.png", "confusion.png", "spectrograms.png"} <= {
            p.name for p in (run.folder / "figures").iterdir()
        }
    assert re.fullmatch(r"<Run .*/asm_rh/001: asm_rh on demo \(.*test accuracy .*parameters>", repr(quiet))
    assert Tags(quiet._repr_html_()).found >= {"table", "img"}
    assert repr(mixkit.compare([quiet, told])) == "<Comparison asm_rh: asm_rh>"
    assert "asm_rh" in mixkit.compare([quiet])._repr_html_()


def test_what_is_done_with_a_run(small_run: Path, tmp_path: Path) -> None:
    run = Run.open(small_run)
    assert os.fspath(run) == str(small_run)
    found = mixkit.evaluate(run, "valid", "cpu")
    assert found.clips == run.results().valid.clips
    assert Tags(found._repr_html_()).found >= {"table", "details"}
    assert Tags(run.results()._repr_html_()).found >= {"table"}
    seen = mixkit.look(run, layers=[0])
    assert "look_branches.png" in seen
    assert Tags(seen._repr_html_()).found == {"p", "img"}
    assert run.plot()._repr_png_().startswith(b"\x89PNG")
    page, comparison = mixkit.report([run], tmp_path, errors=0)
    assert page == tmp_path / "report.html"
    assert len(comparison.rows) == 1
    model = mixkit.load(run)
    heard = model.predict(torch.zeros(8000), 16_000)
    assert repr(heard).startswith("<Prediction: ")
    assert heard.label in heard._repr_html_()


def test_a_frame_needs_pandas(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(RunError, match=r"run\.frame\(\) needs pandas, which is not installed. pip install pandas"):
        Run(small_run).frame()

    class Pandas:
        DataFrame = staticmethod(list)

    monkeypatch.setitem(sys.modules, "pandas", Pandas)  # type: ignore[arg-type]
    (row,) = Run(small_run).frame()
    assert row["epoch"] == 1
    assert {"train.loss", "valid.accuracy"} <= set(row)


def test_a_run_without_an_epoch_has_nothing_to_plot(tmp_path: Path) -> None:
    (tmp_path / "recipe.gin").touch()
    assert repr(Run(tmp_path)) == f"<Run {tmp_path}: stopped>"
    with pytest.raises(RunError, match="no epoch has ended"):
        Run(tmp_path).plot()


def test_recipes_and_registries_show_themselves() -> None:
    recipe = mixkit.load_recipe("asm_rh", settings=QUICK)
    shape = "2 blocks of 16 channels (hermit_frequency + roll_time)"
    assert repr(recipe) == f"<Recipe asm_rh: task demo, {shape}, epochs: 1, clips in a batch: 16>"
    html = recipe._repr_html_()
    assert Tags(html).found >= {"table", "details", "summary"}
    assert "train.batch_size" in html
    assert repr(mixkit.pool).startswith("<Registry of kind 'pool': attention, mean")
    assert "<td>mean_max</td>" in mixkit.pool._repr_html_()
    assert mixkit.check(recipe).startswith("asm_rh is sound: 2 blocks over a 8 x 3 grid")


@pytest.mark.parametrize(
    ("section", "setting", "value", "key"),
    [("train", "epochs", 5, "train.epochs"), ("", "pad", "repeat", "task.pad"), ("model", "width", 8, "model.width")],
)
def test_an_assignment_names_what_does_it(section: str, setting: str, value: object, key: str) -> None:
    recipe = mixkit.load_recipe("asm_rh")
    with pytest.raises(mixkit.SettingError) as caught:
        setattr(getattr(recipe, section) if section else recipe, setting, value)
    line = f"{key} = {value!r}"
    assert str(caught.value) == (
        f"{key} cannot be assigned: a recipe does not change. Load it with the line: "
        f"mixkit.load_recipe(..., settings=[{line!r}])"
    )
    assert mixkit.load_recipe("asm_rh", settings=[line]) != recipe


def test_text_in_a_table_is_text() -> None:
    from mixkit.markup import folded, table

    assert "&lt;b&gt;" in table(("<b>",), [("<b>",)], "<b>")
    assert "<b>" not in table(("<b>",), [("<b>",)], "<b>") + folded("<b>", "")


def test_a_second_interrupt_leaves_an_interpreter_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", leave)
    for typed in (True, False):
        monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
        if not typed:
            monkeypatch.delattr(sys, "ps1")
        assert interactive() is typed
        signals = Signals()
        with pytest.raises(Stopped):
            signals._take(signal.SIGINT, None)
        with pytest.raises(KeyboardInterrupt if typed else SystemExit):  # the control: a program ends at once
            signals._take(signal.SIGINT, None)


def test_rooms_that_are_functions_stay_rooms() -> None:
    from mixkit.report.statistics import holm

    assert mixkit.report.statistics.holm is holm
    assert callable(mixkit.report)
    assert callable(mixkit.export)
    assert {"report", "export", "train", "evaluate", "ablate", "compare", "check", "look"} <= set(mixkit.__all__)


def test_ablate_compares_the_parts_of_a_recipe_as_the_command_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runs are left out, and with them the comparison: nothing has ended."""
    planned: list[Plan] = []
    monkeypatch.setattr("mixkit.api.studies.drive", lambda plan, *_: planned.append(plan))
    with pytest.raises(RunError):
        mixkit.ablate("asm_rh", quick=True, runs=tmp_path)
    own = plan(study_of("asm_rh"), tmp_path / "asm_rh-ablation-quick", quick=True)
    assert [arm.name for arm in planned[0].record.arms] == [arm.name for arm in own.record.arms]
    assert len(own.record.arms) > 2
