"""What the shell completes: recipes, fragments, studies, and folders of runs. No torch is imported for it."""

from collections.abc import Iterable
from pathlib import Path

DEEPEST = 4  # folders from where one is: runs/STUDY/runs/NAME


def recipes(incomplete: str) -> list[str]:
    """Shipped recipes, and gin files that lie here."""
    from mixkit.recipe import catalog

    return _beginning(incomplete, (*catalog.names(), *_files(incomplete, "*.gin")))


def studies(incomplete: str) -> list[str]:
    """Shipped studies and recipes, and gin files that lie here."""
    from mixkit.recipe import catalog

    return _beginning(incomplete, (*catalog.studies(), *recipes(incomplete)))


def fragments(incomplete: str) -> list[str]:
    """Shipped fragments, and gin files that lie here."""
    from mixkit.recipe import catalog

    return _beginning(incomplete, (*catalog.fragments(), *_files(incomplete, "*.gin")))


def runs(incomplete: str) -> list[str]:
    """Folders of runs, and studies, below `runs` or what has been typed."""
    start = Path(incomplete if incomplete.endswith("/") else Path(incomplete).parent) if incomplete else Path("runs")
    if str(start) == ".":
        start = Path("runs")
    found: set[str] = set()
    for depth in range(DEEPEST):
        stars = "/".join("*" * depth)
        for mark in ("recipe.gin", "study.json"):
            pattern = f"{stars}/{mark}" if stars else mark
            found |= {str(path.parent) for path in start.glob(pattern) if not path.parent.name.startswith(".")}
    return _beginning(incomplete, found)


def recipes_and_runs(incomplete: str) -> list[str]:
    """Both; runs once the word leads into a folder."""
    return _beginning(incomplete, (*recipes(incomplete), *runs(incomplete)))


def _files(incomplete: str, pattern: str) -> Iterable[str]:
    """Files and folders that the word may go on to."""
    folder = Path(incomplete if incomplete.endswith("/") else Path(incomplete).parent)
    below = list(folder.iterdir()) if folder.is_dir() and "/" in incomplete else []
    return [*map(str, folder.glob(pattern)), *(f"{path}/" for path in below if path.is_dir())]


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})
