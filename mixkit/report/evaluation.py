"""A network on a set of clips as files: every answer, every figure, and the reliability plot."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from mixkit.report.formats import in_csv
from mixkit.report.plots import BLUE, FAINT, GREY, INK, dress
from mixkit.storage.atomic import write_whole, writing
from mixkit.storage.picture import Kind, PictureError, rendered
from mixkit.training.calibration import Calibration
from mixkit.training.evaluation import Evaluation

CLIPS = "clips.csv"
DOCUMENT = "evaluation.json"
RELIABILITY = "reliability"


def write_evaluation(
    found: Evaluation, document: Mapping[str, Any], folder: Path, say: Callable[[str], None] = lambda line: None
) -> tuple[Path, ...]:
    """Writes `clips.csv`, `evaluation.json`, and `reliability` as SVG and PNG.

    Args:
        found: what is written.
        document: for `evaluation.json`.
        folder: where; it is made.
        say: is told of a picture that cannot be drawn.

    Raises:
        RunError: the folder cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    files = {CLIPS: clips_csv(found).encode(errors="backslashreplace")}
    files[DOCUMENT] = (json.dumps(document, indent=2) + "\n").encode()
    kinds: tuple[Kind, ...] = ("svg", "png") if found.calibration else ()
    for kind in kinds:
        assert found.calibration is not None
        try:
            files[f"{RELIABILITY}.{kind}"] = rendered(partial(reliability, found.calibration), kind)
        except PictureError as error:
            say(f"{RELIABILITY}.{kind} is not drawn: {error}")
    for name, content in files.items():
        write_whole(folder / name, content)
    return tuple(folder / name for name in files)


def clips_csv(found: Evaluation) -> str:
    """A row a clip: what it is, what was answered, whether that is right, and the score of every class."""
    rows: list[list[object]] = [["path", "start", "stop", "label", "answer", "right", "score"]]
    rows[0] += [f"score {label}" for label in found.labels]
    for at, (clip, scores, target) in enumerate(
        zip(found.clips, found.scored.scores, found.scored.targets, strict=True)
    ):
        answers = found.answers(at)
        right = answers == (target > 0.5).nonzero().flatten().tolist()
        said = ";".join(found.labels[answer] for answer in answers)
        row = [str(clip.path), clip.start, clip.stop, ";".join(clip.labels), said, int(right), float(scores.max())]
        rows.append([*row, *scores.tolist()])
    return in_csv(rows)


def reliability(found: Calibration) -> Figure:
    """How often answers are right, by their score: a bar a bin, beside the line where both are the same."""
    figure = Figure(figsize=(4.4, 4.6), layout="constrained")
    shares, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    wide = found.bins[0].high - found.bins[0].low
    middles = [(one.low + one.high) / 2 for one in found.bins]
    shares.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--", label="as sure as right")
    shares.bar(middles, [one.right for one in found.bins], wide * 0.92, color=BLUE, label="share right")
    shares.plot([one.score for one in found.bins], [one.right for one in found.bins], "o", color=INK, markersize=3)
    shares.set_ylim(0, 1)
    shares.set_xlim(0, 1)
    shares.set_ylabel("share of answers that are right")
    shares.set_title(f"ECE {found.error:.3f}, largest gap {found.largest:.3f}", fontsize=10, color=INK)
    shares.legend(frameon=False, fontsize=8, labelcolor=INK, loc="upper left")
    counts.bar(middles, [one.count for one in found.bins], wide * 0.92, color=GREY, edgecolor=FAINT)
    counts.set_ylabel("answers")
    counts.set_xlabel("score of the answer")
    for axes in (shares, counts):
        dress(axes, "y")
    return figure
