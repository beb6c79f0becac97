"""Runs that go to the Hugging Face Hub and come back. The Hub is a folder here; no network is used."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import torch
import yaml

import mixkit
from mixkit.errors import DamagedError, MixkitError, RunError, TrustError
from mixkit.export import hub
from mixkit.runs.folder import Run
from tests.conftest import Said

Command = Callable[..., Said]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the Hub has: a folder for each repository."""
    root = tmp_path / "hub"

    def create_repo(self: Any, repository: str, private: bool, exist_ok: bool) -> Any:
        (root / repository).mkdir(parents=True, exist_ok=exist_ok)
        (root / repository / ".private").write_text(str(private))
        return SimpleNamespace(repo_id=repository)

    def upload_folder(self: Any, repo_id: str, folder_path: Path, commit_message: str) -> None:
        shutil.copytree(folder_path, root / repo_id, dirs_exist_ok=True)

    def snapshot_download(repository: str, revision: str | None, allow_patterns: list[str], cache_dir: str) -> str:
        if not (root / repository).is_dir():
            raise OSError(f"404 Client Error.\nRepository Not Found for {repository}")
        to = Path(cache_dir) / "0a1b2c"
        for path in (root / repository).rglob("*"):
            name = path.relative_to(root / repository)
            if path.is_file() and str(name) in allow_patterns:
                (to / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, to / name)
        return str(to)

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload_folder)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return root


def test_a_run_comes_back_as_it_was(there: Path, small_run: Path, tmp_path: Path, mixkit_command: Command) -> None:
    said = mixkit_command("push", small_run, "someone/tones")
    assert said.code == 0, said.err
    sent = {path.relative_to(there / "someone/tones").as_posix() for path in (there / "someone/tones").rglob("*")}
    assert {"README.md", "best.safetensors", "recipe.gin", "results.json", "metrics.csv"} <= sent
    assert not sent & {"environment.json", "clips.jsonl", "events.jsonl", "times.jsonl"}, "they are of the machine"
    assert (there / "someone/tones/.private").read_text() == "True"

    said = mixkit_command("pull", "someone/tones", "--runs", tmp_path / "runs")
    assert said.code == 0, said.err
    run = Run.open(tmp_path / "runs" / "tones")
    assert "test accuracy" in said.out
    assert run.environment()["pulled"] == "someone/tones"
    assert run.identity == Run(small_run).identity
    sound = torch.randn(1, 8000)
    with torch.no_grad():
        assert torch.equal(mixkit.load(run.folder)(sound), mixkit.load(small_run)(sound))
    again = mixkit_command("pull", "someone/tones", "--runs", tmp_path / "runs")
    assert (again.code, "is already there" in again.err) == (2, True)


def test_public_if_asked_for(there: Path, small_run: Path, mixkit_command: Command) -> None:
    assert mixkit_command("push", small_run, "someone/open", "--public").code == 0
    assert (there / "someone/open/.private").read_text() == "False"


def test_the_card_says_figures_protocol_and_limits(small_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "staged"
    folder.mkdir()
    hub.stage(small_run, folder, "someone/tones")
    text = (folder / "README.md").read_text()
    top = yaml.safe_load(re.match(r"---\n(.*?)\n---\n", text, re.S)[1])  # type: ignore[index]
    results = Run(small_run).results()
    assert (top["library_name"], top["pipeline_tag"]) == ("mixkit", "audio-classification")
    (measured,) = top["model-index"][0]["results"]
    figures = {one["type"]: one["value"] for one in measured["metrics"]}
    assert figures["accuracy"] == pytest.approx(results.test.value("accuracy"), abs=1e-4)
    for said in (
        f"Protocol: {results.protocol}.",
        "| validation |",
        f"always answers with one of its {len(results.labels)} labels",
        f"{results.test.clips} test clips",
        "mixkit pull someone/tones",
        "model.width = 16",
    ):
        assert said in text, said


def test_places_of_this_machine_are_told(tones: Path, tmp_path: Path, mixkit_command: Command) -> None:
    lines = ["recipe.task = @task.folder()", f"task.folder.root = '{tones}'", "task.folder.test_share = 0.4"]
    lines += ["task.folder.valid_share = 0.3", "task.folder.seconds = 0.5", "task.augmentations = []"]
    lines += ["model.width = 16", "model.depth = 1", "train.epochs = 1", "train.steps = None"]
    from mixkit.training.loop import train

    run = train(mixkit.load_recipe("asm_rh", settings=lines), tmp_path / "runs").folder
    said = mixkit_command("push", run, "someone/tones", "--dry-run", tmp_path / "staged")
    assert said.code == 0, said.err
    assert f"The recipe in it names a place of this machine: task.folder.root = '{tones}'" in " ".join(
        said.out.split("\n")
    )
    assert "Nothing was sent" in said.out
    assert (tmp_path / "staged" / "README.md").is_file()


def spoiled(folder: Path, kind: str) -> None:
    if kind == "weights":
        content = bytearray((folder / "best.safetensors").read_bytes())
        content[-1] ^= 1
        (folder / "best.safetensors").write_bytes(content)
    elif kind == "recipe":
        (folder / "recipe.gin").write_text("import os\n" + (folder / "recipe.gin").read_text())
    else:
        (folder / "recipe.gin").unlink()


@pytest.mark.parametrize(
    ("kind", "error", "says"),
    [
        ("weights", DamagedError, "its SHA-256 is another"),
        ("recipe", TrustError, "os"),
        ("nothing", RunError, "holds no run of mixkit"),
    ],
)
def test_what_is_no_run_is_refused_and_leaves_nothing(
    there: Path, small_run: Path, tmp_path: Path, kind: str, error: type[MixkitError], says: str
) -> None:
    staged = tmp_path / "staged"
    staged.mkdir()
    hub.stage(small_run, staged, "someone/tones")
    hub.push(staged, "someone/tones")
    spoiled(there / "someone/tones", kind)
    with pytest.raises(error, match=says):
        hub.pull("someone/tones", tmp_path / "runs" / "tones")
    assert [*(tmp_path / "runs").glob("*")] == [] if (tmp_path / "runs").exists() else True


def test_what_the_hub_says_is_told_in_a_line(there: Path, tmp_path: Path, mixkit_command: Command) -> None:
    said = mixkit_command("pull", "someone/nothing", "--runs", tmp_path)
    assert said.code == 2
    assert said.err.startswith("error: the Hub and someone/nothing: 404 Client Error. Look at the name")


def test_a_run_that_has_not_ended_is_not_sent(small_run: Path, tmp_path: Path, mixkit_command: Command) -> None:
    half = tmp_path / "half"
    shutil.copytree(small_run, half)
    (half / "results.json").unlink()
    said = mixkit_command("push", half, "someone/tones")
    assert (said.code, "training has not ended there" in said.err) == (2, True)
    assert json.loads((small_run / "results.json").read_text())
