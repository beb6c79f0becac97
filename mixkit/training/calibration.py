"""Calibration: of the answers that are 80 % sure, are 80 % right?"""

from dataclasses import dataclass

import torch
from torch import Tensor

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Answers of about the same score.

    Args:
        low: scores above this,
        high: and up to this.
        count: answers.
        score: their mean score.
        right: share of them that is right.
    """

    low: float
    high: float
    count: int
    score: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """How far scores say how likely an answer is right.

    Args:
        error: expected calibration error (ECE): the gap between score and share right, mean over the answers.
        largest: the largest gap of a bin (MCE).
        score: mean of all answers.
        right: share of all answers.
        bins: those that hold answers, by rising score.
    """

    error: float
    largest: float
    score: float
    right: float
    bins: tuple[Bin, ...]


def calibration(scores: Tensor, target: Tensor, several: bool) -> Calibration | None:
    """Scores against how often they are right, in 15 bins of equal width.

    Of a clip with one label, its highest score counts, and whether that answer is right. Of several labels, each score
    counts, and whether its label is there.

    Args:
        scores: `n k`.
        target: `n k`, 1 for the right classes, 0 for the others.
        several: whether a clip may have several labels, or none.

    Returns:
        None where scores are no probabilities, such as those of a loss of a plugin.

    Paper: Guo et al. 2017, arXiv:1706.04599, section 2, equations 2 to 5.
    """
    if not scores.numel() or scores.min() < 0 or scores.max() > 1 + 1e-6:
        return None
    if several:
        sure, right = scores.flatten().double(), target.flatten() > 0.5
    else:
        sure, answers = scores.double().max(1)
        right = target.gather(1, answers[:, None])[:, 0] > 0.5
    at = (sure * BINS).ceil().long().clamp(1, BINS) - 1
    counts = torch.bincount(at, minlength=BINS)
    sums = [torch.bincount(at, weights, BINS) for weights in (sure, right.double())]
    bins = []
    for place, count in enumerate(counts.tolist()):
        if count:
            score, share = (float(total[place]) / count for total in sums)
            bins.append(Bin(place / BINS, (place + 1) / BINS, count, score, share))
    gaps = [abs(one.score - one.right) for one in bins]
    error = sum(one.count * gap for one, gap in zip(bins, gaps, strict=True)) / len(sure)
    return Calibration(error, max(gaps), float(sure.mean()), float(right.double().mean()), tuple(bins))
