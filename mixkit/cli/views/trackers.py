"""Trackers of experiments, beside the terminal: TensorBoard, Weights & Biases and MLflow; offline by default."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from mixkit.cli.views.training import Live
from mixkit.errors import MixkitError
from mixkit.runs.folder import Run

Settings = Mapping[str, str | float | bool]
PICTURES = ("confusion", "classes", "curves")
PROJECT = "mixkit"


class Tracker(Protocol):
    """What a tracker has to do; it is made of the run folder, its settings, and the first epoch, None without."""

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """An epoch has ended with these figures."""

    def end(self, values: Mapping[str, float], pictures: Mapping[str, Path]) -> None:
        """The run is complete, with these figures on test and these PNG files."""

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

    def end(self, values: Mapping[str, float], pictures: Mapping[str, Path]) -> None:
        from matplotlib.image import imread

        self.writer.add_hparams(dict(self.settings), dict(values), run_name=".")
        for name, path in pictures.items():
            self.writer.add_image(name, imread(path), dataformats="HWC")

    def close(self) -> None:
        self.writer.close()


class _Wandb:
    def __init__(self, folder: Path, settings: Settings, first: int | None):
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self.image = wandb.Image
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

    def end(self, values: Mapping[str, float], pictures: Mapping[str, Path]) -> None:
        self.run.summary.update(dict(values))
        self.run.log({name: self.image(str(path)) for name, path in pictures.items()})

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

    def end(self, values: Mapping[str, float], pictures: Mapping[str, Path]) -> None:
        self.log(0, values)
        for path in pictures.values():
            self.client.log_artifact(self.run, str(path))

    def close(self) -> None:
        self.client.set_terminated(self.run)


TRACKERS: dict[str, Callable[[Path, Settings, int | None], Tracker]] = {
    "tensorboard": _TensorBoard,
    "wandb": _Wandb,
    "mlflow": _Mlflow,
}


class Tracked(Live):
    """Tells trackers, too: figures of each epoch, and at the end settings, figures on test and pictures.

    One that fails is left out from there on, and the run goes on.

    Args:
        console: see `Live`.
        names: of the trackers.

    Raises:
        MixkitError: one of them is not installed.
    """

    def __init__(self, console: Console, names: Sequence[str]):
        super().__init__(console)
        for name in names:
            if find_spec(name) is None:
                raise MixkitError(f"--log {name} needs the package {name}. Install it: pip install 'mixkit[{name}]'.")
        self._names = list(dict.fromkeys(names))
        self._open: dict[str, Tracker] = {}
        self._folder = Path()

    def opened(self, folder: Path) -> None:
        """A run folder is there; that of a refit is inside it, and has no recipe."""
        self._folder = folder if (folder / "recipe.json").is_file() else folder.parent
        super().opened(folder)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done and validated, unless it is one of a refit."""
        before, first = ("", record["epoch"]) if "valid" in record else ("refit/", None)
        values = {f"{before}{name}": record[name] for name in ("learning_rate", "clips_per_second")}
        for split in ("train", "valid"):
            found = record.get(split, {})
            values |= {f"{before}{name}/{split}": value for name, value in found.items() if value is not None}
        self._tell(first, lambda tracker: tracker.log(record["epoch"], values))
        super().epoch(record)

    def ended(self, run: Run) -> None:
        """The run is complete, and its figures are drawn."""
        self._folder = run.folder
        results = run.results()
        values = {f"{name}/test": value for name, value in results.test.headline().items() if value is not None}
        drawn = {name: run.folder / "figures" / f"{name}.png" for name in PICTURES}
        pictures = {name: path for name, path in drawn.items() if path.is_file()}
        self._tell(None, lambda tracker: tracker.end(values, pictures))

    def close(self) -> None:
        """Nothing more will be told."""
        for tracker in self._open.values():
            with suppress(Exception):
                tracker.close()
        self._open = {}

    def _tell(self, first: int | None, tell: Callable[[Tracker], None]) -> None:
        for name in [*self._names]:
            try:
                if name not in self._open:
                    self._open[name] = TRACKERS[name](self._folder, settings_of(self._folder), first)
                tell(self._open[name])
            except Exception as error:  # a tracker is others' code, and the run is worth more
                self._names.remove(name)
                self.say(f"{name} fails, and the run goes on without it: {type(error).__name__}: {error}")


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
