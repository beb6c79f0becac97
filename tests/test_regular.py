"""Regular files opened, and whole ones written, each in one place for all of mixkit."""

import os
import socket
from pathlib import Path

import pytest

from mixkit.storage.atomic import remove_parts, replace
from mixkit.storage.regular import NotRegular, open_regular


def test_a_regular_file_and_a_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"content"
    with pytest.raises(OSError, match="symbolic links"):
        open_regular(tmp_path / "link", os.O_RDONLY | os.O_NOFOLLOW)
    with open_regular(tmp_path / "new", os.O_RDWR | os.O_CREAT) as file:
        file.write(b"made")
        assert (tmp_path / "new").read_bytes() == b"made"


def test_whatever_else_there_is(tmp_path: Path) -> None:
    """A plain `open` waits at the pipe for ever."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
            with pytest.raises(NotRegular, match=r"^is not a regular file$"):
                open_regular(path)
        with pytest.raises(OSError, match="No such device"):
            open_regular(tmp_path / "socket")


def test_two_that_write_one_file_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one name for both temporary files, the second would fail, or write into the first one's."""

    def meanwhile(_: int) -> None:
        monkeypatch.undo()
        replace(tmp_path / "file", b"theirs")
        assert (tmp_path / "file").read_bytes() == b"theirs"

    monkeypatch.setattr(os, "fsync", meanwhile)
    replace(tmp_path / "file", b"o", b"urs")
    assert (tmp_path / "file").read_bytes() == b"ours"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_killed_writers_left(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for folder in (tmp_path, tmp_path / "below"):
        (folder / ".state.pt-0123.part").touch()
    remove_parts(tmp_path, below=False)
    assert [path.name for path in tmp_path.rglob("*.part")] == [".state.pt-0123.part"]
    remove_parts(tmp_path)
    assert list(tmp_path.rglob("*.part")) == []
