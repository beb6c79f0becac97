"""Precision, recall, F1, support and calibration, beside scikit-learn and closed forms."""

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle
from torch import Tensor

from mixkit.registry import Clip
from mixkit.report.evaluation import clips_csv, write_evaluation
from mixkit.training.calibration import BINS, calibration
from mixkit.training.class_figures import class_figures, means
from mixkit.training.evaluate import Scored
from mixkit.training.evaluation import Evaluation
from mixkit.training.figures import figures

LABELS = ("a", "b", "c", "d", "=e")


def one_label(held: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = torch.eye(5)[torch.randint(held, (60,), generator=generator)]
    scores = (torch.randn(60, 5, generator=generator) + 1.5 * target).softmax(1)
    scores[:, 1] *= 0.01  # never answered
    return scores / scores.sum(1, keepdim=True), target


def several_labels() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    target = (torch.rand(60, 5, generator=generator) < 0.3).float()
    return torch.sigmoid(torch.randn(60, 5, generator=generator) + 2 * target - 1), target


@pytest.mark.parametrize("held", [5, 3])
def test_classes_are_those_of_scikit_learn(held: int) -> None:
    scores, target = one_label(held)
    right, answers = target.argmax(1).numpy(), scores.argmax(1).numpy()
    found = class_figures(scores, target, LABELS, None)
    there = list(range(held))
    wanted = oracle.precision_recall_fscore_support(right, answers, labels=there, zero_division=0.0)
    for at in there:
        ours = (found[at].precision, found[at].recall, found[at].f1, found[at].clips)
        assert ours == pytest.approx([float(column[at]) for column in wanted], abs=1e-12)
    for one in found[held:]:
        assert (one.clips, one.recall, one.f1) == (0, None, None)
        assert one.precision == (0.0 if one.answers else None)
    for kind, weighted in (("macro", False), ("weighted", True)):
        whole = oracle.precision_recall_fscore_support(right, answers, labels=there, average=kind, zero_division=0.0)
        assert means(found, weighted) == pytest.approx(whole[:3], abs=1e-12)
    assert found[1].precision == 0.0
    assert found[1].answers == 0


def test_classes_of_several_labels_are_those_of_scikit_learn() -> None:
    scores, target = several_labels()
    found = class_figures(scores, target, LABELS, 0.5)
    wanted = oracle.precision_recall_fscore_support(target.numpy(), (scores > 0.5).numpy(), zero_division=0.0)
    ours = np.array([(one.precision, one.recall, one.f1, one.clips) for one in found]).T
    assert ours == pytest.approx(np.array(wanted), abs=1e-12)


def test_the_macro_mean_is_the_figure_that_every_run_has() -> None:
    scores, target = one_label(4)
    found = figures(scores, target, 0.0, LABELS)
    precision, recall, f1 = means(class_figures(scores, target, LABELS, None))
    assert (recall, f1) == pytest.approx((found.values["recall"], found.values["f1"]), abs=1e-6)
    assert precision == pytest.approx(
        oracle.precision_score(target.argmax(1), scores.argmax(1), labels=range(4), average="macro", zero_division=0.0)
    )


def sure(score: float, right: int, wrong: int) -> tuple[Tensor, Tensor]:
    """Answers of one score, of which so many are right."""
    scores = torch.tensor([[score, 1 - score]], dtype=torch.float64).repeat(right + wrong, 1)
    target = torch.eye(2)[[0] * right + [1] * wrong]
    return scores, target


def test_calibration_in_closed_form() -> None:
    """One bin: the gap. Two of them: their mean over answers. As sure as right: nothing."""
    found = calibration(*sure(0.8, 6, 4), several=False)
    assert found is not None
    assert found.error == pytest.approx(0.2, abs=1e-12)
    assert (found.score, found.right) == pytest.approx((0.8, 0.6))
    both = [torch.cat(parts) for parts in zip(sure(0.8, 6, 4), sure(0.55, 27, 3), strict=True)]
    found = calibration(*both, several=False)
    assert found is not None
    assert found.error == pytest.approx((10 * 0.2 + 30 * 0.35) / 40, abs=1e-12)
    assert found.largest == pytest.approx(0.35, abs=1e-12)
    assert [(one.count, one.right) for one in found.bins] == [(30, 0.9), (10, 0.6)]
    found = calibration(*sure(0.75, 3, 1), several=False)
    assert found is not None
    assert found.error == pytest.approx(0.0, abs=1e-12)


def test_gaps_of_one_bin_may_cancel_and_those_of_two_may_not() -> None:
    """What the definition says, and a mean over single answers would not."""
    scores = torch.tensor([[0.95, 0.05], [0.95, 0.05], [0.65, 0.35], [0.65, 0.35]], dtype=torch.float64)
    found = calibration(scores, torch.eye(2)[[0, 1, 0, 0]], several=False)
    assert found is not None
    assert found.error == pytest.approx((abs(0.95 - 0.5) + abs(0.65 - 1.0)) / 2, abs=1e-12)


def test_calibration_by_hand() -> None:
    """The sum over bins as the paper writes it, answer by answer, of random scores; edges belong to the lower bin."""
    scores, target = one_label()
    scores[0] = torch.tensor([0.6, 0.1, 0.1, 0.1, 0.1])  # 9/15
    bins: dict[int, list[tuple[float, bool]]] = {}
    for row, right in zip(scores.double(), target, strict=True):
        score = float(row.max())
        bins.setdefault(max(math.ceil(score * BINS - 1e-9), 1), []).append((score, bool(right[row.argmax()])))
    gaps = [len(b) * abs(sum(s for s, _ in b) / len(b) - sum(r for _, r in b) / len(b)) for b in bins.values()]
    found = calibration(scores, target, several=False)
    assert found is not None
    assert found.error == pytest.approx(sum(gaps) / len(scores), abs=0.02)  # 0.6 is no number of a computer
    assert sum(one.count for one in found.bins) == 60


def test_calibration_of_several_labels_asks_for_each_by_itself() -> None:
    scores = torch.tensor([[0.9, 0.9], [0.9, 0.1], [0.1, 0.1]], dtype=torch.float64)
    found = calibration(scores, torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]), several=True)
    assert found is not None
    assert [(one.count, one.right) for one in found.bins] == [(3, 0.0), (3, pytest.approx(2 / 3))]
    assert found.error == pytest.approx((3 * 0.1 + 3 * (0.9 - 2 / 3)) / 6)


def test_scores_that_are_no_probabilities_have_no_calibration() -> None:
    scores, target = sure(0.8, 6, 4)
    assert calibration(3 * scores - 1, target, several=False) is None


def evaluated(several: bool) -> Evaluation:
    scores, target = several_labels() if several else one_label()
    found = figures(scores, target, 0.1, LABELS, several)
    clips = tuple(Clip(Path(f"+{n}.wav"), "", str(n), tags=() if several else None) for n in range(60))
    each = class_figures(scores, target, LABELS, found.threshold)
    return Evaluation(LABELS, clips, Scored(scores, target, 0.1), found, each, calibration(scores, target, several))


@pytest.mark.parametrize("several", [False, True])
def test_every_answer_is_a_row_from_which_the_figures_can_be_computed_again(several: bool) -> None:
    found = evaluated(several)
    rows = list(csv.DictReader(io.StringIO(clips_csv(found))))
    assert len(rows) == 60
    assert rows[3]["path"] == "'+3.wav"  # no formula
    share = sum(int(row["right"]) for row in rows) / 60
    assert share == pytest.approx(found.figures.values["accuracy"], abs=1e-6)
    scores = torch.tensor([[float(row[f"score {label}"]) for label in LABELS] for row in rows])
    assert torch.equal(scores, found.scored.scores)


def test_what_is_written(tmp_path: Path) -> None:
    files = write_evaluation(evaluated(False), {"split": "new"}, tmp_path / "made" / "here")
    assert [path.name for path in files] == ["clips.csv", "evaluation.json", "reliability.svg", "reliability.png"]
    assert all(path.stat().st_size for path in files)
