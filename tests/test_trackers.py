"""What trackers are told, read back from what they wrote: figures, settings and pictures, and all of it stays here."""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mixkit.cli.views import trackers
from mixkit.cli.views.trackers import Tracked, settings_of
from mixkit.errors import MixkitError
from mixkit.report.run_plots import confusion
from mixkit.runs.folder import Run
from mixkit.storage.picture import rendered
from tests.conftest import Said
from tests.fake_runs import fake_results, fake_run

RATE = "train.learning_rate"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("WANDB_MODE", "WANDB_PROJECT", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    found = Run(fake_run(tmp_path / "one", fake_results()))
    found.write("figures/confusion.png", rendered(lambda: confusion(found.results())))
    return found


@pytest.fixture
def tell(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Tracked]]:
    """Tells a tracker of the whole run."""
    opened = []

    def told(name: str) -> Tracked:
        if name != "tensorboard":
            pytest.importorskip(name, reason=f"{name} is not installed")
        display = Tracked(Console(file=StringIO(), width=200), [name])
        opened.append(display)
        display.opened(run.folder)
        for record in run.metrics():
            display.epoch({**record, "learning_rate": 0.1, "clips_per_second": 9.0})
        display.stop()
        display.opened(run.folder / "refit")
        display.epoch({"epoch": 1, "train": {"loss": 7.0}, "learning_rate": 0.1, "clips_per_second": 9.0})
        display.ended(run)
        assert "fails" not in display.console.file.getvalue()  # type: ignore[attr-defined]
        return display

    yield told
    for display in opened:
        display.close()


def accuracies(run: Run) -> list[float]:
    return [record["valid"]["accuracy"] for record in run.metrics()]


def test_tensorboard(run: Run, tell: Callable[[str], Tracked]) -> None:
    drawn = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    tell("tensorboard").close()
    seen = drawn.EventAccumulator(str(run.folder / "tensorboard")).Reload()
    assert [point.value for point in seen.Scalars("accuracy/valid")] == pytest.approx(accuracies(run))
    assert [point.value for point in seen.Scalars("refit/loss/train")] == [7.0]
    assert [point.value for point in seen.Scalars("accuracy/test")] == pytest.approx([0.8])
    assert seen.Images("confusion")[0].width > 100
    assert b"learning_rate" in seen.summary_metadata["_hparams_/session_start_info"].plugin_data.content


@pytest.mark.filterwarnings("default")
def test_wandb(run: Run, tell: Callable[[str], Tracked]) -> None:
    display = tell("wandb")
    tracked = display._open["wandb"].run  # type: ignore[attr-defined]
    assert tracked.offline
    assert tracked.config[RATE] == settings_of(run.folder)[RATE]
    assert tracked.summary["accuracy/test"] == pytest.approx(0.8)
    assert tracked.summary["accuracy/valid"] == pytest.approx(accuracies(run)[-1])
    display.close()
    (folder,) = (run.folder / "wandb").glob("offline-run-*")
    assert [*folder.glob("*.wandb")]
    assert [*folder.rglob("confusion*.png")]


@pytest.mark.filterwarnings("default")
def test_mlflow(run: Run, tell: Callable[[str], Tracked]) -> None:
    display = tell("mlflow")
    tracker = display._open["mlflow"]
    client, number = tracker.client, tracker.run  # type: ignore[attr-defined]
    display.close()
    found = client.get_run(number)
    assert found.info.status == "FINISHED"
    assert found.data.params[RATE] == str(settings_of(run.folder)[RATE])
    history = client.get_metric_history(number, "accuracy/valid")
    assert [(point.step, point.value) for point in history] == [*enumerate(accuracies(run), 1)]
    assert found.data.metrics["accuracy/test"] == pytest.approx(0.8)
    assert [one.path for one in client.list_artifacts(number)] == ["confusion.png"]
    assert (run.folder / "mlflow" / "mlflow.db").is_file()
    assert [*(run.folder / "mlflow" / "artifacts").rglob("confusion.png")]


def test_one_that_fails_is_named_once_and_the_run_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path, settings: Mapping[str, object], first: int | None) -> trackers.Tracker:
        raise OSError("no room")

    monkeypatch.setitem(trackers.TRACKERS, "tensorboard", broken)
    display = Tracked(Console(file=StringIO(), width=200), ["tensorboard"])
    display.opened(run.folder)
    for record in run.metrics():
        display.epoch({**record, "learning_rate": 0.1, "clips_per_second": 9.0})
    said = display.console.file.getvalue()  # type: ignore[attr-defined]
    assert said.count("tensorboard fails, and the run goes on without it: OSError: no room\n") == 1
    assert said.count("\n") == 13


def test_one_that_is_not_installed(mixkit_command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(trackers, "find_spec", lambda name: None if name == "wandb" else find(name))
    said = mixkit_command("train", "asm_rh", "--log", "wandb")
    assert said.err == "error: --log wandb needs the package wandb. Install it: pip install 'mixkit[wandb]'.\n"
    assert said.code == 2
    with pytest.raises(MixkitError, match="--log wandb"):
        Tracked(Console(), ["tensorboard", "wandb"])
    said = mixkit_command("train", "asm_rh", "--log", "paper")
    assert said.code == 2
    assert "'paper' is not one of 'tensorboard', " in said.err
