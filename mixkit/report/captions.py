"""What is said beside the figures: caption, stamps, and what they support and what they do not."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from mixkit.report.comparison import Comparison, Row, comparable
from mixkit.report.differences import differing
from mixkit.report.runs_by_arm import ComparedArm, RunEntry, RunsByArm
from mixkit.report.statistics import ALPHA, Difference, too_few
from mixkit.report.tables import signed
from mixkit.runs.results import Results
from mixkit.tasks.published import PAPER_RANDOM, RANDOM_NOTE

FOLD = re.compile(r"(fold|group) .+ of (\d+)")
"""A protocol of the folder task that names the fold that is tested."""


def caption(by_arm: RunsByArm) -> str:
    """What was measured, how often, by which protocol."""
    done = [entry for entry in by_arm.entries if entry.results]
    results = by_arm.results
    tasks = _protocols(results)
    parts = [_count(len({entry.seed for entry in done}), "seed")]
    if any(entry.fold is not None for entry in done):
        parts.append(_count(len({entry.fold for entry in done}), "fold"))
    planned = "" if len(done) == len(by_arm.entries) else f" of {len(by_arm.entries)}"
    clips = sorted({one.test.clips for one in results})
    tested = f"{clips[0]:,}" if len(clips) == 1 else f"{clips[0]:,} to {clips[-1]:,}"
    spread = (
        " Mean ± standard deviation (ddof = 1) over the runs of an arm; in brackets the 95 % bootstrap interval of the "
        "mean."
        if any(len(arm.done) > 1 for arm in by_arm.arms)
        else ""
    )
    note = f" {by_arm.note}" if by_arm.note else ""
    note = f"{_refitted(results)}{spread}{note}"
    return (
        f"{by_arm.name} on {', '.join(tasks)}: {_count(len(done), 'run')}{planned}, "
        f"{_count(len(by_arm.arms), 'arm')}, {', '.join(parts)}; {tested} test clips a run.{note}"
    )


def stamps(by_arm: RunsByArm) -> list[str]:
    """What must not be overlooked: a short study, and a protocol that lets the test leak into training."""
    found = []
    if by_arm.quick:
        found.append("quick: a short study to see that everything works. Its figures prove nothing.")
    if any(results.protocol == PAPER_RANDOM for results in by_arm.results):
        found.append(RANDOM_NOTE)
    return found


def summary(comparison: Comparison) -> str:
    """What the study comes to, in a sentence or two; empty where nothing is compared."""
    base, compared = comparison.rows[0].arm.name, comparison.compared
    if len(comparison.rows) < 2:
        return ""
    if not compared:
        return f"Nothing can be compared with {base}: no run is paired with one of it."
    figure, digits = comparison.figure(comparison.headline), comparison.digits(comparison.headline)
    apart = [(row, pairs) for row, pairs in compared if pairs.adjusted is not None and pairs.adjusted < ALPHA]
    arms = _count(len(compared), "arm")
    if not apart:
        counts = sorted({pairs.pairs.count for _, pairs in compared})
        pairs = _count(counts[-1], "pair") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} pairs"
        which = compared[0][0].arm.name if len(compared) == 1 else f"None of {arms}"
        can = "cannot" if len(compared) == 1 else "can"
        leave = "leaves" if counts == [1] else "leave"
        return f"{which} {can} be told from {base} by {figure.title}: {pairs} of runs {leave} chance open."
    means = [(row.arm.name, signed(figure.scale * pairs.pairs.mean, digits)) for row, pairs in apart[:8]]
    listed = ", ".join(f"{name} ({mean})" for name, mean in means)
    more = f" and {len(apart) - 8} more" if len(apart) > 8 else ""
    differ = "differs" if len(compared) == 1 else "differ"
    points = ", in points" if figure.percent else ""
    return f"{len(apart)} of {arms} {differ} from {base} in {figure.title} by more than chance{points}: {listed}{more}."


def verdict(comparison: Comparison, row: Row) -> str:
    """A sentence about an arm against the base, by the first figure."""
    base, pairs = comparison.rows[0], row.differences[comparison.headline]
    if pairs is None:
        return "no run can be paired with one of the base"
    figure = comparison.figure(comparison.headline)
    mean, digits = figure.scale * pairs.pairs.mean, 1 if figure.percent else comparison.digits(comparison.headline)
    size = f"{abs(mean):.{digits}f}{' points' if figure.percent else ''}"
    sense = "level with" if round(mean, digits) == 0 else f"{size} {'above' if mean > 0 else 'below'}"
    if pairs.adjusted is not None and pairs.adjusted < ALPHA:
        return f"{sense} {base.arm.name}, more than chance would have it (p = {pairs.adjusted:.2g} after Holm)"
    p = "" if pairs.adjusted is None else f" (p = {pairs.adjusted:.2g} after Holm)"
    return f"{sense} {base.arm.name}; chance alone is not ruled out{p}"


def notes(comparison: Comparison) -> list[str]:
    """Sentences about what the figures support and what they do not."""
    by_arm, rows = comparison.by_arm, comparison.rows
    compared = [pairs for _, pairs in comparison.compared]
    unlike = any(_unlike(row.arm, by_arm.base) for row in rows)
    said = [
        _without_figures(by_arm),
        differing(by_arm.entries),
        *_few({row.arm.name: pairs.pairs.count for row, pairs in comparison.compared}),
        "Runs of another task, protocol or test set than the base's are shown, and not compared." if unlike else None,
        _narrow([found.count for row in rows if (found := row.figures[comparison.headline])]),
        _dependence(comparison),
        _without_width(comparison),
        _test(compared),
    ]
    return [sentence for sentence in said if sentence]


def _protocols(results: Sequence[Results]) -> list[str]:
    """Tasks with their protocols; folds that are tested one after the other are counted, and not all named."""
    found: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for one in results:
        fold = FOLD.fullmatch(one.protocol)
        found[(one.task, *fold.groups()) if fold else (one.task, one.protocol)].add(one.protocol)
    said = []
    for (task, word, *every), protocols in found.items():
        count = len(protocols)  # more than one only of folds
        of = "each of" if every == [str(count)] else f"{count} of"
        said.append(f"{task} ({min(protocols) if count == 1 else f'{of} {every[0]} {word}s'})")
    return sorted(said)


def _refitted(results: Sequence[Results]) -> str:
    """How many of the tested networks were trained on validation clips as well."""
    count = sum(one.refit is not None for one in results)
    if not count:
        return ""
    some = f"{count:,} of {len(results):,} networks {'was' if count == 1 else 'were'}"
    which = "Every network was" if count == len(results) else some
    return f" {which} refitted: trained once more on training and validation together, then tested."


def _without_figures(by_arm: RunsByArm) -> str | None:
    missing = [entry for entry in by_arm.entries if not entry.results]
    if not missing:
        return None
    shown = "; ".join(_missing(entry) for entry in missing[:6])
    more = f"; and {len(missing) - 6} more" if len(missing) > 6 else ""
    runs = _count(len(missing), "run")
    return f"{runs} of {len(by_arm.entries)} without figures, which no mean holds: {shown}{more}."


def _few(pairs: Mapping[str, int]) -> list[str]:
    """Why the pairs can settle nothing: once if it holds for all arms, else for those with fewer."""
    arms, most = len(pairs), max(pairs.values(), default=0)
    if not pairs or (plain := too_few(most, arms)):
        return [plain] if pairs and plain else []
    short = {name: too_few(count, arms) for name, count in pairs.items()}
    return [f"{name}: {plain}" for name, plain in short.items() if plain]


def _narrow(counts: Sequence[int]) -> str | None:
    most = max(counts, default=0)
    if most == 1:
        return "One run an arm has no spread: another seed may turn any order round."
    if min(counts, default=most) > 9:
        return None
    often = {2: "half of the time", 3: "3 times in 4", 4: "4 times in 5", 5: "5 times in 6"}
    fewer = "; over fewer, less often" if min(counts) < most else ""
    return (
        f"An interval over {most} runs is too narrow: it holds the true mean about "
        f"{often.get(most, '9 times in 10')}, not 95 % of the time{fewer}."
    )


def _dependence(comparison: Comparison) -> str | None:
    """Between folds the runs are not independent; within one, they share their test clips."""
    done = [entry for entry in comparison.by_arm.entries if entry.results]
    if len({entry.fold for entry in done}) > 1:
        return (
            "Folds share training clips, and seeds of a fold share its test clips: intervals and tests take runs for "
            "independent, and are surer than they should be."
        )
    base = comparison.rows[0].figures["accuracy"] if comparison.headline == "accuracy" else None
    clips = {results.test.clips for results in comparison.by_arm.results}
    if base is None or len(clips) > 1:
        return None
    (count,) = clips
    reach = 196 * math.sqrt(max(base.mean * (1 - base.mean), 0.25 / count) / count)
    return (
        f"Every run is tested on the same {count:,} clips: an interval tells of other seeds, not of other clips. Which "
        f"clips were drawn moves an accuracy of {base.mean:.0%} by about ±{reach:.1f} points."
    )


def _without_width(comparison: Comparison) -> str | None:
    summaries = [row.figures[comparison.headline] for row in comparison.rows] + [
        pairs.pairs for _, pairs in comparison.compared
    ]
    if not any(found and found.count > 1 and found.low == found.high for found in summaries):
        return None
    return "An interval of no width means that all runs agree to the clip, not that the figure is known so well."


def _test(compared: Sequence[Difference]) -> str | None:
    if not compared:
        return None
    how = "every exchange tried" if all(pairs.exact for pairs in compared) else "65,536 exchanges drawn at random"
    return f"p: paired permutation test, two-sided, {how}; Holm's correction over the arms, figure by figure."


def _missing(entry: RunEntry) -> str:
    fold = "" if entry.fold is None else f", fold {entry.fold}"
    reason = f" ({entry.error.rstrip('.')})" if entry.error else ""
    return f"{entry.arm}, seed {entry.seed}{fold}: {entry.state}{reason}"


def _unlike(arm: ComparedArm, base: ComparedArm) -> bool:
    others = {entry.key: entry for entry in base.done}
    return any(entry.key in others and not comparable(entry, others[entry.key]) for entry in arm.done)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
