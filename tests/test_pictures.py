"""Pictures: text of users is never parsed, many classes are drawn as few, and one that fails costs itself alone."""

import csv
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

import mixkit
from mixkit.bench.plot import plot as bench
from mixkit.data import check, plot
from mixkit.explain import plots as explain
from mixkit.explain.influence import Change, influences
from mixkit.registry import Clip
from mixkit.report import plots, run_plots, write
from mixkit.report.comparison import compare_arms
from mixkit.report.runs_by_arm import gather
from mixkit.runs.folder import Run
from mixkit.runs.records import Epoch
from mixkit.runs.results import Results
from mixkit.storage.picture import PictureError, rendered
from tests.fake_runs import fake_results, fake_run, fake_study

MATHS = r"_$b^^$ \frac"
FILES = ("confusion.csv", "confusion.png", "curves.png", "spectrograms.png")


def named(classes: int, name: str = MATHS) -> Results:
    """Results of many classes: class 2k is taken for class 2k + 1 k times."""
    labels = tuple(f"{name} {number}" for number in range(classes))
    counts = [[3 * (row == column) for column in range(classes)] for row in range(classes)]
    for row in range(0, classes - 1, 2):
        counts[row][row + 1] = row // 2
    each = {label: place / classes for place, label in enumerate(labels)}
    figures = {**fake_results()["test"], "confusion": counts, "per_class": {}, "average_precision": each, "map": 0.5}
    own = {"labels": labels, "test": figures, "valid": figures, "recipe": name, "task": name}
    return Results.from_json({**fake_results(), **own})


def comparison(folder: Path, arms: int) -> Any:
    accuracies = {f"{MATHS} {number}": lambda seed: 0.6 + 0.05 * seed for number in range(arms)}
    return compare_arms(gather([fake_study(folder, accuracies, quick=True)]), lambda arm: 1e6 + len(arm.name))


def clips(classes: int) -> check.Report:
    listed = [Clip(Path("gone.wav"), f"{MATHS} {number}", "") for number in range(classes) for _ in range(number + 1)]
    found = [SimpleNamespace(split="train", clip=clip) for clip in listed]
    values = {"task": MATHS, "clips": found, "labels": tuple(dict.fromkeys(clip.label for clip in listed))}
    empty = {"good": [], "clean": True, "multi_label": False, "seconds": 1.0, "lengths": lambda split: []}
    report: Any = SimpleNamespace(**values, **empty)
    report.balance = partial(check.Report.balance, report)
    return report


def benched() -> Any:
    spread = SimpleNamespace(median=0.1)
    variant = SimpleNamespace(
        name=MATHS, phases=dict.fromkeys(bench.__globals__["PHASES"], spread), step=spread, training_ratio=spread
    )
    part = SimpleNamespace(title=MATHS, training=spread, flops=1.0, training_share=0.5)
    return SimpleNamespace(recipe=MATHS, batch=1, rounds=1, variants=[variant], parts=[part], parts_of=MATHS)


def every_picture(folder: Path, small_run: Path) -> Iterator[Callable[[], Figure]]:
    """A way to draw each picture that mixkit draws, with hostile names wherever a name can stand."""
    for arms in (3, plots.NAMED + 1):
        compared = comparison(folder / str(arms), arms)
        for width in (plots.WIDE, plots.NARROW):
            yield partial(plots.forest, compared, width)
            yield partial(plots.against_cost, compared, width)
    shown = SimpleNamespace(title=MATHS, heading=MATHS, scale=1.0)
    yield partial(plots.learning, [[Epoch(1, 1.0, 1.0, 0.5)]], shown)
    results = named(3)
    record = {"epoch": 1, "train": {"loss": 1.0}, "valid": {"loss": 1.0, "accuracy": 0.5, MATHS: 0.5}}
    yield partial(run_plots.curves, [record], results, MATHS)
    yield partial(run_plots.confusion, results)
    yield partial(run_plots.classes, results)
    model = mixkit.load(small_run)
    yield partial(run_plots.spectrograms, model)
    yield partial(plot.draw, clips(3))
    yield partial(bench, benched())
    yield partial(explain.used, [Change(0, 0, MATHS, 0.5)])
    found = list(influences(model, None, None, [0]))
    for one in found:
        object.__setattr__(one, "name", MATHS)
    yield partial(explain.mixing, found)


def test_text_of_users_is_never_parsed(tmp_path: Path, small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_plots, "_answers", lambda *_: (MATHS, True))
    with_names = 0
    for draw in every_picture(tmp_path, small_run):
        drawn: list[Figure] = []
        rendered(lambda draw=draw, drawn=drawn: drawn.append(draw()) or drawn[0])  # type: ignore[misc]
        texts = drawn[0].findobj(Text)
        assert not any(text.get_parse_math() or text.get_usetex() for text in texts), draw
        with_names += any("$b^^$" in text.get_text() for text in texts)
    assert with_names >= 15


def test_the_control_text_that_is_parsed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ParseSyntaxException"):
        run_plots.confusion(named(3)).savefig(tmp_path / "a.png")


def test_there_is_one_way_to_draw() -> None:
    """Whoever saves a figure by another way has its text parsed and its size unbounded."""
    root = Path(mixkit.__file__).parent
    saving = {
        str(path.relative_to(root)) for path in root.rglob("*.py") if re.search(r"\.savefig\(|pyplot", path.read_text())
    }
    assert saving == {"storage/picture.py"}


@pytest.mark.parametrize(
    ("draw", "note"),
    [
        (lambda classes: run_plots.confusion(named(classes, "c")), "60 of 400 classes, the most confused"),
        (lambda classes: run_plots.classes(named(classes, "c")), "60 of 400 classes, those told worst"),
        (lambda classes: plot.draw(clips(classes)), "the 30 largest and the 30 smallest of 400 classes"),
    ],
)
def test_many_classes_take_the_room_of_a_few(draw: Callable[[int], Figure], note: str) -> None:
    many, few = draw(400), draw(60)
    assert tuple(many.get_size_inches()) == tuple(few.get_size_inches())
    for figure, said in ((many, True), (few, False)):
        assert any(note in text.get_text() for text in figure.findobj(Text)) == said


def test_the_most_confused_are_drawn_and_all_are_told() -> None:
    results = named(400, "=c")
    axes = run_plots.confusion(results).axes[0]
    drawn = [label.get_text() for label in axes.get_yticklabels()]
    assert drawn == [f"=c {number}" for number in range(340, 400)]  # of which most were mistaken
    assert axes.images[0].get_array()[0, 1] == pytest.approx(170 / 173)  # of all clips of that class
    rows = list(csv.reader(run_plots.confusion_csv(results).splitlines()))
    assert rows[0] == ["right, answered", *(f"'=c {number}" for number in range(400))]
    assert [list(map(int, row[1:])) for row in rows[1:]] == [list(row) for row in results.test.confusion or ()]


def test_pixels_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixkit.storage.picture._SIDE", 3_000)
    monkeypatch.setattr("mixkit.storage.picture._AREA", 400_000)
    for size in ((1000, 2), (300, 300)):
        (tmp_path / "a.png").write_bytes(rendered(lambda size=size: Figure(size)))  # type: ignore[misc]
        high, wide = imread(tmp_path / "a.png").shape[:2]
        assert wide <= 3_000
        assert wide * high < 410_000
        assert wide / high == pytest.approx(size[0] / size[1], rel=0.2)


def test_a_picture_that_fails_is_named() -> None:
    def fail() -> Figure:
        raise MemoryError

    with pytest.raises(PictureError, match=r"^MemoryError\.$"):
        rendered(fail)


# A run, a report and other commands whose pictures fail


def broken(*_: object, **__: object) -> Figure:
    raise ValueError("no room\nfor it")


def test_a_run_whose_pictures_fail_ends_well(
    tmp_path: Path, mixkit_command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (
        "train.epochs = 1",
        "model.width = 16",
        "model.depth = 1",
        "task.demo.clips = 4",
        "task.demo.seconds = 0.5",
    )
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(run_plots, "confusion", broken)
        said = mixkit_command("train", "asm_rh", *(word for line in lines for word in ("--set", line)))
    assert said.code == 0
    assert said.err == (
        "runs/asm_rh/001/figures/confusion.png is not drawn: ValueError: no room. mixkit report runs/asm_rh/001 draws "
        "it again.\n"
    )
    assert "All of it is in runs/asm_rh/001" in said.out
    figures = Path("runs/asm_rh/001/figures")
    assert {path.name for path in figures.iterdir()} == {*FILES} - {"confusion.png"}
    before = {path: path.stat().st_mtime_ns for path in figures.iterdir()}
    said = mixkit_command("report", "runs/asm_rh/001", "--errors", 0)
    assert said.code == 0
    assert "runs/asm_rh/001/figures/confusion.png was missing: drawn." in said.out
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert sorted(path.name for path in figures.iterdir()) == list(FILES)
    assert "was missing" not in mixkit_command("report", "runs/asm_rh/001", "--errors", 0).out


def test_a_link_for_a_folder_of_figures_is_not_followed(tmp_path: Path) -> None:
    folder, said = fake_run(tmp_path / "run", fake_results()), []
    (tmp_path / "elsewhere").mkdir()
    (folder / "figures").symlink_to(tmp_path / "elsewhere")
    run_plots.draw(Run(folder), say=said.append, missing=True)
    assert said[0] == f"{folder}/figures/curves.png is not drawn: the folder is a link, which may lead anywhere."
    assert not [*(tmp_path / "elsewhere").iterdir()]


def test_recordings_that_have_gone_cost_one_picture(small_run: Path, tmp_path: Path) -> None:
    folder, said = shutil.copytree(small_run, tmp_path / "run"), []
    recipe = folder / "recipe.gin"
    recipe.write_text(re.sub(r"(?m)^task.demo.clips = 4$", "task.demo.clips = 5", recipe.read_text()))
    (folder / "best.safetensors").unlink()
    run_plots.draw(Run(folder), say=said.append)
    assert {path.name for path in (folder / "figures").iterdir()} == {*FILES} - {"spectrograms.png"}
    assert len(said) == 1
    assert said[0].startswith(f"{folder}/figures/spectrograms.png is not drawn: ")


def test_a_report_whose_pictures_fail_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fake_study(tmp_path / "study", {"a": lambda _: 0.5, "b": lambda _: 0.6})
    for module, name in (("write.plots", "forest"), ("page", "forest"), ("page", "learning")):
        monkeypatch.setattr(f"mixkit.report.{module}.{name}", broken)
    said: list[str] = []
    page, _ = write.report([folder], errors=0, say=said.append)
    failed = ["The forest plot", "The learning curves of a", "The learning curves of b"]
    assert said == [
        *(f"{what} could not be drawn: ValueError: no room." for what in failed),
        *(f"forest.{kind} is not drawn: ValueError: no room." for kind in ("svg", "pdf", "png")),
    ]
    assert all(f"{what} could not be drawn" in page.read_text() for what in failed)
    assert {path.name for path in page.parent.iterdir()} >= {"cost.svg", "cost.pdf", "cost.png", "answer.json"}


@pytest.mark.parametrize(
    ("module", "name", "command", "kept"),
    [
        ("mixkit.data.plot", "draw", ["data", "check", "asm_rh", "--picture", "a.png", "--json"], '"findings"'),
        ("mixkit.explain.plots", "mixing", ["look", "RUN", "--out", "looked"], "look_branches.png"),
    ],
)
def test_a_command_whose_picture_fails_says_the_rest(
    module: str, name: str, command: list[str], kept: str, small_run: Path, tmp_path: Path, mixkit_command: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f"{module}.{name}", broken)
    small = [word for key in ("clips = 4", "seconds = 0.5") for word in ("--set", f"task.demo.{key}")]
    sets = small if "data" in command else []
    said = mixkit_command(*(str(small_run) if word == "RUN" else word for word in command), *sets)
    assert said.code == 0, said.err
    assert ".png is not drawn: ValueError: no room." in said.err
    assert kept in said.out


def test_more_classes_than_a_run_can_tell_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixkit.data.run_split.CLASSES", 9)
    with pytest.raises(mixkit.MixkitError) as caught:
        mixkit.train(mixkit.load_recipe("asm_rh", settings=["task.demo.clips = 4"]), tmp_path)
    assert str(caught.value) == (
        "task demo has 10 classes, and a run tells at most 9 apart: results.json holds a number for each pair. "
        "Train on fewer."
    )
    assert not [*tmp_path.iterdir()]
