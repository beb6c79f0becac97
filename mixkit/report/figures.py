"""Pictures of a run that a person would want to see: curves, confusion, and what the model heard."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mixkit.audio.read import read
from mixkit.errors import printable
from mixkit.model.mixer import Classifier
from mixkit.registry import loss, task
from mixkit.run import Run
from mixkit.tasks.clip import Clip
from mixkit.training.checkpoint import load
from mixkit.training.data import fit_length
from mixkit.training.metrics import per_cent

INK, BLUE, ORANGE, GREEN, PALE = "#222222", "#2a6f97", "#d9822b", "#4c956c", "#d9d9d9"


def draw(run: Run, plugins: tuple[str, ...] = ()) -> None:
    """Writes `figures/curves.png`, `confusion.png` and `spectrograms.png` of a complete run.

    Args:
        run: complete; the recordings of its test split have to be there.
        plugins: modules already loaded that the recipe may import.
    """
    results = run.results()
    model = load(run.folder, plugins=plugins)
    clips = task.build(model.recipe.task).clips("test")
    for name, figure in (
        ("curves", curves(run.metrics(), results)),
        ("confusion", confusion(results["test"]["confusion"], results["labels"], results)),
        ("spectrograms", spectrograms(model, clips)),
    ):
        picture = BytesIO()
        figure.savefig(picture, format="png", dpi=120)
        run.write(f"figures/{name}.png", picture.getvalue())


def curves(records: Sequence[dict[str, Any]], results: dict[str, Any]) -> Figure:
    """Loss and validation figures over the epochs, with the chosen one marked."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, shares = figure.subplots(1, 2)
    epochs = [record["epoch"] for record in records]
    marker = "o" if len(epochs) == 1 else None
    losses.plot(epochs, [r["train"]["loss"] for r in records], color=BLUE, marker=marker, label="training")
    losses.plot(epochs, [r["valid"]["loss"] for r in records], color=ORANGE, marker=marker, label="validation")
    losses.set_ylabel("loss")
    losses.set_ylim(0, 1.05 * max(max(r["train"]["loss"], r["valid"]["loss"]) for r in records))
    for key, label, colour in (("accuracy", "accuracy", BLUE), ("auc", "AUC", GREEN), ("f1", "F1", ORANGE)):
        values = [float("nan") if r["valid"][key] is None else 100 * r["valid"][key] for r in records]
        shares.plot(epochs, values, color=colour, marker=marker, label=f"validation {label}")
    shares.set_ylabel("per cent")
    shares.set_ylim(top=101)
    for axes in (losses, shares):
        axes.axvline(results["best_epoch"], color=INK, linewidth=1, linestyle=":", label="best epoch")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        _plain(axes)
        axes.legend(frameon=False)
    figure.suptitle(
        f"{printable(results['recipe'])} on {printable(results['task'])} ({printable(results['protocol'])}): "
        f"test accuracy {results['test']['accuracy']:.1%}, AUC {per_cent(results['test']['auc'])}",
        x=0.01,
        ha="left",
    )
    return figure


def confusion(counts: Sequence[Sequence[int]], labels: Sequence[str], results: dict[str, Any]) -> Figure:
    """How often each class was answered for each, as shares of the right class."""
    side = max(5.0, 0.42 * len(labels) + 2.2)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    matrix = torch.tensor(counts, dtype=torch.float64)
    shares = matrix / matrix.sum(1, keepdim=True).clamp(min=1)
    image = axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    names = [_short(label) for label in labels]
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    if len(labels) <= 20:
        for row, column in torch.nonzero(matrix).tolist():
            dark = shares[row, column] > 0.5
            axes.text(
                column, row, f"{int(matrix[row, column])}", ha="center", va="center", color="white" if dark else INK
            )
    axes.set_xlabel("answered")
    axes.set_ylabel("right")
    axes.set_title(f"{printable(results['recipe'])}, test: {int(matrix.sum())} clips", loc="left")
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the right class")
    return figure


def spectrograms(model: Classifier, clips: Sequence[Clip], columns: int = 5, rows: int = 2) -> Figure:
    """What the model hears of some test clips, one of each class in turn, and what it answers."""
    chosen = _one_of_each(clips, columns * rows)
    samples = model.features.samples
    audio = [read(clip.path, model.sample_rate, clip.start, clip.stop) for clip in chosen]
    waveform = torch.stack([fit_length(part, samples, lambda extra: extra // 2) for part in audio])
    scorer = loss.build(model.recipe.train.loss, None)
    with torch.inference_mode():
        seen = model.features(waveform)
        scores = scorer.scores(model.mixer(seen))
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(2.6 * columns, 2.5 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    seconds = samples / model.sample_rate
    for axes, clip, picture, score in zip(grid, chosen, seen, scores, strict=False):
        answer = int(score.argmax())
        right = model.labels[answer] == clip.label
        axes.imshow(
            picture.numpy(), origin="lower", aspect="auto", cmap="magma", extent=(0, seconds, 0, picture.shape[0])
        )
        axes.set_title(_short(clip.label), fontsize=10, loc="left", parse_math=False)
        note = f"{_short(model.labels[answer])} {score[answer]:.0%}"
        axes.set_xlabel(f"heard: {note}", fontsize=9, color=GREEN if right else "#b23a48", parse_math=False)
        axes.set_yticks([])
    for axes in grid[len(chosen) :]:
        axes.axis("off")
    figure.supylabel("mel bins", fontsize=9)
    figure.supxlabel("seconds", fontsize=9)
    return figure


def _one_of_each(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Clips in turn by class, so that every class is seen before one comes twice."""
    turns: dict[str, int] = {}
    ranked = []
    for position, clip in enumerate(clips):
        turn = turns.get(clip.label, 0)
        turns[clip.label] = turn + 1
        ranked.append((turn, position))
    return [clips[position] for _, position in sorted(ranked)[:count]]


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=PALE, linewidth=0.6)


def _short(label: str) -> str:
    text = printable(label).replace("_", " ")
    return text if len(text) <= 22 else f"{text[:20]}…"
