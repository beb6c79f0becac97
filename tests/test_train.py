"""Training: it learns, the same seed gives the same bits, and the losses are what they were."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import mixkit
from mixkit.checkpoints.state import load_state, states
from mixkit.checkpoints.weights import PROOF, proof
from mixkit.errors import DamagedError, RunError
from mixkit.runs.folder import Run
from mixkit.training.display import TrainingDisplay
from mixkit.training.loop import resume, train

GOLDEN = Path(__file__).parent / "golden" / "asm_rh_losses.txt"
SMALL = [
    "task.demo.clips = 16",
    "model.width = 32",
    "model.depth = 2",
    "train.epochs = 2",
    "train.batch_size = 16",
    "train.precision = 'float32'",
]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """The number of threads changes the bits."""
    torch.set_num_threads(1)


class Losses(TrainingDisplay):
    """Keeps the loss of every batch."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
        self.lines.append(f"{len(self.lines) + 1} {loss:.6f}")


def recipe(*settings: str) -> mixkit.recipe.schema.Recipe:  # type: ignore[name-defined]
    return mixkit.load_recipe("asm_rh", settings=[*SMALL, *settings])


def weights(run: Run) -> dict[str, torch.Tensor]:
    return mixkit.load(run.folder).state_dict()


def comparable(run: Run) -> tuple[bytes, bytes]:
    """Records and results, as they stand in the files."""
    return tuple((run.folder / name).read_bytes() for name in ("metrics.jsonl", "results.json"))  # type: ignore[return-value]


def test_golden_losses(tmp_path: Path) -> None:
    """The first ten losses of the flagship, augmented, on one thread.

    A change that should not alter results leaves them alone. One that should writes them anew by hand, with the
    reason in the commit: the test never does.
    """
    losses = Losses()
    train(recipe(), tmp_path, device="cpu", display=losses)
    found = [float(line.split()[1]) for line in losses.lines[:10]]
    expected = [float(line.split()[1]) for line in GOLDEN.read_text().splitlines()]
    assert len(expected) == 10
    assert found == pytest.approx(expected, rel=1e-3), "\n".join(losses.lines[:10])
    assert losses.said == [
        "110 train, 20 valid, 30 test clips (recorders held out); the model hears 2.00 s.",
        "14 updates: 2 epochs of 7. Fewer than 1,000 teach a network with fresh weights little: "
        "set train.steps = 1000 or more (143 epochs). Augmentation as it is set, by the number of clips.",
    ]


def test_the_same_seed_gives_the_same_bits_whatever_the_workers(tmp_path: Path) -> None:
    first = train(recipe("train.augmentations = [@augmentation.mixup(), @augmentation.spec_augment()]"), tmp_path)
    again = train(
        recipe("train.augmentations = [@augmentation.mixup(), @augmentation.spec_augment()]", "train.workers = 2"),
        tmp_path,
    )
    assert comparable(first) == comparable(again)
    assert all(torch.equal(tensor, weights(again)[name]) for name, tensor in weights(first).items())
    other = train(recipe("train.seed = 1"), tmp_path)
    assert comparable(other) != comparable(first)


def test_it_learns(tmp_path: Path) -> None:
    """A tenth would be chance; a fifth of the data and seconds of training have to give three times that."""
    settings = ["task.demo.clips = 40", "model.depth = 2"]
    settings += ["train.epochs = 15", "train.batch_size = 8", "train.learning_rate = 4e-3"]
    run = train(mixkit.load_recipe("asm_rh", settings=settings), tmp_path)
    results = run.results()
    assert results.test.value("accuracy") > 0.3
    assert results.test.value("auc") > 0.7
    assert run.metrics()[-1]["train"]["loss"] < 0.85 * run.metrics()[0]["train"]["loss"]


def test_the_best_epoch_is_kept_and_measured(tmp_path: Path) -> None:
    run = train(recipe("train.epochs = 3"), tmp_path)
    records, results = run.metrics(), run.results()
    assert [record["epoch"] for record in records] == [1, 2, 3]
    best = max(records, key=lambda r: (r["valid"]["accuracy"], -r["valid"]["loss"]))
    assert results.best_epoch == best["epoch"]
    assert results.valid.value("accuracy") == pytest.approx(best["valid"]["accuracy"])
    assert results.valid.loss == pytest.approx(best["valid"]["loss"], rel=1e-5)
    trained = mixkit.load(run.folder)
    assert trained.labels[0] == "air_conditioner"
    assert trained.sample_rate == 16_000
    assert not trained.training
    assert trained(torch.zeros(1, 32_000)).shape == (1, 10)
    newest, before = states(run)
    state = load_state(newest)["progress"]
    assert (state["epochs"], state["batches"], load_state(before)["progress"]["epochs"]) == (3, 0, 2)
    assert json.loads(state["records"])[0]["epoch"] == best["epoch"]


def test_the_statistics_of_the_training_split_travel_with_the_weights(tmp_path: Path) -> None:
    run = train(recipe("train.epochs = 1"), tmp_path)
    trained = mixkit.load(run.folder)
    task = mixkit.task.build(trained.recipe.task)
    from mixkit.audio.read import read

    fresh = mixkit.build(trained.recipe, 10)
    fresh.features.measure(read(clip.path, 16_000) for clip in task.clips("train"))
    assert float(trained.features.mean) == pytest.approx(float(fresh.features.mean))
    assert float(trained.features.std) == pytest.approx(float(fresh.features.std))


@pytest.mark.parametrize(
    "line",
    [
        "train.loss = @loss.bce()",
        "train.balance = 'weights'",
        "train.balance = 'sampler'",
        "train.precision = 'bf16'",
        "train.optimizer = @optimizer.adam()",
        "train.schedule = @schedule.step_decay()",
        "train.gradient_clip = None",
        "train.best = 'auc'",
        "block.drop_path = 0.2",
        "block.layer_scale = 0.1",
        "head.linear.dropout = 0.1",
        "model.head = @head.mlp()",
    ],
)
def test_each_way_to_train_ends_with_figures(tmp_path: Path, line: str) -> None:
    run = train(recipe("task.demo.clips = 4", "train.epochs = 1", line), tmp_path)
    assert 0 <= run.results().test.value("accuracy") <= 1
    assert run.metrics()[0]["train"]["loss"] > 0


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^epoch 1, batch \d+, step \d+: the loss is .* Not finite first: "):
        train(recipe("train.learning_rate = 1e30", "train.gradient_clip = None"), tmp_path)


class Stops(TrainingDisplay):
    """Pulls the plug in the middle of an epoch."""

    def batch(self, epoch: int, batch: int, loss: float, clips_per_second: float) -> None:
        if (epoch, batch) == (3, 2):
            raise KeyboardInterrupt


LONGER = ("train.epochs = 4", "block.drop_path = 0.2", "train.augmentations = [@augmentation.mixup()]")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nothing stopped."""
    torch.set_num_threads(1)
    return train(recipe(*LONGER), tmp_path_factory.mktemp("runs"), "whole", device="cpu")


def stopped(folder: Path, name: str) -> Run:
    """A run that was interrupted in its third epoch."""
    with pytest.raises(KeyboardInterrupt):
        train(recipe(*LONGER), folder, name, device="cpu", display=Stops())
    run = Run.open(folder / name)
    assert not run.complete
    assert len(run.metrics()) == 2
    return run


def test_a_stopped_run_goes_on_to_the_same_bits(whole: Run, tmp_path: Path) -> None:
    run = stopped(tmp_path, "stopped")
    run.log({"epoch": 3, "written": "by nobody"}, {"epoch": 3, "seconds": 1.0})
    losses = Losses()
    resume(run.folder, device="cpu", display=losses)
    assert "Goes on after epoch 2 of 4." in losses.said
    assert comparable(run) == comparable(whole)
    assert all(torch.equal(tensor, weights(run)[name]) for name, tensor in weights(whole).items())
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    assert resume(run.folder, device="cpu").complete
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


def test_a_resume_that_forgets_is_caught(whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above; tests/faults/test_resume.py has it for each part of the state."""
    from mixkit.training.step import Step

    run = stopped(tmp_path, "stopped")
    real = Step.go_on

    def forgetful(self: Step, state: Mapping[str, Any]) -> None:
        own = self.state()
        real(self, {**state, "random": own["random"]})

    monkeypatch.setattr(Step, "go_on", forgetful)
    resume(run.folder, device="cpu")
    same = all(torch.equal(tensor, weights(run)[name]) for name, tensor in weights(whole).items())
    assert not (same and comparable(run) == comparable(whole))


def test_a_run_stopped_before_its_first_epoch_starts_anew(tmp_path: Path) -> None:
    run = Run.create(recipe("train.epochs = 1"), tmp_path, "early")
    assert resume(run.folder, device="cpu").complete


def test_a_run_without_weights_and_damaged_weights(tmp_path: Path) -> None:
    run = train(recipe("task.demo.clips = 4", "train.epochs = 1"), tmp_path)
    best = run.folder / "best.safetensors"
    whole = best.read_bytes()
    best.write_bytes(whole[:-100])
    with pytest.raises(DamagedError, match=f"^{best} cannot be read as safetensors"):
        mixkit.load(run.folder)
    best.unlink()
    with pytest.raises(RunError, match="is missing: no epoch of that run has ended yet"):
        mixkit.load(run.folder)
    best.write_bytes(whole)
    elsewhere = tmp_path / "alone.safetensors"
    elsewhere.write_bytes(whole)
    assert mixkit.load(elsewhere).labels == mixkit.load(run.folder).labels
    assert json.loads((run.folder / "environment.json").read_text())["device"] == "cpu"


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    run = train(recipe("task.demo.clips = 4", "train.epochs = 1"), tmp_path)
    best = run.folder / "best.safetensors"
    with safe_open(best, framework="pt") as file:
        header = file.metadata()
        del header[PROOF]
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    name = "mixer.head.linear.weight"
    for change, message in [
        ({name: tensors[name][:, :-1].clone()}, f"{name} is torch.float32"),
        ({name: tensors[name].double()}, f"{name} is torch.float64"),
        ({name: tensors[name] * float("nan")}, f"{name} holds numbers that are not finite"),
        ({"mixer.more": tensors[name].clone()}, "mixer.more is not part of the recipe's network"),
    ]:
        changed = {**tensors, **change}
        save_file(changed, best, metadata={**header, PROOF: proof(header, changed)})
        with pytest.raises(DamagedError, match=message):
            mixkit.load(run.folder)
    save_file(tensors, best, metadata={})
    with pytest.raises(DamagedError, match="was not written by mixkit"):
        mixkit.load(run.folder)
