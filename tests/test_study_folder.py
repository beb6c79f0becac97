"""Runs that a study finds: counted if recipe and plugin code are those that it means, and otherwise not in silence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mixkit import __version__
from mixkit.plugins.load import load_plugins
from mixkit.study.definition import Study, swaps
from mixkit.study.driver import StudyFailed, drive
from mixkit.study.folder import set_aside
from mixkit.study.plan import Plan, plan
from mixkit.study.record import ArmRun, read_study
from tests.conftest import Said
from tests.test_study_driver import Noted, Pretended

PLUGIN = """
from torch import nn
from mixkit import operator

@operator("louder", mixes=set())
class Louder(nn.Module):
    \"\"\"Makes all louder.\"\"\"
    def __init__(self, site, *, factor: float = 2.0):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor
"""

pytestmark = pytest.mark.usefixtures("without_plugins")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixkit.study.driver.LOOK", 0.0)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "louder_plugin.py"
    path.write_text(PLUGIN)
    return path


def planned(folder: Path, plugin: Path, seeds: tuple[int, ...] = (0,)) -> Plan:
    study = Study("x", "asm_rh", seeds=seeds, edits=swaps({"roll_time": ["louder"]}))
    return plan(study, folder, (str(plugin),), load_plugins([str(plugin)]))


class Copying(Pretended):
    """As training does, keeps what the plugin is when the run begins."""

    def __init__(self, plugin: Path, meanwhile: Callable[[], object] = lambda: None):
        super().__init__(slots=1)
        self._plugin, self._meanwhile = plugin, meanwhile

    def _end(self, key: str, code: int):  # type: ignore[no-untyped-def]
        ended = super()._end(key, code)
        if "louder" in (self._folder / key / "recipe.gin").read_text():
            (self._folder / key / "plugins").mkdir()
            shutil.copy(self._plugin, self._folder / key / "plugins")
        self._meanwhile()
        return ended

    def start(self, job) -> None:  # type: ignore[no-untyped-def]
        super().start(job)
        self._folder = Path(job.arguments[3])


def of_plugin(made: Plan) -> ArmRun:
    return next(trial for trial in made.record.trials if "louder" in trial.arm)


def test_another_plugin_code_is_another_run(tmp_path: Path, plugin: Path) -> None:
    first = planned(tmp_path / "x", plugin)
    drive(first, Copying(plugin), Noted())
    plugin.write_text(PLUGIN.replace("self.factor = factor", "self.factor = 3 * factor"))
    second = planned(tmp_path / "x", plugin)
    changed = [trial.arm for trial in second.record.trials if trial.folder.name not in first.runs]
    assert changed == ["roll_time -> louder"]  # and the arm that has no plugin keeps its runs
    engine, display = Copying(plugin), Noted()
    drive(second, engine, display)
    assert engine.started == [of_plugin(second).folder.name]
    assert display.said == [
        "1 of 2 runs are done already and are not repeated.",
        "1 finished run was there with other settings, seeds or plugin code: kept, and not counted.",
    ]
    plugin.write_text(PLUGIN)  # and back: what was made with it is there still
    engine = Copying(plugin)
    drive(planned(tmp_path / "x", plugin), engine, Noted())
    assert engine.started == []


def test_a_plugin_that_is_edited_while_its_study_runs(tmp_path: Path, plugin: Path) -> None:
    made = planned(tmp_path / "x", plugin)
    edited = PLUGIN + "# a later thought\n"
    with pytest.raises(StudyFailed):
        drive(made, Copying(plugin, lambda: plugin.write_text(edited)), Noted())
    failed = [trial for trial in read_study(tmp_path / "x").trials if trial.state == "failed"]
    aside = of_plugin(made).folder.with_name(of_plugin(made).folder.name + ".1")
    assert [(trial.arm, trial.error) for trial in failed] == [
        ("roll_time -> louder", f"a plugin was edited meanwhile; what came of it is {aside}")
    ]
    assert (aside / "plugins" / plugin.name).read_text() == edited
    engine = Copying(plugin)
    record = drive(planned(tmp_path / "x", plugin), engine, Noted())
    assert len(engine.started) == 1
    assert {trial.state for trial in record.trials} == {"done"}


def test_a_run_of_other_code_is_not_gone_on_with(tmp_path: Path, plugin: Path) -> None:
    """A driver that was killed could not look at what its runs had become."""
    made = planned(tmp_path / "x", plugin)
    run = of_plugin(made).folder
    (run / "plugins").mkdir(parents=True)
    (run / "recipe.gin").touch()
    (run / "plugins" / plugin.name).write_text("# other code")
    display = Noted()
    drive(made, Copying(plugin), display)
    assert display.said == [f"A run of other plugin code is kept as {run}.1, and does not count."]
    assert (run / "plugins" / plugin.name).read_text() == PLUGIN
    assert set_aside(run, made.runs[run.name].code) is None
    assert set_aside(tmp_path / "none", made.runs[run.name].code) is None


def test_a_plugin_without_source_is_told(tmp_path: Path, plugin: Path) -> None:
    plugin.write_text(PLUGIN + "#" * 2**20)
    assert planned(tmp_path / "x", plugin).notes == (
        "The source of louder_plugin is missing or too large: a change there does not make finished runs anew.",
    )
    plugin.write_text(PLUGIN)
    assert planned(tmp_path / "x", plugin).notes == ()


def test_runs_of_another_version_count_and_are_told(tmp_path: Path, plugin: Path) -> None:
    made = planned(tmp_path / "x", plugin, (0, 1))
    record = drive(made, Copying(plugin), Noted())
    for trial, version in zip(record.trials, ("0.0.1\x1b[2J", "0.0.1\x1b[2J", __version__), strict=False):
        (trial.folder / "environment.json").write_text(json.dumps({"mixkit": version}))
    engine, display = Copying(plugin), Noted()
    drive(made, engine, display)
    assert engine.started == []
    assert display.said == [
        "4 of 4 runs are done already and are not repeated.",
        f"2 finished runs were made by mixkit 0.0.1\\x1b[2J; this is {__version__}. Counted all the same: "
        f"to make them again, remove them from {tmp_path / 'x' / 'runs'}.",
    ]


def test_changes_may_be_allowed(tmp_path: Path, plugin: Path, mixkit_command: Callable[..., Said]) -> None:
    made, given = planned(tmp_path / "x", plugin), []

    class Looking(Copying):
        def start(self, job) -> None:  # type: ignore[no-untyped-def]
            super().start(job)
            given.append("--allow-changes" in job.arguments)

    drive(made, Looking(plugin), Noted())
    drive(planned(tmp_path / "y", plugin), Looking(plugin), Noted(), allow_changes=True)
    assert given == [False, False, True, True]
    assert "--allow-changes" in mixkit_command("ablate", "--help").out
