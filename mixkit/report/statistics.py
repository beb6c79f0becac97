"""What a handful of runs can say of an arm: spread, interval, paired difference, and how sure one may be of it."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeVar

import numpy as np
from scipy import stats

Key = TypeVar("Key", bound=Hashable)

LEVEL = 0.95  # of intervals
ALPHA = 1 - LEVEL
RESAMPLES = 9_999  # of the bootstrap
EXACT_PAIRS = 16  # up to 65,536 sign flips are all tried; with more pairs so many are drawn
SEED = 0  # of the bootstrap and of drawn sign flips: the same runs give the same figures


@dataclass(frozen=True)
class Summary:
    """One figure over the runs of an arm.

    Args:
        count: runs.
        mean: over them.
        deviation: standard deviation of a sample (ddof = 1: divided by count - 1); None for a single run.
        low: lower end of the 95 % interval of the mean; None for a single run.
        high: upper end.
    """

    count: int
    mean: float
    deviation: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Difference:
    """An arm minus the base, pair by pair: the run of the same seed and fold.

    Args:
        pairs: of the differences, their summary.
        each: the difference of every pair.
        p: of the paired permutation test, two-sided.
        exact: whether every sign flip was tried.
        adjusted: p after Holm's correction over the arms; None until `holm` has seen them all.
    """

    pairs: Summary
    each: tuple[float, ...]
    p: float
    exact: bool
    adjusted: float | None = None


def summary(values: Sequence[float]) -> Summary | None:
    """Mean, spread and interval of the runs of an arm; None for no runs.

    The interval is the percentile bootstrap of the mean (scipy.stats.bootstrap, 9,999 resamples, seeded). One run has
    neither spread nor interval. Runs that are all equal have an interval of no width. With two or three runs it reaches
    from the lowest to the highest. It is too narrow for few runs: over normal values, a nominal 95 % held the true mean
    in 51 % of cases with 2 runs, 75 % with 3, 85 % with 5, 90 % with 10, 94 % with 30. BCa intervals did no better.

    Args:
        values: one a run.
    """
    if not values:
        return None
    data = np.asarray(values, dtype=np.float64)
    mean = fmean(values)
    if len(data) == 1:
        return Summary(1, mean)
    if np.ptp(data) == 0:
        return Summary(len(data), values[0], 0.0, values[0], values[0])
    interval = stats.bootstrap(
        (data,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        random_state=np.random.default_rng(SEED),
    ).confidence_interval
    return Summary(len(data), mean, float(data.std(ddof=1)), float(interval.low), float(interval.high))


def difference(arm: Mapping[Key, float], base: Mapping[Key, float]) -> Difference | None:
    """The arm above the base over the runs that both have; None if they share none.

    The test asks how often a mean difference this large comes about when arm and base are exchanged at random within
    each pair (scipy.stats.permutation_test, `samples`, two-sided). It supposes that pairs are independent.

    Args:
        arm: a figure for each key, such as (seed, fold).
        base: the same of the arm that is compared with.
    """
    keys = [key for key in arm if key in base]
    if not keys:
        return None
    ours = np.array([arm[key] for key in keys], dtype=np.float64)
    theirs = np.array([base[key] for key in keys], dtype=np.float64)
    each = tuple(float(value) for value in ours - theirs)
    pairs = summary(each)
    assert pairs is not None
    return Difference(pairs, each, _p_value(_units(ours), _units(theirs)), len(keys) <= EXACT_PAIRS)


def holm(values: Sequence[float]) -> list[float]:
    """p-values after Holm's step-down correction, in the order given.

    The smallest is multiplied by how many there are, the next by one less, and so on; none may fall below one before
    it, none rises above 1. What is below 0.05 then holds with at most 5 % risk of a single false alarm among them all.

    Args:
        values: p-values, one for each arm that is compared.

    Paper: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    factors = np.arange(len(values), 0, -1)
    adjusted[order] = np.maximum.accumulate(factors * np.asarray(values, dtype=np.float64)[order]).clip(max=1.0)
    return [float(p) for p in adjusted]


def smallest_p(pairs: int) -> float:
    """The p-value below which no exact paired test with so many pairs can come: 2 / 2^pairs."""
    return min(1.0, 2.0 ** (1 - pairs))


def pairs_needed(arms: int) -> int:
    """The fewest pairs with which a difference can reach 0.05 when so many arms are compared with the base."""
    return 1 + math.ceil(math.log2(max(arms, 1) / ALPHA))


def too_few(pairs: int, arms: int) -> str | None:
    """In plain words, why so many pairs can settle nothing; None where they can.

    Args:
        pairs: of runs that the arm and the base share.
        arms: compared with the base; Holm's correction makes the demand grow with them.
    """
    needed = pairs_needed(arms)
    if pairs >= needed:
        return None
    count = "1 pair" if pairs == 1 else f"{pairs} pairs"
    reach = smallest_p(pairs)
    if reach > ALPHA:
        message = f"{count} can never give p below {reach:.3g}, however large the difference"
    else:
        message = (
            f"{count} can give p = {reach:.3g} for one arm, but with {arms} arms Holm's correction makes it "
            f"{min(1.0, arms * reach):.3g} at best"
        )
    with_arms = "" if arms < 2 else f" with {arms} arms"
    return f"{message}: a p below {ALPHA:.2g}{with_arms} takes {needed} pairs or more."


def _p_value(ours: Any, theirs: Any) -> float:
    if len(ours) == 1:
        return 1.0  # both ways of exchanging a single pair differ as much; scipy refuses it
    test = stats.permutation_test(
        (ours, theirs),
        _mean_difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=2**EXACT_PAIRS,
        random_state=np.random.default_rng(SEED),
    )
    return float(min(test.pvalue, 1.0))


def _units(values: Any) -> Any:
    """Whole numbers, of which equal sums are equal: a float32 keeps seven digits, and noise beyond would break ties."""
    return np.round(values * 1e7)


def _mean_difference(ours: Any, theirs: Any, axis: int) -> Any:
    return np.mean(ours - theirs, axis=axis)
