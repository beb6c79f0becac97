"""The refit: once more on training and validation together, as long as the chosen epoch took, and told everywhere."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch

import mixkit
from mixkit.checkpoints.weights import read_weights
from mixkit.data.run_split import RunSplits
from mixkit.export.package import facts_of
from mixkit.report.captions import caption
from mixkit.report.runs_by_arm import gather
from mixkit.runs.folder import Run
from mixkit.runs.results import Refit, Results
from mixkit.training.loop import train
from mixkit.training.prepare import Prepared, prepare
from mixkit.training.refit import joined, until
from tests.conftest import Said
from tests.fake_runs import fake_results

Command = Callable[..., Said]
SMALL = (
    "task.demo.clips = 6",
    "task.demo.seconds = 0.5",
    "model.width = 16",
    "model.depth = 1",
    "train.batch_size = 16",
    "train.precision = 'float32'",
    "train.epochs = 3",
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The same recipe without and with a refit."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    recipes = {
        name: mixkit.load_recipe("asm_rh", settings=[*SMALL, f"train.refit = {name == 'refit'}"])
        for name in ("plain", "refit")
    }
    return {name: train(recipe, folder, name) for name, recipe in recipes.items()}


def ready(*lines: str) -> Prepared:
    return prepare(mixkit.load_recipe("asm_rh", settings=[*SMALL, *lines]), "cpu")


def test_it_starts_as_the_run_did_with_more_clips() -> None:
    first = ready()
    both = joined(first, fresh=True)
    clips = first.splits.clips
    assert both.splits.clips == {"train": (*clips["train"], *clips["valid"])}, "nothing else is within its reach"
    assert set(both.splits.clips["train"]).isdisjoint(clips["test"])
    assert both.model is not first.model
    weights = first.model.mixer.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in both.model.mixer.state_dict().items())
    assert (first.budget.per_epoch, both.budget.per_epoch) == (3, 4)


def test_how_long_it_is() -> None:
    """As many epochs, each of more updates; or as many updates. Its schedule is that of a whole run."""
    first = ready()
    both = joined(first, fresh=True)
    assert [until(first, both, epoch).steps for epoch in (1, 2, 3)] == [4, 8, 12]
    assert both.budget.steps == 12
    first = ready("train.steps = 7")
    both = joined(first, fresh=True)
    assert [until(first, both, epoch).steps for epoch in (1, 2, 3)] == [3, 6, 7]
    assert (both.budget.steps, until(first, both, 3).epochs) == (7, 2)


def test_the_first_pass_is_that_of_a_run_without(runs: dict[str, Run]) -> None:
    plain, refit = runs["plain"], runs["refit"]
    assert (refit.folder / "metrics.jsonl").read_bytes() == (plain.folder / "metrics.jsonl").read_bytes()
    chosen, same = (read_weights(run.folder / "best.safetensors")[1] for run in (refit, plain))
    assert all(torch.equal(tensor, same[name]) for name, tensor in chosen.items())
    assert refit.results().valid == plain.results().valid
    assert plain.results().refit is None
    assert not (plain.folder / "refit").exists()


def test_the_second_is_recorded_beside_it(runs: dict[str, Run]) -> None:
    run = runs["refit"]
    results, second = run.results(), Run(run.folder / "refit")
    epochs = results.best_epoch
    assert results.refit == Refit(50, 4 * epochs)
    assert [record["epoch"] for record in second.metrics()] == list(range(1, epochs + 1))
    assert all(record.keys() == {"epoch", "steps", "learning_rate", "train"} for record in second.metrics())
    assert run.seconds() == pytest.approx(sum(t["seconds"] for t in (*run.times(), *second.times())))
    header, weights = read_weights(run.folder / "refit.safetensors", run)
    chosen = read_weights(run.folder / "best.safetensors", run)[1]
    assert (header["epoch"], header["refit"]) == (str(epochs), "True")
    assert any(not torch.equal(tensor, chosen[name]) for name, tensor in weights.items())
    assert float(weights["features.mean"]) != float(chosen["features.mean"]), "measured on all that it learns from"
    model, best = mixkit.load(run.folder), mixkit.load(run.folder / "best.safetensors")
    assert (model.refit, best.refit) == (True, False)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


def test_the_tested_network_is_the_refitted_one(runs: dict[str, Run], mixkit_command: Command) -> None:
    run = runs["refit"]
    said = json.loads(mixkit_command("evaluate", str(run.folder), "--json").out)
    assert said["refit"] is True
    assert said["test"]["loss"] == pytest.approx(run.results().test.loss, rel=1e-5)
    other = json.loads(mixkit_command("evaluate", str(run.folder / "best.safetensors"), "--json").out)
    assert other["refit"] is False
    assert other["test"]["loss"] != pytest.approx(run.results().test.loss, rel=1e-5)


def test_neither_pass_touches_the_test_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for, in order: the test split comes once, after all else."""
    asked: list[tuple[str, int]] = []
    real = RunSplits.audio

    def audio(self: RunSplits, split: str, *how: Any, **more: Any) -> Any:
        asked.append((split, len(self.clips[split])))
        return real(self, split, *how, **more)

    monkeypatch.setattr(RunSplits, "audio", audio)
    train(mixkit.load_recipe("asm_rh", settings=[*SMALL, "train.epochs = 1", "train.refit = True"]), tmp_path)
    measured = [("train", 40), ("train", 40), ("valid", 10), ("train", 50), ("train", 50)]
    assert asked == [*measured, ("valid", 10), ("test", 10)]


def test_it_is_told_beside_every_figure(runs: dict[str, Run], mixkit_command: Command, tmp_path: Path) -> None:
    plain, refit = runs["plain"], runs["refit"]
    together = f"refitted on training and validation together (50 clips, {refit.results().refit.steps} updates)"  # type: ignore[union-attr]
    lines = [word for line in (*SMALL, "train.epochs = 1", "train.refit = True") for word in ("--set", line)]
    said = mixkit_command("train", "asm_rh", *lines, "--runs", str(tmp_path), "--name", "told")
    assert said.code == 0, said.err
    assert "3 updates: 1 epoch of 3." in said.out
    assert "The refit follows, for as long as the best epoch took." in said.out
    assert "Epoch 1 is chosen. Refit, that is once more, on training and validation together, 50 clips;" in said.out
    assert "refit epoch   1/1  loss " in said.out
    assert "figures of the best epoch on valid, and of the refitted network on test" in said.out
    assert "valid, before the refit" in said.out
    assert "refitted on training and validation together (50 clips, 4 updates); " in said.out
    assert "best.safetensors, refit.safetensors" in said.out
    assert str(refit.results().refit) == together
    valid = mixkit_command("evaluate", str(refit.folder), "--split", "valid").out
    assert "valid, trained on" in valid
    assert "figures of the network refitted on training and validation together" in valid
    assert "refit" not in mixkit_command("evaluate", str(plain.folder), "--split", "valid").out
    overview = json.loads(mixkit_command("runs", str(refit.folder.parent), "--json").out)
    listed = {Path(line["run"]).name: line["note"] for line in overview}
    assert listed == {"plain": "recorders held out", "refit": "recorders held out, refitted"}
    for run, facts in ((plain, "training clips"), (refit, "training and validation clips")):
        assert facts_of(mixkit.load(run.folder))["trained_on"] == facts
    compared = mixkit_command("compare", str(plain.folder), str(refit.folder))
    assert "1 of 2 networks was refitted: trained once more on training and validation together" in compared.out
    mixkit_command("report", str(plain.folder), str(refit.folder), "--out", str(tmp_path / "report"))
    table = next(iter((tmp_path / "report").glob("*.csv"))).read_text()
    assert [row["refit"] for row in csv.DictReader(StringIO(table))] == ["False", "True"]
    assert "1 of 2 networks was refitted" in next(iter((tmp_path / "report").glob("*.html"))).read_text()


def test_the_caption_counts(runs: dict[str, Run]) -> None:
    alone = gather([runs["refit"].folder])
    assert "Every network was refitted" in caption(alone)
    assert "refitted" not in caption(gather([runs["plain"].folder]))


def test_results_without_the_key_are_read() -> None:
    """Of a run that an older version made; and what is no refit is refused."""
    old = fake_results()
    assert "refit" not in old
    assert Results.from_json(old).refit is None
    results = replace(Results.from_json(old), refit=Refit(40, 7))
    assert Results.from_json(json.loads(json.dumps(results.to_json()))) == results
    with pytest.raises(Exception, match=r"refit\.steps is 0"):
        Results.from_json({**old, "refit": {"clips": 4, "steps": 0}})
