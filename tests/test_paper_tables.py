"""The tables of arXiv:2402.18007: every arm builds, has its size and takes a step; and no figure is made up."""

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mixkit.data.batches import Batch
from mixkit.data.run_split import RunSplits
from mixkit.data.waveforms import Waveforms
from mixkit.model.classifier import build, build_features
from mixkit.model.cost import without_memory
from mixkit.model.mixer import Mixer
from mixkit.recipe import catalog
from mixkit.recipe.gin_file import load_recipe, recipe_from_text
from mixkit.recipe.schema import Recipe
from mixkit.registry import Clip, augmentation, weights
from mixkit.study.definition import Study, load_study
from mixkit.study.plan import plan
from mixkit.training.prepare import Prepared
from mixkit.training.step import Step
from tests.conftest import Said
from tests.fake_vit import timm_state

TABLES = [f"paper/table_{number}" for number in range(1, 7)]
CLASSES = {"speech_commands": 35, "urbansound8k": 10, "casia": 6, "ravdess": 8}

PAPER = Path(__file__).parents[1].parent / "shared" / "paper.md"
ROWS = {"v-acc": "valid accuracy", "v-auc": "valid auc", "t-acc": "accuracy", "t-auc": "auc"}
WHOLE = {  # EAT-M has 88 moments in its paper, of 90,112 samples, and 25,286,314 weights; here 63, of 64,000
    "EAT-M": 25_286_314 - (88 - 63) * 256,
    "ERANN-1-3": 13_540_154,
    "ERANN-0-4": 24_021_578,
    "ERANN-1-4": 24_064_586,
}
ACCURACIES = ("accuracy", "best accuracy")
Figures = dict[str, dict[str, float]]


def study(name: str) -> Study:
    found = load_study(name)
    assert found is not None
    return found


def arm_names() -> list[tuple[str, str]]:
    return [(table, arm) for table in TABLES for arm in study(table).arms]


def recipe(table: str, arm: str, layers: tuple[str, ...] = (), *lines: str) -> Recipe:
    asked = study(table)
    return load_recipe(asked.base, [*asked.layers, *layers], [*asked.settings, *asked.arms[arm], *lines])


def test_there_are_six_and_they_are_found() -> None:
    assert [name for name in catalog.studies() if name.startswith("paper/")] == TABLES
    assert len(arm_names()) == 28
    assert all(catalog.summary(catalog.find(table)).startswith("Table ") for table in TABLES)


def in_the_paper(text: str) -> dict[str, Figures]:
    """Every figure of its tables: those of four as rows, III and V as a sentence."""
    numerals = dict(zip(("I", "II", "III", "IV", "V", "VI"), TABLES, strict=True))
    parts = re.split(r"^Table (\w+), ", text, flags=re.M)
    return {numerals[name]: in_a_table(name, part) for name, part in zip(parts[1::2], parts[2::2], strict=True)}


def in_a_table(name: str, part: str) -> Figures:
    found: Figures = {}
    if name not in ("III", "V"):
        head, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in part.split("\n") if "|" in line)
        for label, *cells in (row for row in rows if row[0] in ROWS):
            for arm, cell in zip(head[1:], cells, strict=True):
                found.setdefault(arm, {})[ROWS[label]] = float(cell)
        return found
    sentence = " ".join(part.partition("\n\n")[0].split())
    for arm, says in re.findall(r"\*\*([A-Z][A-Z\d-]+)\*\*([^*]*)", sentence):
        figures = found.setdefault(arm, {})
        ours = "best " if name == "V" and arm.startswith("ASM") else ""  # those of ERANN it quotes
        names = {"": f"{ours}accuracy", "AUC ": f"{ours}auc", "best fold ": "best accuracy"}
        for label, figure in re.findall(rf"({'|'.join(sorted(names, reverse=True))})(\d+(?:\.\d+)?)", says):
            figures[names[label]] = float(figure)
    return found


def in_the_study(table: str) -> Figures:
    found = study(table)
    return {name: dict(figures) for name, figures in (*found.values.items(), *found.others.items())}


@pytest.mark.skipif(not PAPER.is_file(), reason="shared/paper.md is not beside the repository")
def test_every_figure_is_the_papers_and_none_is_missing() -> None:
    text = PAPER.read_text()
    assert in_the_paper(text) == {table: in_the_study(table) for table in TABLES}
    for figure in ("96.51", "99.44", "98.63", "average 90", "94.98", "74.8", "99.79"):
        assert text.count(figure), "the control: any other figure is noticed"
        changed = in_the_paper(text.replace(figure, f"{figure[:-1]}{9 - int(figure[-1])}"))
        assert changed != {table: in_the_study(table) for table in TABLES}


@pytest.mark.parametrize("table", TABLES)
def test_the_page_says_what_the_files_say(table: str) -> None:
    page = (Path(__file__).parents[1] / "docs" / "paper.md").read_text()
    (cell,) = re.findall(rf"^\| `{table}` \|.*\| (.*) \|$", page, re.M)
    said = re.findall(r"(?<![\w-])\d+(?:\.\d+)?", cell)
    accuracies = [
        value for figures in in_the_study(table).values() for name, value in figures.items() if name in ACCURACIES
    ]
    assert sorted(map(float, said)) == sorted(accuracies)


@pytest.mark.parametrize("table", TABLES)
def test_what_has_no_figure_says_so(table: str) -> None:
    found = study(table)
    assert set(found.arms) - set(found.values) <= set(found.notes)
    assert found.note


@pytest.mark.parametrize("table", TABLES)
def test_the_training_is_the_papers(table: str) -> None:
    train, model = (getattr(recipe(table, "ASM-RH"), part) for part in ("train", "model"))
    words = table == "paper/table_1"
    assert (train.epochs, train.learning_rate) == (30 if words else 25, 2.5e-4)
    assert (train.schedule.name, dict(train.schedule.params)) == ("step_decay", {"factor": 0.85, "after": 5})
    assert (train.optimizer.name, train.optimizer.params["beta1"]) == ("adam", 0.95)
    assert (train.batch_size, train.loss.name) == ((128, "bce") if words else (48, "cross_entropy"))
    assert (model.width, model.depth) == (768, 12)
    assert dict(model.stem.params) == {
        **{"size": (16, 16), "stride": (10, 10), "activation": None, "norm": "none", "norm_eps": 1e-5, "flexible": ()}
    }
    folds = study(table).folds == "all"
    assert folds == (table in ("paper/table_3", "paper/table_5"))
    assert study(table).seeds == ((0,) if folds else (0, 1, 2))


def feed_forward(inputs: int, hidden: int) -> int:
    return 2 * inputs * hidden + hidden + inputs


@pytest.mark.parametrize(("table", "arm"), arm_names())
def test_sizes_at_base(table: str, arm: str) -> None:
    """T = 600 tokens, C = 768, 12 blocks, token MLPs of 384 and channel MLPs of 3072 hidden units."""
    found = recipe(table, arm)
    heard, classes = build_features(found), CLASSES[found.task.name]
    if found.network:
        whole = without_memory(found.architecture, heard.bins, heard.frames, classes)
        assert sum(parameter.numel() for parameter in whole.parameters()) == WHOLE[arm]
        return
    assert (heard.bins, heard.frames) == (128, 512)
    with torch.device("meta"):
        mixer = Mixer(found.model, heard.bins, heard.frames, classes)
    own = arm in ("ASM", "ASM-I")
    tokens = 602 if own else 600
    blocks = 12 * (4 * 768 + feed_forward(tokens, 384) + feed_forward(768, 3072))
    ends = 197_376 + 1_536 + 769 * classes + (1_536 + (2 + 602) * 768 if own else 0)
    assert mixer.stem.grid.tokens == 600
    assert sum(parameter.numel() for parameter in mixer.parameters()) == blocks + ends
    if not own and classes == 35:
        assert blocks + ends == 62_473_283


@pytest.mark.parametrize(("table", "arm"), arm_names())
def test_an_arm_takes_a_step(table: str, arm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At tiny size, with the loss and augmentation of the table, and a start from weights where it has one."""
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path))
    (tmp_path / "weights").mkdir()
    save_file(timm_state(width=16), tmp_path / "weights" / "deit.safetensors")
    save_file(timm_state(width=16, colours=1, grid=(12, 9)), tmp_path / "weights" / "ast.safetensors")
    frames = "features.log_mel.frames = 96"
    lines = ("model.width = 16", "model.depth = 2", frames, "stem.patches.size = (16, 16)")
    if arm in WHOLE:
        lines = ("network.eat.size = 'S'",) if arm == "EAT-M" else (frames, "network.erann.width = 1")
    found = recipe(table, arm, ("size/tiny",), *lines)
    classes = CLASSES[found.task.name]
    model = build(found, classes)
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    start = None if found.train.init is None else weights.build(found.train.init, model.network)
    assert (start is not None) == arm.endswith(("-I", "-A"))
    if start is not None:
        assert any("feed-forward" in text for text in start.taken)
        assert ("positional embedding" in start.taken) == (arm == "ASM-I")
    made = [augmentation.build(spec, model.sample_rate) for spec in found.all_augmentations]
    splits = RunSplits(model, "", {"train": (Clip(Path("a.wav"), "a", "a"),)}, (), Waveforms(16_000))
    step = Step(Prepared(found, torch.device("cpu"), "float32", model, splits, made))
    target = torch.eye(classes)[torch.arange(4) % classes]
    outcome = step(Batch(0.1 * torch.randn(4, model.features.samples), target, torch.arange(4), 0), 0)
    assert outcome.loss.isfinite()
    assert not outcome.left_out
    assert [name for name, tensor in model.network.state_dict().items() if torch.equal(tensor, before[name])] == []


@pytest.mark.parametrize("table", TABLES)
def test_a_table_at_small_scale(table: str, tmp_path: Path) -> None:
    """`mixkit ablate TABLE --with size/tiny --with task/demo`: all runs resolve, and the caption says what they are."""
    small = replace(study(table), added_layers=("size/tiny", "task/demo"))
    planned = plan(small, tmp_path / "study")
    assert [arm.name for arm in planned.record.arms] == list(small.arms)
    assert planned.record.base == "ASM-RH"
    assert len(planned.record.trials) == len(small.arms) * len(small.seeds)
    assert planned.record.note.startswith("Not as in the paper: size/tiny, task/demo laid over it. ")
    for run in planned.runs.values():
        found = recipe_from_text(run.recipe, "arm")
        width = found.model.width if found.model else 64  # a whole network has a size of its own
        assert (width, found.task.name, found.train.batch_size) == (64, "demo", 16)
    assert plan(study("paper/table_6"), tmp_path / "study").record.note == study("paper/table_6").note


@pytest.mark.parametrize("table", ["paper/table_3", "paper/table_5"])
def test_ten_folds(table: str, tmp_path: Path) -> None:
    planned = plan(study(table), tmp_path / "study")
    folds = {arm: [t.fold for t in planned.record.trials if t.arm == arm] for arm in study(table).arms}
    assert all(found == list(range(1, 11)) for found in folds.values())
    protocols = {run.recipe.split("protocol = ")[1].split("\n")[0] for run in planned.runs.values()}
    assert protocols == {"'official'" if table == "paper/table_3" else "'paper-random'"}


@pytest.mark.parametrize(("arm", "kind"), [("ASM-RH-I", "deit"), ("ASM-RH-A", "ast"), ("ASM-I", "deit")])
def test_an_arm_without_its_file_says_where_to_get_it(
    arm: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mixkit_command: Callable[..., Said]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path))
    small: dict[str, Any] = {"added_layers": ("size/tiny", "task/demo"), "added": ("task.demo.clips = 4",)}
    planned = plan(replace(study("paper/table_1"), **small), tmp_path / "study")
    command = next(trial.command for trial in planned.record.trials if trial.arm == arm)
    said = mixkit_command(*shlex.split(command)[1:])
    assert said.code == 2
    assert f"weights.{kind}.path is not set, and {tmp_path}/weights/{kind}.safetensors is not there. mixkit does" in (
        " ".join(said.err.split())
    )
    assert f"--set \"weights.{kind}.path = 'PATH'\"" in " ".join(said.err.split())
    assert not Path("runs").exists()
