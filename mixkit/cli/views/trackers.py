"""Trackers of experiments, beside the terminal: TensorBoard, Weights & Biases and MLflow; offline by default."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import soundfile
import torch

from mixkit.cli.views.terminal import say, stderr
from mixkit.errors import MixkitError
from mixkit.report.worst_errors import Mistake, WorstErrors, worst
from mixkit.runs.folder import Run
from mixkit.tasks.progress import Progress
from mixkit.training.budget import Budget
from mixkit.training.display import TrainingDisplay

Settings = Mapping[str, str | float | bool]
PICTURES = ("confusion", "classes", "curves")
SOUNDS = 4  # of the worst errors on test
PROJECT = "mixkit"


class Tracker(Protocol):
    """What a tracker has to do; it is made of the run folder, its settings, and the first epoch, None without."""

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """An epoch has ended with these figures."""

    def end(self, values: Mapping[str, float], pictures: Mapping[str, Path], mistakes: Sequence[Mistake]) -> None:
        """The run is complete, with these figures on test, these PNG files and these worst errors to listen to."""

    def close(self) -> None:
        """Nothing more comes."""


class _TensorBoard:
    def __init__(self, folder: Path, settings: Settings, first: int | None):
        from torch.utils.tensorboard import SummaryWriter

        self.settings = settings
        # A run that goes on draws over what was drawn after the state that it went on from.
        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=first)

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, epoch)
        self.writer.flush()

    def end(self, values: Mapping[str, float], pictures: Mapping[str, Path], mistakes: Sequence[Mistake]) -> None:
        from matplotlib.image import imread

        self.writer.add_hparams(dict(self.settings), dict(values), run_name=".")
        for name, path in pictures.items():
            self.writer.add_image(name, imread(path), dataformats="HWC")
        for mistake in mistakes:
            sound, rate = soundfile.read(BytesIO(mistake.sound), dtype="float32")
            self.writer.add_audio(f"worst errors/{_caption(mistake)}", sound, sample_rate=rate)

    def close(self) -> None:
        self.writer.close()


class _Wandb:
    def __init__(self, folder: Path, settings: Settings, first: int | None):
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self.image, self.audio = wandb.Image, wandb.Audio
        mode: Any = os.environ.get("WANDB_MODE", "offline")
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name="/".join(folder.parts[-2:]),
            dir=folder,
            config=dict(settings),
            mode=mode,
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        self.run.log({**values, "epoch": epoch})

    def end(self, values: Mapping[str, float], pictures: Mapping[str, Path], mistakes: Sequence[Mistake]) -> None:
        self.run.summary.update(dict(values))
        sounds = []
        for mistake in mistakes:
            sound, rate = soundfile.read(BytesIO(mistake.sound), dtype="float32")
            sounds.append(self.audio(sound, sample_rate=rate, caption=_caption(mistake)))
        self.run.log({**{name: self.image(str(path)) for name, path in pictures.items()}, "worst errors": sounds})

    def close(self) -> None:
        self.run.finish()


class _Mlflow:
    def __init__(self, folder: Path, settings: Settings, first: int | None):
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        self.metric = Metric
        store = folder.resolve() / "mlflow"
        store.mkdir(exist_ok=True)
        self.client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{store}/mlflow.db"))
        project = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        known = self.client.get_experiment_by_name(project)
        place = None if "MLFLOW_TRACKING_URI" in os.environ else (store / "artifacts").as_uri()
        experiment = known.experiment_id if known else self.client.create_experiment(project, place)
        self.run = self.client.create_run(experiment, run_name="/".join(folder.parts[-2:])).info.run_id
        self.client.log_batch(self.run, params=[Param(name, str(value)) for name, value in settings.items()])

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        now = int(1000 * time.time())
        self.client.log_batch(self.run, [self.metric(name, value, now, epoch) for name, value in values.items()])

    def end(self, values: Mapping[str, float], pictures: Mapping[str, Path], mistakes: Sequence[Mistake]) -> None:
        self.log(0, values)
        for path in pictures.values():
            self.client.log_artifact(self.run, str(path))
        with TemporaryDirectory() as folder:
            for number, mistake in enumerate(mistakes, 1):
                path = Path(folder) / f"{number}.wav"
                path.write_bytes(mistake.sound)
                self.client.log_artifact(self.run, str(path), "worst errors")
            if mistakes:
                captions = {f"{number}.wav": _caption(mistake) for number, mistake in enumerate(mistakes, 1)}
                self.client.log_dict(self.run, captions, "worst errors/captions.json")

    def close(self) -> None:
        self.client.set_terminated(self.run)


TRACKERS: dict[str, Callable[[Path, Settings, int | None], Tracker]] = {
    "tensorboard": _TensorBoard,
    "wandb": _Wandb,
    "mlflow": _Mlflow,
}


class Tracked(TrainingDisplay):
    """Tells trackers, too: figures of each epoch, and at the end settings, figures on test, pictures and worst errors.

    One that fails is left out from there on, with a line on stderr, and the run goes on.

    Args:
        shown: what the user sees.
        names: of the trackers.

    Raises:
        MixkitError: there is none of that name, or it is not installed.
    """

    def __init__(self, shown: TrainingDisplay, names: Sequence[str]):
        self.shown = shown
        for name in names:
            if name not in TRACKERS:
                raise MixkitError(f"no tracker {name!r}. Known: {', '.join(TRACKERS)}.")
            if find_spec(name) is None:
                raise MixkitError(f"--log {name} needs the package {name}. Install it: pip install 'mixkit[{name}]'.")
        self._names = list(dict.fromkeys(names))
        self._open: dict[str, Tracker] = {}
        self._folder = Path()

    def say(self, text: str) -> None:
        """A sentence for the user."""
        self.shown.say(text)

    @contextmanager
    def listing(self) -> Iterator[Progress]:
        """The clips are being listed."""
        with self.shown.listing() as progress:
            yield progress

    def start(self, budget: Budget, best: str) -> None:
        """Training begins."""
        self.shown.start(budget, best)

    def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
        """A batch of an epoch is done."""
        self.shown.batch(epoch, batch, loss, clips_per_second)

    def stop(self) -> None:
        """Training has ended, or failed."""
        self.shown.stop()

    def opened(self, folder: Path) -> None:
        """A run folder is there; that of a refit is inside it, and has no recipe."""
        self._folder = folder if (folder / "recipe.json").is_file() else folder.parent
        self.shown.opened(folder)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done and validated, unless it is one of a refit."""
        before, first = ("", record["epoch"]) if "valid" in record else ("refit/", None)
        values = {f"{before}{name}": record[name] for name in ("learning_rate", "clips_per_second")}
        for split in ("train", "valid"):
            found = record.get(split, {})
            values |= {f"{before}{name}/{split}": value for name, value in found.items() if value is not None}
        self._tell(first, lambda tracker: tracker.log(record["epoch"], values))
        self.shown.epoch(record)

    def ended(self, run: Run, plugins: tuple[str, ...]) -> None:
        """The run is complete, and its figures are drawn; its recipe may import these plugins."""
        self._folder = run.folder
        results = run.results()
        values = {f"{name}/test": value for name, value in results.test.headline().items() if value is not None}
        drawn = {name: run.folder / "figures" / f"{name}.png" for name in PICTURES}
        pictures = {name: path for name, path in drawn.items() if path.is_file()}
        found = worst(run.folder, SOUNDS, torch.device("cpu"), plugins) if self._names else WorstErrors()
        if found.fault:
            say(f"No sounds for {', '.join(self._names)}: {found.fault}", console=stderr())
        self._tell(None, lambda tracker: tracker.end(values, pictures, found.mistakes))
        self.shown.ended(run, plugins)

    def close(self) -> None:
        """Nothing more will be told."""
        for tracker in self._open.values():
            with suppress(Exception):
                tracker.close()
        self._open = {}
        self.shown.close()

    def _tell(self, first: int | None, tell: Callable[[Tracker], None]) -> None:
        for name in [*self._names]:
            try:
                if name not in self._open:
                    self._open[name] = TRACKERS[name](self._folder, settings_of(self._folder), first)
                tell(self._open[name])
            except Exception as error:  # a tracker is others' code, and the run is worth more
                self._names.remove(name)
                fault = f"{name} fails, and the run goes on without it: {type(error).__name__}: {error}"
                say(fault, console=stderr())


def _caption(mistake: Mistake) -> str:
    """`street_3/dog.wav: dog 3%, answered rain 91%`."""
    right, answered = (
        ", ".join(f"{label} {score:.0%}" for label, score in scored) or "no label"
        for scored in (mistake.right, mistake.answered)
    )
    return f"{mistake.name}: {right}, answered {answered}"


def settings_of(folder: Path) -> dict[str, str | float | bool]:
    """The recipe of a run as settings with a dot in their names: `train.learning_rate`."""
    found: dict[str, str | float | bool] = {}

    def flatten(part: Any, name: str) -> None:
        if isinstance(part, dict):
            for key, value in part.items():
                flatten(value, f"{name}.{key}" if name else key)
        elif part is not None:
            found[name] = part if isinstance(part, str | float | bool | int) else json.dumps(part)

    flatten(json.loads((folder / "recipe.json").read_bytes()), "")
    return found
