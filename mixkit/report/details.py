"""What a report shows of each arm beside its figures: confusion, classes, cost of a clip, environment."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from mixkit.model.classifier import build_features
from mixkit.model.cost import costs
from mixkit.recipe.gin_file import recipe_from_text
from mixkit.report.comparison import Answer
from mixkit.report.runs_by_arm import Arm
from mixkit.report.tables import NONE, Grid
from mixkit.runs.results import Measured, read_environment, read_recipe

DEEPEST = 500  # blocks of a network whose operations are counted
MATRIX = 50  # classes of a confusion matrix that somebody still reads
CONFUSED = 8


@dataclass(frozen=True)
class Confusion:
    """How often each class was answered for each, over the runs of an arm.

    Args:
        labels: of the classes.
        counts: rows are the right classes, columns the answers.
        runs: that were added up.
        most: what was most often taken for what: right, answered, count.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    runs: int
    most: tuple[tuple[str, str, int], ...]

    @property
    def shown(self) -> bool:
        """Whether it is small enough to be shown whole."""
        return len(self.labels) <= MATRIX

    def share(self, row: int, column: int) -> float:
        """Of the clips of a class, how many got that answer."""
        return self.counts[row][column] / max(sum(self.counts[row]), 1)


def confusion(arm: Arm) -> Confusion | None:
    """The matrices of an arm's runs, added up; None where runs have other classes than the first."""
    found = [entry.measured for entry in arm.done if entry.measured]
    matrices = [one.confusion for one in found if one.confusion is not None and one.labels == found[0].labels]
    if not found or len(matrices) < len(found):
        return None
    labels = found[0].labels
    indices = range(len(labels))
    counts = tuple(tuple(sum(matrix[row][column] for matrix in matrices) for column in indices) for row in indices)
    wrong = Counter({(r, c): counts[r][c] for r in indices for c in indices if r != c and counts[r][c]})
    most = tuple((labels[right], labels[answer], count) for (right, answer), count in wrong.most_common(CONFUSED))
    return Confusion(labels, counts, len(found), most)


def classes(answer: Answer) -> list[Grid]:
    """The share found of each class, arm beside arm; arms with other classes get a table of their own.

    In a multi-label set, the average precision of each class instead.
    """
    alike: dict[tuple[str, ...], list[tuple[str, list[float | None]]]] = defaultdict(list)
    for row in answer.rows:
        found = [entry.measured for entry in row.arm.done if entry.measured]
        if found and all(one.labels == found[0].labels for one in found):
            matrix = confusion(row.arm)
            alike[found[0].labels].append((row.arm.name, _found(matrix) if matrix else _precision(found)))
    what = "average precision" if answer.headline == "map" else "share found (recall)"
    grids = []
    for labels, arms in alike.items():
        rows = [
            (label, *(NONE if share is None else f"{100 * share:.1f}" for share in (arm[1][index] for arm in arms)))
            for index, label in enumerate(labels)
        ]
        grids.append(Grid(f"{what} of each class, %", ("class", *(name for name, _ in arms)), tuple(rows)))
    return grids


def _found(matrix: Confusion) -> list[float | None]:
    return [matrix.share(row, row) if sum(counts) else None for row, counts in enumerate(matrix.counts)]


def _precision(found: Sequence[Measured]) -> list[float | None]:
    known = [[one.precision[index] for one in found] for index in range(len(found[0].labels))]
    held = [[value for value in values if value is not None] for values in known]
    return [fmean(values) if values else None for values in held]


def environment(answer: Answer) -> Grid:
    """Where the runs were trained; what differs from run to run is listed."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in answer.evidence.entries:
        for key, value in read_environment(entry.folder).items():
            found[key][value] += 1
    rows = []
    for key, values in found.items():
        if [*values] == ["None"]:
            continue  # such as the version of CUDA on a CPU
        several = len(values) > 1
        shown = [f"{value} ({count} runs)" if several else value for value, count in values.most_common(4)]
        more = f" and {len(values) - 4} more" if len(values) > 4 else ""
        rows.append((key.replace("_", " "), "; ".join(shown) + more))
    return Grid("environment", ("what", "value"), tuple(rows), left=2)


def operations(plugins: tuple[str, ...]) -> Callable[[Arm], float | None]:
    """Counts the floating-point operations of an arm's network for one clip, forward, from the recipe of its first run.

    Args:
        plugins: modules already loaded that a recipe may import; one that needs another is not counted.
    """

    def count(arm: Arm) -> float | None:
        for entry in arm.done[:1]:
            try:
                recipe = recipe_from_text(read_recipe(entry.folder), "recipe", plugins)
                heard = build_features(recipe)
                if recipe.model.depth > DEEPEST or entry.measured is None:
                    return None
                parts = costs(recipe.model, heard.bins, heard.frames, len(entry.measured.labels))
                return float(sum(part.flops for part in parts))
            except Exception:  # the recipe may need a plugin, or be anything
                return None
        return None

    return count
