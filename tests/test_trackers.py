"""What trackers are told, read back from what they wrote: figures, settings and pictures, and all of it stays here."""

import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO, StringIO
from pathlib import Path

import pytest
import soundfile
from rich.console import Console

import mixkit
from mixkit.cli.views import trackers
from mixkit.cli.views.trackers import Tracked, settings_of
from mixkit.cli.views.training import Live
from mixkit.errors import MixkitError
from mixkit.report.run_plots import confusion
from mixkit.report.worst_errors import Mistake, WorstErrors
from mixkit.runs.folder import Run
from mixkit.storage.picture import rendered
from mixkit.training.display import TrainingDisplay
from tests.conftest import Said
from tests.fake_runs import fake_results, fake_run

RATE = "train.learning_rate"
SOUND = BytesIO()
soundfile.write(SOUND, [0.5] * 800, 8000, format="WAV", subtype="PCM_16")
MISTAKE = Mistake("late/siren.wav", (("siren", 0.04),), (("dog_bark", 0.9),), 0.1, False, SOUND.getvalue(), b"")
CAPTION = "late/siren.wav: siren 4%, answered dog_bark 90%"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("WANDB_MODE", "WANDB_PROJECT", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    found = Run(fake_run(tmp_path / "one", fake_results()))
    found.write("figures/confusion.png", rendered(lambda: confusion(found.results())))
    return found


@pytest.fixture
def tell(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[str], Tracked]]:
    """Tells a tracker of the whole run."""
    opened = []

    def told(name: str) -> Tracked:
        if name != "tensorboard":
            pytest.importorskip(name, reason=f"{name} is not installed")
        display = Tracked(TrainingDisplay(), [name])
        opened.append(display)
        display.opened(run.folder)
        for record in run.metrics():
            display.epoch({**record, "learning_rate": 0.1, "clips_per_second": 9.0})
        display.stop()
        display.opened(run.folder / "refit")
        display.epoch({"epoch": 1, "train": {"loss": 7.0}, "learning_rate": 0.1, "clips_per_second": 9.0})
        monkeypatch.setattr(trackers, "worst", lambda *_: WorstErrors((MISTAKE,)))
        display.ended(run, ())
        assert "fails" not in capsys.readouterr().err
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
    (tag,) = seen.Tags()["audio"]
    assert tag == f"worst errors/{CAPTION}"
    assert seen.Audio(tag)[0].sample_rate == 8000
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
    assert [*folder.rglob("*.wav")]


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
    assert [one.path for one in client.list_artifacts(number)] == ["confusion.png", "worst errors"]
    (captions,) = (run.folder / "mlflow" / "artifacts").rglob("captions.json")
    assert json.loads(captions.read_text()) == {"1.wav": CAPTION}
    assert (captions.parent / "1.wav").read_bytes() == MISTAKE.sound
    assert (run.folder / "mlflow" / "mlflow.db").is_file()
    assert [*(run.folder / "mlflow" / "artifacts").rglob("confusion.png")]


def test_one_that_fails_is_named_once_and_the_run_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(folder: Path, settings: Mapping[str, object], first: int | None) -> trackers.Tracker:
        raise OSError("no room")

    monkeypatch.setitem(trackers.TRACKERS, "tensorboard", broken)
    shown = Live(Console(file=StringIO(), width=200))
    display = Tracked(shown, ["tensorboard"])
    display.opened(run.folder)
    for record in run.metrics():
        display.epoch({**record, "learning_rate": 0.1, "clips_per_second": 9.0})
    assert capsys.readouterr().err == "tensorboard fails, and the run goes on without it: OSError: no room\n"
    assert shown.console.file.getvalue().count("\n") == 12  # type: ignore[attr-defined]
    monkeypatch.delattr(trackers, "worst")  # sounds that nobody wants are not looked for
    display.ended(run, ())
    assert capsys.readouterr().err == ""


def test_one_that_is_not_installed(mixkit_command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(trackers, "find_spec", lambda name: None if name == "wandb" else find(name))
    said = mixkit_command("train", "asm_rh", "--log", "wandb")
    assert said.err == "error: --log wandb needs the package wandb. Install it: pip install 'mixkit[wandb]'.\n"
    assert said.code == 2
    with pytest.raises(MixkitError, match="--log wandb"):
        Tracked(TrainingDisplay(), ["tensorboard", "wandb"])
    with pytest.raises(MixkitError, match=r"no tracker 'paper'\. Known: tensorboard, wandb, mlflow\."):
        mixkit.train(mixkit.load_recipe("asm_rh"), log=["paper"])  # type: ignore[list-item]
    said = mixkit_command("train", "asm_rh", "--log", "paper")
    assert said.code == 2
    assert "'paper' is not one of 'tensorboard', " in said.err
