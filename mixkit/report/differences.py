"""What differs between the runs of a report beside their recipes, and might be taken for a difference of arms."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from mixkit.plugins.copies import FOLDER, LIMIT
from mixkit.report.runs_by_arm import RunEntry
from mixkit.runs.records import read_environment, read_recipe
from mixkit.runs.results import text

CONDITIONS = ("mixkit", "torch", "device", "device_name", "threads")
SHOWN = 3  # values of a condition that are listed


def differing(entries: Sequence[RunEntry]) -> str | None:
    """In words, which conditions are not the same for all runs that count; None where they are.

    Args:
        entries: runs; those without figures are left out.
    """
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for entry in entries:
        if entry.results:
            for name, within, value in _conditions(entry.folder):
                found[name, within][value] += 1
    parts = [f"{name} {_counted(values)}" for (name, _), values in found.items() if len(values) > 1]
    if not parts:
        return None
    return f"Runs differ in more than arm, seed and fold, and figures may for that reason, too: {'; '.join(parts)}."


def _conditions(run: Path) -> Iterator[tuple[str, str, str]]:
    """Name and value of each, and between them what runs have to share for a difference to mean anything."""
    kept = read_environment(run)
    for name in CONDITIONS:
        if name in kept:
            yield name.replace("_", " "), "", kept[name]
    if "data" in kept:
        asked = "\n".join(re.findall(r"(?m)^(?:\w+/)?task\..*$", read_recipe(run)))  # with its fold
        yield "recordings", asked, kept["data"][:12]
    root = run / FOLDER
    for path in sorted(root.rglob("*.py")) if root.is_dir() and not root.is_symlink() else []:
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= LIMIT:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            yield f"plugin {text(path.relative_to(root).as_posix(), 80)}", "", digest[:12]


def _counted(values: Counter[str]) -> str:
    shown = ", ".join(f"{value} ({count})" for value, count in values.most_common(SHOWN))
    return shown if len(values) <= SHOWN else f"{shown} and {len(values) - SHOWN} more"
