"""The folder that a report is: one page, and the same comparison as tables, data and figures for a paper."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import torch
from matplotlib.figure import Figure

from mixkit.errors import RunError, printable
from mixkit.report import formats, plots, tables
from mixkit.report.captions import caption, notes, stamps, summary
from mixkit.report.comparison import Comparison, compare_arms
from mixkit.report.details import operations
from mixkit.report.page import page
from mixkit.report.runs_by_arm import gather
from mixkit.report.worst_errors import WorstErrors, worst
from mixkit.storage.atomic import write_whole, writing
from mixkit.storage.picture import Kind, PictureError, rendered

PAGE = "report.html"
PRINTED = 160  # dpi of a figure for a paper
FIX = "Free the disk, or name another folder with --out."


def report(
    folders: Sequence[str | Path],
    out: str | Path | None = None,
    plugins: tuple[str, ...] = (),
    errors: int = 4,
    device: torch.device | None = None,
    say: Callable[[str], None] = lambda line: None,
    settings: tuple[str, ...] = (),
) -> tuple[Path, Comparison]:
    """Writes `report.html`, `table.md`, `table.tex`, `runs.csv`, `answer.json` and the figures as SVG, PDF and PNG.

    Args:
        folders: studies and runs; the first arm of the first is the base.
        out: folder to write; `report` in the only study or run, `report` here for several.
        plugins: modules already loaded that recipes may import.
        errors: of each arm, how many of the worst are shown and played; 0 to load no network.
        device: where to compute them; None for the CPU.
        say: is told how it goes.
        settings: lines that say where the data of the runs lie now.

    Returns:
        The page, and what it says.

    Raises:
        RunError: a folder is neither a run nor a study, or no run of them all has ended, or nothing can be written.
        DamagedError: the record of a study is not what mixkit wrote.
    """
    found = compare(folders, plugins)
    place = place_of([Path(folder) for folder in folders], out)
    worst_errors = _worst_errors(found, errors, device or torch.device("cpu"), plugins, settings, say)
    files = {name: content.encode() for name, content in _texts(found, worst_errors, say).items()}
    for name, content in {**files, **_figures(found, say)}.items():
        write_whole(place / name, content, FIX)
    return place / PAGE, found


def compare(folders: Sequence[str | Path], plugins: tuple[str, ...] = ()) -> Comparison:
    """Compares studies and runs; nothing is written.

    Args:
        folders: studies and runs; the first arm of the first is the base.
        plugins: modules already loaded that recipes may import.

    Raises:
        RunError: a folder is neither a run nor a study, or no run of them all has ended.
        DamagedError: the record of a study is not what mixkit wrote.
    """
    if not folders:
        raise RunError("nothing to report. Name a study or runs, such as runs/asm_rh/001.")
    return compare_arms(gather([Path(folder) for folder in folders]), operations(plugins))


def to_markdown(found: Comparison) -> str:
    """All tables with caption and notes, to be read as Markdown."""
    parts = [f"# {formats.in_markdown(found.by_arm.name)}", formats.in_markdown(caption(found.by_arm))]
    parts += [f"**{formats.in_markdown(stamp)}**" for stamp in stamps(found.by_arm)]
    parts += [formats.in_markdown(sentence) for sentence in [summary(found)] if sentence]
    for table in tables.every_table(found):
        parts += [f"## {formats.in_markdown(table.title)}", formats.markdown(table).rstrip()]
    parts.append("\n".join(f"- {formats.in_markdown(note)}" for note in notes(found)))
    return "\n\n".join(parts) + "\n"


def place_of(folders: Sequence[Path], out: str | Path | None) -> Path:
    """The folder of the report, made; one that nobody named is no link that leads elsewhere.

    Raises:
        RunError: it cannot be made, or is a link.
    """
    beside = folders[0] / "report" if len(folders) == 1 else Path("report")
    place = Path(out) if out is not None else beside
    if out is None and place.is_symlink():
        raise RunError(f"{printable(str(place))} is a link. Name the folder to write with --out.")
    with writing(place, 0, FIX):
        place.mkdir(parents=True, exist_ok=True)
    return place


def _worst_errors(
    found: Comparison,
    errors: int,
    device: torch.device,
    plugins: tuple[str, ...],
    settings: tuple[str, ...],
    say: Callable[[str], None],
) -> dict[str, WorstErrors]:
    worst_errors = {}
    for arm in found.by_arm.arms if errors else ():
        if arm.done:
            worst_errors[arm.name] = worst(arm.done[0].folder, errors, device, plugins, settings)
            fault = worst_errors[arm.name].fault
            say(
                f"{arm.name}: "
                + (f"no errors shown: {fault}" if fault else f"{worst_errors[arm.name].wrong} errors found")
            )
    return worst_errors


def _texts(found: Comparison, worst_errors: dict[str, WorstErrors], say: Callable[[str], None]) -> dict[str, str]:
    stamped = " ".join([*stamps(found.by_arm), caption(found.by_arm)])
    return {
        PAGE: page(found, worst_errors, say),
        "table.md": to_markdown(found),
        "table.tex": "\n".join(formats.latex(table, f"{table.title}. {stamped}") for table in _for_a_paper(found)),
        "runs.csv": formats.to_csv(found),
        "answer.json": formats.to_json(found),
    }


def _for_a_paper(found: Comparison) -> list[tables.TextTable]:
    """The tables of an article; runs and further figures have their place in the page."""
    shown = (tables.results(found), tables.further(found, found.by_arm.metrics), tables.paper(found))
    return [table for table in shown if table.rows]


def _figures(found: Comparison, say: Callable[[str], None]) -> dict[str, bytes]:
    drawn: dict[str, Callable[[], Figure]] = {}
    if found.compared:
        drawn["forest"] = partial(plots.forest, found)
    if len([row for row in found.rows if row.figures[found.headline]]) > 1:
        drawn["cost"] = partial(plots.against_cost, found)
    kinds: tuple[Kind, ...] = ("svg", "pdf", "png")
    files = {}
    for name, kind in product(drawn, kinds):
        try:
            files[f"{name}.{kind}"] = rendered(drawn[name], kind, PRINTED)
        except PictureError as error:
            say(f"{name}.{kind} is not drawn: {error}")
    return files
