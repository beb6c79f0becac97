"""A listing that takes long tells how far it is; a short one ends without a word."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from mixkit.cli.views.bar import Bar
from mixkit.cli.views.training import Live
from mixkit.data.check import check
from mixkit.data.run_split import list_splits
from mixkit.errors import MixkitError
from mixkit.tasks import progress
from mixkit.tasks.folder import Folder


def clips(root: Path, count: int = 12) -> Path:
    for number in range(count):
        path = root / ("cat", "dog")[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.wav"))
    (root / "clips.csv").write_text("\n".join(["path,label", *(f"{name},{name[:3]}" for name in names)]))
    return root


def told(root: Path, **settings: str) -> list[tuple[str, int, int]]:
    steps: list[tuple[str, int, int]] = []
    listed = list_splits(Folder(root=str(root), **settings), lambda *step: steps.append(step))  # type: ignore[arg-type]
    assert sum(map(len, listed.values())) == 12
    return steps


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every listing is one that takes long."""
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "EVERY", 5)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("settings", "what", "counts"),
    [({}, "searching for recordings", [0, 5, 10, 15]), ({"table": "clips.csv"}, "reading the table", [0, 5, 10])],
)
def test_a_long_listing_is_told(tmp_path: Path, settings: dict[str, str], what: str, counts: list[int]) -> None:
    # 12 files, their 2 folders and the table are looked at, or 12 rows.
    assert told(clips(tmp_path), **settings) == [*((what, count, 0) for count in counts), ("dividing clips", 0, 12)]


@pytest.mark.parametrize("settings", [{}, {"table": "clips.csv"}])
def test_a_short_listing_is_not_told(tmp_path: Path, settings: dict[str, str]) -> None:
    assert told(clips(tmp_path), **settings) == []


@pytest.mark.usefixtures("slow")
def test_training_tells_on_stderr_and_data_check_where_it_is_asked_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Live(Console()).listing() as progressed:
        list_splits(Folder(root=str(clips(tmp_path))), progressed)
    said = capsys.readouterr()
    assert (said.out, said.err.splitlines()) == (
        "",
        ["searching for recordings: 0 so far", "dividing clips 0% of 12"],
    )
    steps: list[tuple[str, int, int]] = []
    check(Folder(root=str(tmp_path)), "folder", lambda *step: steps.append(step))
    assert ("searching for recordings", 15, 0) in steps


@pytest.mark.usefixtures("slow")
def test_a_bar_of_unknown_length_is_drawn() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    for done, total in ((5, 0), (1, 2)):
        with Bar(console, counts_bytes=False) as bar:
            bar.progress("searching", done, total)
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "5/?" in drawn
    assert "1/2" in drawn


def test_who_was_told_of_a_listing_that_failed_is_let_go(tmp_path: Path) -> None:
    made = Folder(root=str(tmp_path))
    with pytest.raises(MixkitError):
        list_splits(made, lambda *_: None)
    assert made._patient._progress is progress.quiet
