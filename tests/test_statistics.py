"""Statistics of a handful of runs: worked by hand, against scipy called directly, and where they have to be silent."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from mixkit.report.statistics import difference, holm, pairs_needed, smallest_p, summary, too_few


def keyed(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


def test_mean_and_deviation_by_hand() -> None:
    found = summary([0.7, 0.8, 0.9, 0.8])
    assert found is not None
    assert found.count == 4
    assert found.mean == pytest.approx(0.8)
    assert found.deviation == pytest.approx(
        math.sqrt((0.01 + 0 + 0.01 + 0) / 3)
    )  # ddof = 1: divided by three, not four


def test_the_interval_is_that_of_scipy() -> None:
    values = [0.71, 0.74, 0.69, 0.80, 0.77]
    found = summary(values)
    options = {"method": "percentile", "n_resamples": 9_999, "random_state": np.random.default_rng(0)}
    theirs = stats.bootstrap((values,), np.mean, **options).confidence_interval
    assert found is not None
    assert (found.low, found.high) == (theirs.low, theirs.high)
    assert found == summary(values)  # the same runs, the same figures
    assert found.low < found.mean < found.high


def test_one_two_and_equal_runs() -> None:
    assert summary([]) is None
    one = summary([0.8])
    assert one is not None
    assert (one.mean, one.deviation, one.low, one.high) == (0.8, None, None, None)
    equal = summary([0.8, 0.8, 0.8])
    assert equal is not None
    assert (equal.mean, equal.deviation, equal.low, equal.high) == (0.8, 0.0, 0.8, 0.8)
    for few in ([0.7, 0.9], [0.7, 0.8, 0.9]):  # the lowest resample of two or three comes in 1 of 4, or 27, draws
        found = summary(few)
        assert found is not None
        assert (found.low, found.high) == (pytest.approx(0.7), pytest.approx(0.9))


@pytest.mark.parametrize(("runs", "least", "most"), [(2, 0.44, 0.58), (3, 0.68, 0.82), (10, 0.85, 0.95)])
def test_intervals_hold_the_mean_as_often_as_the_docstring_says(runs: int, least: float, most: float) -> None:
    drawn = np.random.default_rng(1).standard_normal((400, runs))
    intervals = stats.bootstrap((drawn,), np.mean, axis=1, method="percentile", n_resamples=999, random_state=2)
    low, high = intervals.confidence_interval
    assert least < np.mean((low <= 0) & (high >= 0)) < most


def test_pairs_by_hand() -> None:
    """Differences 0.3, 0.1, 0.2: of the eight ways to give them signs, one is as large and one as small as 0.6."""
    found = difference(keyed(0.8, 0.7, 0.9), keyed(0.5, 0.6, 0.7))
    assert found is not None
    assert found.pairs.count == 3
    assert found.pairs.mean == pytest.approx(0.2)
    assert found.pairs.deviation == pytest.approx(0.1)
    assert found.p == 2 / 8
    assert found.exact


def test_mixed_signs_by_hand() -> None:
    """Differences 4, 3, -1, 2 add up to 8: of 16 sign patterns, +10 and +8 reach it, and two more on the other side."""
    found = difference(keyed(0.9, 0.8, 0.5, 0.7), keyed(0.5, 0.5, 0.6, 0.5))
    assert found is not None
    assert found.p == 4 / 16


def test_p_is_that_of_scipy_and_of_every_sign_flip_counted() -> None:
    dice = np.random.default_rng(3)
    for pairs in range(2, 9):
        ours, theirs = dice.normal(0.8, 0.05, pairs), dice.normal(0.77, 0.05, pairs)
        found = difference(keyed(*ours), keyed(*theirs))
        gaps = ours - theirs
        sums = np.array([np.dot(signs, gaps) for signs in itertools.product((1, -1), repeat=pairs)])
        counted = 2 * min((sums >= gaps.sum() - 1e-12).mean(), (sums <= gaps.sum() + 1e-12).mean())
        theirs_p = stats.permutation_test(
            (ours, theirs), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
        ).pvalue
        assert found is not None
        assert found.p == pytest.approx(min(1, counted), abs=1e-12)
        assert found.p == pytest.approx(min(1, theirs_p), abs=1e-12)
        assert found.p >= smallest_p(pairs)


def test_ties_survive_the_noise_of_float32() -> None:
    """Differences +5, -5, +10 points: of eight sums, +20 and twice +10 reach +10, but not in float32."""
    ours = [float(np.float32(value)) for value in (0.1, 0.15, 0.9)]
    theirs = [float(np.float32(value)) for value in (0.05, 0.2, 0.8)]
    found = difference(keyed(*ours), keyed(*theirs))
    assert found is not None
    assert found.p == 2 * 3 / 8
    raw = stats.permutation_test(
        (ours, theirs), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert raw.pvalue == 2 * 2 / 8  # the control: what comes of numbers as they are


def test_pairs_are_matched_by_key_and_not_by_place() -> None:
    arm, base = {(1, None): 0.9, (0, None): 0.5, (7, None): 0.1}, {(0, None): 0.4, (1, None): 0.8, (2, None): 0.9}
    found = difference(arm, base)
    assert found is not None
    assert found.pairs.count == 2
    assert found.pairs.mean == pytest.approx(0.1)
    assert difference({(0, 1): 0.9}, {(0, 2): 0.9}) is None


def test_a_single_pair_and_equal_arms_say_nothing() -> None:
    one = difference(keyed(0.9), keyed(0.1))
    assert one is not None
    assert (one.p, one.pairs.deviation, one.pairs.low) == (1.0, None, None)
    same = difference(keyed(0.9, 0.8, 0.7), keyed(0.9, 0.8, 0.7))
    assert same is not None
    assert (same.p, same.pairs.mean, same.pairs.low) == (1.0, 0.0, 0.0)


def test_with_many_pairs_flips_are_drawn_and_said_to_be() -> None:
    """Three seeds of ten folds are 2^30 patterns."""
    dice = np.random.default_rng(4)
    found = difference(keyed(*dice.normal(0.82, 0.02, 30)), keyed(*dice.normal(0.8, 0.02, 30)))
    assert found is not None
    assert not found.exact
    assert 0 < found.p < 0.05


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04: x4 = 0.02, x3 = 0.03, x2 = 0.06, x1 = 0.04, which may not fall below 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_holm_against_the_published_example_of_statsmodels() -> None:
    """The p-values and results of its own tests of `multipletests(method="holm")`, which are those of R."""
    values = [0.838541367553, 0.642193923795, 0.680845947633, 0.967833824309, 0.71626938238]
    values += [0.177096952723, 5.23656777208e-05, 0.0202732688798, 0.00028140506198, 0.0149877310796]
    wanted = [1, 1, 1, 1, 1, 1, 5.2365677720800005e-04, 1.4191288215860001e-01]
    wanted += [2.5326455578199999e-03, 1.1990184863680001e-01]
    assert holm(values) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("pairs", "arms", "message"),
    [
        (
            3,
            1,
            "3 pairs can never give p below 0.25, however large the difference: a p below 0.05 takes 6 pairs or more.",
        ),
        (
            1,
            2,
            "1 pair can never give p below 1, however large the difference: a p below 0.05 with 2 arms takes 7 pairs ",
        ),
        (
            6,
            4,
            "6 pairs can give p = 0.0312 for one arm, but with 4 arms Holm's correction makes it 0.125 at best: a p ",
        ),
        (6, 1, None),
        (8, 4, None),
    ],
)
def test_too_few_pairs_in_plain_words(pairs: int, arms: int, message: str | None) -> None:
    rest = {2: "or more.", 4: "below 0.05 with 4 arms takes 8 pairs or more."}
    assert too_few(pairs, arms) == (None if message is None else message + rest.get(arms, ""))


def test_so_many_pairs_are_needed_and_one_less_is_too_few() -> None:
    for arms in range(1, 40):
        needed = pairs_needed(arms)
        best = difference(keyed(*np.linspace(0.8, 0.9, needed)), keyed(*np.linspace(0.1, 0.3, needed)))
        assert best is not None
        assert holm([best.p, *[1.0] * (arms - 1)])[0] < 0.05
        assert arms * smallest_p(needed - 1) > 0.05
