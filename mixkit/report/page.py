"""A comparison as one HTML file that needs nothing else: no network, no script, no font."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from mixkit.recipe.figures import Figure as Shown
from mixkit.recipe.figures import listed
from mixkit.report import tables
from mixkit.report.captions import caption, notes, stamps, summary, verdict
from mixkit.report.comparison import Comparison, Row
from mixkit.report.details import Confusion, classes, confusion, environment
from mixkit.report.plots import NARROW, WIDE, against_cost, darken, forest, learning
from mixkit.report.worst_errors import WorstErrors
from mixkit.runs.records import read_epochs
from mixkit.storage.picture import PictureError, rendered
from mixkit.version import __version__

WIDTHS = {"wide": WIDE, "narrow": NARROW}
ROOM = 24 * 2**20  # bytes of sound and spectrograms in a page


@dataclass(frozen=True)
class ArmSection:
    """What is shown of an arm.

    Args:
        row: its figures.
        says: in a sentence, against the base; empty for the base.
        curves: of its runs, by width and ground; None without records.
        confusion: of its runs.
        errors: the worst of its first run; None if nobody asked for it.
        kept: mistakes for which there is room.
    """

    row: Row
    says: str
    curves: Mapping[str, str] | None
    confusion: Confusion | None
    errors: WorstErrors | None
    kept: int


def page(
    comparison: Comparison, worst: Mapping[str, WorstErrors], say: Callable[[str], None] = lambda line: None
) -> str:
    """The whole page.

    Args:
        comparison: what it shows.
        worst: by name of the arm, what its first run got most wrong; an arm that is missing has no such part.
        say: is told of pictures that cannot be drawn; the notes of the page tell of them, too.
    """
    faults: list[str] = []
    environ = templates()
    several = len([row for row in comparison.rows if row.figures[comparison.headline]]) > 1
    drawn = {
        "forest": pictures("forest plot", partial(forest, comparison), faults) if comparison.compared else None,
        "cost": pictures("plot against cost", partial(against_cost, comparison), faults) if several else None,
        "sections": _sections(comparison, worst, faults),
    }
    for fault in faults:
        say(fault)
    return environ.get_template("page.html").render(
        title=comparison.by_arm.name,
        headline=comparison.figure(comparison.headline),
        macro=listed([_spelled_out(one) for one in map(comparison.figure, comparison.by_arm.figures) if one.macro]),
        further_macro=listed([one.title for one in map(comparison.figure, comparison.by_arm.further) if one.macro]),
        caption=caption(comparison.by_arm),
        stamps=stamps(comparison.by_arm),
        summary=summary(comparison),
        notes=[*notes(comparison), *faults],
        verdicts=[(row.arm.name, verdict(comparison, row)) for row in comparison.rows[1:]],
        results=tables.results(comparison),
        folds=tables.folds(comparison),
        differences=tables.differences(comparison),
        further=tables.further(comparison, (*comparison.by_arm.further, *comparison.by_arm.metrics)),
        paper=tables.paper(comparison),
        runs=tables.runs(comparison),
        classes=classes(comparison),
        environment=environment(comparison),
        **drawn,
        version=__version__,
    )


def templates() -> Environment:
    """The templates of pages, in which all text is escaped."""
    environ = Environment(
        loader=PackageLoader("mixkit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environ.filters["data"] = _data
    return environ


def _sections(comparison: Comparison, worst: Mapping[str, WorstErrors], faults: list[str]) -> list[ArmSection]:
    sections, room = [], ROOM
    for row in comparison.rows:
        runs = [records for entry in row.arm.done if (records := read_epochs(entry.folder, comparison.headline))]
        errors = worst.get(row.arm.name)
        kept = 0
        for mistake in errors.mistakes if errors else ():
            room -= 4 * (len(mistake.sound) + len(mistake.picture)) // 3
            kept += room >= 0
        draw = partial(learning, runs, comparison.figure(comparison.headline))
        curves = pictures(f"learning curves of {row.arm.name}", draw, faults) if runs else None
        says = "" if row is comparison.rows[0] else verdict(comparison, row)
        sections.append(ArmSection(row, says, curves, confusion(row.arm), errors, kept))
    return sections


def _spelled_out(one: Shown) -> str:
    """The title, and what it stands for where that is not plain: `mAP (average precision)`."""
    return f"{one.title} ({one.per_class})" if one.per_class not in ("", one.title) else one.title


def pictures(what: str, draw: Callable[..., Figure], faults: list[str]) -> dict[str, str] | None:
    """A figure for a wide and for a narrow page, on a light and on a dark ground; None, with a fault, if it fails."""
    found: dict[str, str] = {}
    try:
        for name, width in WIDTHS.items():
            svg = rendered(partial(draw, width=width), "svg")
            found[name], found[f"{name}_dark"] = (_data(one, "image/svg+xml") for one in (svg, darken(svg)))
    except PictureError as error:
        faults.append(f"The {what} could not be drawn: {error}")
        return None
    return found


def _data(content: bytes, kind: str) -> Markup:
    """A data: URI; base64 holds nothing that could end an attribute."""
    return Markup(f"data:{kind};base64,{b64encode(content).decode()}")
