"""Pictures of a run that a person would want to see: curves, confusion, and what the network is given."""

import shlex
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mixkit.checkpoints.weights import load
from mixkit.data.run_split import run_split
from mixkit.errors import MixkitError, RunError, printable
from mixkit.model.classifier import Classifier
from mixkit.recipe.figures import figure as figure_of
from mixkit.registry import Clip, loss
from mixkit.report.formats import in_csv
from mixkit.runs.curves import BLUE, GREEN, INK, curves
from mixkit.runs.folder import Run
from mixkit.runs.records import read_best
from mixkit.runs.results import Results
from mixkit.storage.picture import MOST_CLASSES, rendered
from mixkit.training.metrics import THRESHOLD

Place = TypeVar("Place", int, str)


def draw(
    run: Run,
    plugins: tuple[str, ...] = (),
    say: Callable[[str], None] = lambda line: None,
    settings: tuple[str, ...] = (),
    *,
    missing: bool = False,
) -> None:
    """Writes `figures/curves.png`, `confusion.png`, `confusion.csv` and `spectrograms.png` of a complete run.

    Of a multi-label set, `classes.png` and `classes.csv` take the place of the two of confusion. What cannot be drawn,
    because recordings have gone, say, is said, and the run is as good without.

    Args:
        run: complete.
        plugins: modules already loaded that the recipe may import.
        say: is told what could not be drawn, and what was missing and is drawn.
        settings: lines that say where its data lie now.
        missing: only what is not there.
    """
    results, folder = run.results(), run.folder / "figures"
    kind, draw_kind, table = (
        ("classes", classes, classes_csv) if results.test.several else ("confusion", confusion, confusion_csv)
    )
    contents: dict[str, Callable[[], bytes]] = {
        "curves.png": lambda: rendered(lambda: curves(run.metrics(), results, read_best(run.folder))),
        f"{kind}.png": lambda: rendered(lambda: draw_kind(results)),
        f"{kind}.csv": lambda: table(results).encode(),
        "spectrograms.png": lambda: rendered(lambda: spectrograms(load(run.folder, "cpu", plugins, settings))),
    }
    for name, content in contents.items():
        if missing and (folder / name).exists():
            continue
        try:
            if folder.is_symlink():
                raise RunError("the folder is a link, which may lead anywhere.")
            run.write(f"figures/{name}", content())
        except MixkitError as error:
            again = "" if missing else f" mixkit report {shlex.quote(str(run.folder))} draws it again."
            say(f"{folder / name} is not drawn: {error}{again}")
        else:
            if missing:
                say(f"{folder / name} was missing: drawn.")


def confusion(results: Results) -> Figure:
    """How often each class was answered for each, as shares of the right class."""
    matrix = torch.tensor(results.test.confusion, dtype=torch.float64)
    shares = matrix / matrix.sum(1, keepdim=True).clamp(min=1)
    wrong = (matrix.sum(0) + matrix.sum(1) - 2 * matrix.diagonal()).tolist()
    kept = _first(range(len(results.labels)), lambda place: -wrong[place])
    matrix, shares = matrix[kept][:, kept], shares[kept][:, kept]
    labels = [results.labels[place] for place in kept]
    side = max(5.0, 0.42 * len(labels) + 2.2)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    names = [_short(label) for label in labels]
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    if len(labels) <= 20:
        for row, column in torch.nonzero(matrix).tolist():
            dark = shares[row, column] > 0.5
            axes.text(
                column, row, f"{int(matrix[row, column])}", ha="center", va="center", color="white" if dark else INK
            )
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(_title(results, len(kept), "the most confused"), loc="left")
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the right class")
    return figure


def confusion_csv(results: Results) -> str:
    """How many clips of each class, a row, got each answer, a column."""
    rows = zip(results.labels, results.test.confusion or (), strict=True)
    return in_csv([("right, answered", *results.labels), *((label, *counts) for label, counts in rows)])


def classes(results: Results) -> Figure:
    """Average precision of each class on the test split, in the order of the task, and their mean."""
    shown = figure_of("map")
    values, mean = results.test.per_class["map"], results.test.value("map")
    found = {label: values[label] for label in _first(list(values), values.__getitem__)}
    figure = Figure(figsize=(7, max(2.5, 0.3 * len(found) + 1.4)), layout="constrained")
    axes = figure.subplots()
    rows = range(len(found))
    bars = axes.barh(rows, [100 * share for share in found.values()], color=BLUE, height=0.7)
    axes.bar_label(bars, [shown.show(share) for share in found.values()], padding=4, color=INK, fontsize=9)
    axes.set_yticks(rows, [_short(label) for label in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlim(0, 112)
    axes.set_xticks(range(0, 101, 20))
    if mean is not None:
        axes.axvline(100 * mean, color=INK, linewidth=1, linestyle=":")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(f"average precision, per cent; dotted: the mean, {shown.show(mean)}")
    axes.set_title(_title(results, len(found), "those told worst", len(values)), loc="left")
    return figure


def classes_csv(results: Results) -> str:
    """The average precision of each class."""
    return in_csv([("class", "average_precision"), *results.test.per_class["map"].items()])


def spectrograms(model: Classifier, columns: int = 5, rows: int = 2) -> Figure:
    """The features of some test clips, one of each class in turn, and what the network answers."""
    splits = run_split(model, "test", lambda _: None, allow_missing=True)  # training said it
    clips = splits.clips["test"]
    chosen = _one_of_each(clips, columns * rows)
    waveform = splits.batch("test", chosen)
    scorer = loss.build(model.recipe.train.loss, None)
    with torch.inference_mode():
        seen = model.features(waveform)
        scores = scorer.scores(model.network(seen))
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(2.6 * columns, 2.5 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    seconds = model.features.samples / model.sample_rate
    for axes, item, picture, score in zip(grid, chosen, seen, scores, strict=False):
        clip = clips[item]
        answers, right = _answers(model, clip, score)
        _draw_features(axes, picture, seconds)
        axes.set_title(_short(clip.label or "no label"), fontsize=10, loc="left")
        axes.set_xlabel(f"heard: {answers}", fontsize=9, color=GREEN if right else "#b23a48")
        axes.set_yticks([])
    for axes in grid[len(chosen) :]:
        axes.axis("off")
    figure.supylabel("mel bins" if seen.shape[1] > 1 else "amplitude", fontsize=9)
    figure.supxlabel("seconds", fontsize=9)
    return figure


def _draw_features(axes: Axes, picture: torch.Tensor, seconds: float) -> None:
    """A spectrogram, or the waveform where the features leave it as it is: one row."""
    bins, frames = picture.shape
    if bins == 1:
        axes.plot(torch.linspace(0, seconds, frames).numpy(), picture[0].numpy(), color=INK, linewidth=0.4)
        return
    axes.imshow(picture.numpy(), origin="lower", aspect="auto", cmap="magma", extent=(0, seconds, 0, bins))


def _one_of_each(clips: Sequence[Clip], count: int) -> list[int]:
    """Places of clips in turn by class, so that every class is seen before one comes twice."""
    turns: dict[str, int] = {}
    ranked = []
    for position, clip in enumerate(clips):
        turn = turns.get(clip.label, 0)
        turns[clip.label] = turn + 1
        ranked.append((turn, position))
    return [position for _, position in sorted(ranked)[:count]]


def _answers(model: Classifier, clip: Clip, score: torch.Tensor) -> tuple[str, bool]:
    """What is answered for a clip, in words, and whether it is all right."""
    if not model.multi_label:
        answer = int(score.argmax())
        return f"{_short(model.labels[answer])} {score[answer]:.0%}", model.labels[answer] == clip.label
    answers = [label for label, share in zip(model.labels, score, strict=True) if share > THRESHOLD]
    return _short(";".join(answers) or "nothing"), set(answers) == set(clip.labels)


def _first(places: Sequence[Place], worth: Callable[[Place], float]) -> list[Place]:
    """As many as a picture has room for, the lowest worth first, in the order in which they came."""
    kept = set(sorted(places, key=worth)[:MOST_CLASSES])
    return [place for place in places if place in kept]


def _title(results: Results, shown: int, which: str, known: int | None = None) -> str:
    many = known or len(results.labels)
    part = f"; {shown} of {many} classes, {which}: all are in the .csv" if shown < many else ""
    return f"{results.recipe}, test: {results.test.clips} clips{part}"


def _short(label: str) -> str:
    text = printable(label).replace("_", " ")
    return text if len(text) <= 22 else f"{text[:20]}…"
