"""What the runs say: for every arm its figures, its difference to the base and its cost, and how far to trust them."""

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace

from mixkit.markup import table
from mixkit.recipe.figures import Figure, figure
from mixkit.report.runs_by_arm import ComparedArm, RunEntry, RunsByArm
from mixkit.report.statistics import Difference, Summary, difference, holm, summary


@dataclass(frozen=True)
class ArmCost:
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
    """What is found about an arm.

    Args:
        arm: what it is about.
        figures: the two that are compared first, those beside them, and metrics; None where no run has it.
        differences: to the base; None for the base, and where no run can be paired.
        cost: beside them, since an arm with less in it is also smaller.
    """

    arm: ComparedArm
    figures: dict[str, Summary | None]
    differences: dict[str, Difference | None]
    cost: ArmCost


@dataclass(frozen=True)
class Comparison:
    """The arms of a study, compared.

    Args:
        by_arm: what it rests on.
        rows: one an arm, the base first.
    """

    by_arm: RunsByArm
    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        return f"<Comparison {self.by_arm.name}: {', '.join(row.arm.name for row in self.rows)}>"

    def _repr_html_(self) -> str:
        shown = [self.figure(name) for name in self.by_arm.figures]
        rows = []
        for row in self.rows:
            pairs = row.differences[self.headline]
            change = "base" if row is self.rows[0] else "-"
            if pairs is not None:
                change = (
                    f"{self.figure(self.headline).scale * pairs.pairs.mean:+.1f} (p = {pairs.adjusted or pairs.p:.2g})"
                )
            rows.append(
                (row.arm.name, len(row.arm.done), *(_shown(row.figures[one.name], one) for one in shown), change)
            )
        columns = ("arm", "runs", *(one.heading for one in shown), "difference (Holm)")
        return table(columns, rows, f"{self.by_arm.name}: mean ± standard deviation over runs")

    @property
    def headline(self) -> str:
        """The figure by which arms are told apart."""
        return self.by_arm.figures[0]

    @property
    def compared(self) -> list[tuple[Row, Difference]]:
        """The arms that can be paired with the base, and how far they are from it."""
        found = [(row, row.differences[self.headline]) for row in self.rows]
        return [(row, pairs) for row, pairs in found if pairs is not None]

    def figure(self, name: str) -> Figure:
        """How a figure is shown."""
        return figure(name, self.by_arm.several)

    def digits(self, name: str) -> int:
        """Decimals of a figure.

        Of a per cent, a second one means something from a thousand test clips on. In units of its own, so many that the
        largest mean has four figures.
        """
        if self.figure(name).percent:
            return 2 if min(results.test.clips for results in self.by_arm.results) >= 1_000 else 1
        means = [abs(found.mean) for row in self.rows if (found := row.figures[name])]
        largest = max(means, default=0.0)
        return 3 if not largest else min(9, max(0, 3 - math.floor(math.log10(largest))))


def compare_arms(by_arm: RunsByArm, flops: Callable[[ComparedArm], float | None] = lambda arm: None) -> Comparison:
    """Compares the arms of a report with its base.

    Args:
        by_arm: the runs by arm.
        flops: of an arm, for one clip forward.
    """
    rows = [_row(arm, by_arm, flops(arm)) for arm in by_arm.arms]
    for name in _names(by_arm):
        found = [(index, row.differences[name]) for index, row in enumerate(rows)]
        tested = [(index, pairs) for index, pairs in found if pairs is not None]
        for (index, pairs), p in zip(tested, holm([pairs.p for _, pairs in tested]), strict=True):
            changed = {**rows[index].differences, name: replace(pairs, adjusted=p)}
            rows[index] = replace(rows[index], differences=changed)
    return Comparison(by_arm, tuple(rows))


def comparable(one: RunEntry, other: RunEntry) -> bool:
    """Whether two runs were tested on the same clips, as far as their results tell."""
    assert one.results is not None
    assert other.results is not None
    a, b = one.results, other.results
    facts = [(r.task, r.protocol, r.labels, r.test.clips, r.test.several) for r in (a, b)]
    return facts[0] == facts[1]


def _shown(found: Summary | None, shown: Figure) -> str:
    if found is None:
        return "-"
    spread = "" if found.deviation is None else f" ± {shown.scale * found.deviation:.1f}"
    return f"{shown.scale * found.mean:.1f}{spread}" if shown.percent else f"{found.mean:.3g}"


def _names(by_arm: RunsByArm) -> tuple[str, ...]:
    return (*by_arm.figures, *by_arm.further, *by_arm.metrics)


def _row(arm: ComparedArm, by_arm: RunsByArm, flops: float | None) -> Row:
    base, names = by_arm.base, _names(by_arm)
    differences: dict[str, Difference | None] = dict.fromkeys(names)
    if arm is not base:
        others = {entry.key: entry for entry in base.done}
        alike = {entry.key for entry in arm.done if entry.key in others and comparable(entry, others[entry.key])}
        for name in names:
            ours = {key: value for key, value in arm.values(name).items() if key in alike}
            differences[name] = difference(ours, base.values(name))
    figures = {name: summary(list(arm.values(name).values())) for name in names}
    return Row(arm, figures, differences, _cost(arm, flops))


def _cost(arm: ComparedArm, flops: float | None) -> ArmCost:
    seconds = [entry.pace.seconds for entry in arm.done if entry.pace.seconds is not None]
    speeds = [entry.pace.clips_per_second for entry in arm.done if entry.pace.clips_per_second is not None]
    memory = [entry.pace.memory for entry in arm.done if entry.pace.memory is not None]
    return ArmCost(
        parameters=next((entry.results.parameters for entry in arm.done if entry.results), None),
        flops=flops,
        clips_per_second=statistics.median(speeds) if speeds else None,
        memory=max(memory) if memory else None,
        seconds=statistics.mean(seconds) if seconds else None,
    )
