"""What the runs say: for every arm its figures, its difference to the base and its cost, and how far to trust them."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace

from mixkit.report.runs_by_arm import Arm, Entry, Evidence
from mixkit.report.statistics import Difference, Summary, difference, holm, summary

NAMES = {"accuracy": "accuracy", "map": "mAP", "auc": "AUC", "f1": "F1", "recall": "recall"}


@dataclass(frozen=True)
class Cost:
    """What an arm costs; None where it is not known.

    Args:
        parameters: trained numbers.
        flops: of one clip forward.
        clips_per_second: in training, median over its runs.
        memory: highest use of the device, bytes, over its runs.
        seconds: of training, mean over its runs.
    """

    parameters: float | None = None
    flops: float | None = None
    clips_per_second: float | None = None
    memory: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Row:
    """The answer about an arm.

    Args:
        arm: what it is about.
        figures: the two that are compared first, those beside them, and metrics; None where no run has it.
        differences: to the base; None for the base, and where no run can be paired.
        cost: beside them, since an arm with less in it is also smaller.
    """

    arm: Arm
    figures: dict[str, Summary | None]
    differences: dict[str, Difference | None]
    cost: Cost


@dataclass(frozen=True)
class Answer:
    """The answer of a study.

    Args:
        evidence: what it rests on.
        rows: one an arm, the base first.
    """

    evidence: Evidence
    rows: tuple[Row, ...]

    @property
    def headline(self) -> str:
        """The figure by which arms are told apart."""
        return self.evidence.figures[0]

    @property
    def compared(self) -> list[tuple[Row, Difference]]:
        """The arms that can be paired with the base, and how far they are from it."""
        found = [(row, row.differences[self.headline]) for row in self.rows]
        return [(row, pairs) for row, pairs in found if pairs is not None]

    @property
    def digits(self) -> int:
        """Decimals of a per cent: a second one means something from a thousand test clips on."""
        clips = [entry.measured.clips for entry in self.evidence.entries if entry.measured]
        return 2 if min(clips) >= 1_000 else 1


def answer(evidence: Evidence, flops: Callable[[Arm], float | None] = lambda arm: None) -> Answer:
    """The answer that the runs of a report give.

    Args:
        evidence: the runs by arm.
        flops: of an arm, for one clip forward.
    """
    rows = [_row(arm, evidence, flops(arm)) for arm in evidence.arms]
    for figure in _names(evidence):
        found = [(index, row.differences[figure]) for index, row in enumerate(rows)]
        tested = [(index, pairs) for index, pairs in found if pairs is not None]
        for (index, pairs), p in zip(tested, holm([pairs.p for _, pairs in tested]), strict=True):
            changed = {**rows[index].differences, figure: replace(pairs, adjusted=p)}
            rows[index] = replace(rows[index], differences=changed)
    return Answer(evidence, tuple(rows))


def comparable(one: Entry, other: Entry) -> bool:
    """Whether two runs were tested on the same clips, as far as their results tell."""
    assert one.measured is not None
    assert other.measured is not None
    a, b = one.measured, other.measured
    facts = [(m.task, m.protocol, m.labels, m.clips, m.confusion is None) for m in (a, b)]
    return facts[0] == facts[1]


def _names(evidence: Evidence) -> tuple[str, ...]:
    return (*evidence.figures, *evidence.further, *evidence.metrics)


def _row(arm: Arm, evidence: Evidence, flops: float | None) -> Row:
    base, names = evidence.base, _names(evidence)
    differences: dict[str, Difference | None] = dict.fromkeys(names)
    if arm is not base:
        others = {entry.key: entry for entry in base.done}
        alike = {entry.key for entry in arm.done if entry.key in others and comparable(entry, others[entry.key])}
        for figure in names:
            ours = {key: value for key, value in arm.values(figure).items() if key in alike}
            differences[figure] = difference(ours, base.values(figure))
    figures = {figure: summary(list(arm.values(figure).values())) for figure in names}
    return Row(arm, figures, differences, _cost(arm, flops))


def _cost(arm: Arm, flops: float | None) -> Cost:
    seconds = [entry.pace.seconds for entry in arm.done if entry.pace.seconds is not None]
    speeds = [entry.pace.clips_per_second for entry in arm.done if entry.pace.clips_per_second is not None]
    memory = [entry.pace.memory for entry in arm.done if entry.pace.memory is not None]
    return Cost(
        parameters=next((entry.measured.parameters for entry in arm.done if entry.measured), None),
        flops=flops,
        clips_per_second=statistics.median(speeds) if speeds else None,
        memory=max(memory) if memory else None,
        seconds=statistics.mean(seconds) if seconds else None,
    )
