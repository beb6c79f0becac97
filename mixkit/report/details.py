"""What a report shows of each arm beside its figures: confusion, classes, cost of a clip, environment."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from mixkit.model.classifier import build_features
from mixkit.model.cost import costs
from mixkit.recipe.figures import columns
from mixkit.recipe.gin_file import recipe_from_text
from mixkit.report.comparison import Comparison
from mixkit.report.runs_by_arm import ComparedArm
from mixkit.report.tables import NONE, TextTable
from mixkit.runs.records import read_environment, read_recipe
from mixkit.runs.results import Results

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

    @property
    def right(self) -> int:
        """How many clips were answered rightly."""
        return sum(row[at] for at, row in enumerate(self.counts))

    @property
    def clips(self) -> int:
        """How many there are, over all runs."""
        return sum(map(sum, self.counts))

    def share(self, row: int, column: int) -> float:
        """Of the clips of a class, how many got that answer."""
        return self.counts[row][column] / max(sum(self.counts[row]), 1)


def confusion(arm: ComparedArm) -> Confusion | None:
    """The matrices of an arm's runs, added up; None where runs have other classes than the first."""
    found = [entry.results for entry in arm.done if entry.results]
    matrices = [one.test.confusion for one in found if one.test.confusion and one.labels == found[0].labels]
    return pooled(found[0].labels, matrices) if found and len(matrices) == len(found) else None


def pooled(labels: tuple[str, ...], matrices: Sequence[Sequence[Sequence[int]]]) -> Confusion:
    """Matrices of the same classes, added up."""
    indices = range(len(labels))
    counts = tuple(tuple(sum(matrix[row][column] for matrix in matrices) for column in indices) for row in indices)
    wrong = Counter({(r, c): counts[r][c] for r in indices for c in indices if r != c and counts[r][c]})
    most = tuple((labels[right], labels[answer], count) for (right, answer), count in wrong.most_common(CONFUSED))
    return Confusion(labels, counts, len(matrices), most)


def classes(comparison: Comparison) -> list[TextTable]:
    """What each class has of a figure, arm beside arm; arms with other classes get a table of their own.

    The share of each class that was found; in a multi-label set, its average precision; and what metrics that recipes
    ask for say of each class.
    """
    first = next(name for name in columns(comparison.by_arm.several) if comparison.figure(name).per_class)
    return [table for name in (first, *comparison.by_arm.asked) for table in _classes(comparison, name)]


def _classes(comparison: Comparison, name: str) -> Iterator[TextTable]:
    figure = comparison.figure(name)
    alike: dict[tuple[str, ...], list[tuple[str, list[float | None]]]] = defaultdict(list)
    for row in comparison.rows:
        found = [entry.results for entry in row.arm.done if entry.results]
        if found and all(one.labels == found[0].labels for one in found):
            pooled = confusion(row.arm) if name == "recall" else None
            values = _found(pooled) if pooled else [_mean(found, name, label) for label in found[0].labels]
            alike[found[0].labels].append((row.arm.name, values))
    for labels, arms in alike.items():
        if all(value is None for _, values in arms for value in values):
            continue
        rows = []
        for index, label in enumerate(labels):
            values = [values[index] for _, values in arms]
            digits = 1 if figure.percent else 3
            rows.append((label, *(NONE if v is None else f"{figure.scale * v:.{digits}f}" for v in values)))
        title = f"{figure.per_class or name} of each class{', %' if figure.percent else ''}"
        yield TextTable(title, ("class", *(arm for arm, _ in arms)), tuple(rows))


def _found(pooled: Confusion) -> list[float | None]:
    return [pooled.share(row, row) if sum(counts) else None for row, counts in enumerate(pooled.counts)]


def _mean(found: Sequence[Results], name: str, label: str) -> float | None:
    values = [each[label] for one in found if label in (each := one.test.per_class.get(name, {}))]
    return fmean(values) if values else None


def environment(comparison: Comparison) -> TextTable:
    """Where the runs were trained; what differs from run to run is listed."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in comparison.by_arm.entries:
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
    return TextTable("environment", ("what", "value"), tuple(rows), left=2)


def operations(plugins: tuple[str, ...]) -> Callable[[ComparedArm], float | None]:
    """Counts the floating-point operations of an arm's network for one clip, forward, from the recipe of its first run.

    Args:
        plugins: modules already loaded that a recipe may import; one that needs another is not counted.
    """

    def count(arm: ComparedArm) -> float | None:
        for entry in arm.done[:1]:
            try:
                recipe = recipe_from_text(read_recipe(entry.folder), "recipe", plugins)
                features = build_features(recipe)
                if (recipe.model and recipe.model.depth > DEEPEST) or entry.results is None:
                    return None
                parts = costs(recipe.architecture, features.bins, features.frames, len(entry.results.labels))
                return float(sum(part.flops for part in parts))
            except Exception:  # the recipe may need a plugin, or be anything
                return None
        return None

    return count
