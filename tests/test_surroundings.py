"""What is around a command: a full disk behind stdout, no place for temporary files, an encoding of few letters."""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import mixkit.cli
from mixkit.data.workers import START
from mixkit.errors import DamagedError
from mixkit.weights.tensors import Tensors

FULL = Path("/dev/full")


def ended(monkeypatch: pytest.MonkeyPatch, work: Callable[[], Any]) -> int:
    """The exit code of a command that does this."""
    monkeypatch.setattr(mixkit.cli, "app", work)
    monkeypatch.setattr(sys, "argv", ["mixkit"])
    try:
        mixkit.cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_stdout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with FULL.open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert ended(monkeypatch, lambda: sys.stdout.write("x")) == 2
    assert capsys.readouterr().err == (
        "error: what was to be printed, or a temporary file, cannot be written: No space left on device. "
        "Make room for it.\n"
    )


def test_no_temporary_folder(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere"])
    assert ended(monkeypatch, tempfile.mkdtemp) == 2
    told = "error: no temporary folder can be written. Set TMPDIR to a folder that can.\n"
    assert capsys.readouterr().err == told


def test_a_letter_that_the_encoding_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = io.BytesIO()
    stream = io.TextIOWrapper(kept, encoding="ascii")
    with pytest.raises(UnicodeEncodeError):  # the control
        stream.write("0.5 ± 0.1")
    monkeypatch.setattr(sys, "stdout", stream)
    assert ended(monkeypatch, lambda: sys.stdout.write("0.5 ± 0.1\n")) == 0
    assert kept.getvalue() == b"0.5 \\xb1 0.1\n"


def test_a_reader_that_has_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As in `mixkit list | head -1`: quiet, and the exit code of a program that SIGPIPE ends."""
    from mixkit.cli.views.terminal import say

    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert ended(monkeypatch, lambda: [say("x" * 100_000) for _ in range(3)]) == 141
    assert capsys.readouterr().err == ""


def test_what_a_file_of_weights_is_says_its_content(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3)}, tmp_path / "torch.safetensors")
    assert Tensors(tmp_path / "torch.safetensors").read("a").tolist() == [1.0, 1.0, 1.0]
    save_file({"a": torch.ones(3)}, tmp_path / "odd.safetensors")
    content = (tmp_path / "odd.safetensors").read_bytes().replace(b'"F32"', b'"F6_E2M3"'.ljust(5))
    head = int.from_bytes(content[:8], "little") + 4
    content = head.to_bytes(8, "little") + content[8:].replace(b"[3]", b"[16]"[:4])
    (tmp_path / "odd.safetensors").write_bytes(content)
    with pytest.raises(DamagedError):
        Tensors(tmp_path / "odd.safetensors").read("a")


def test_workers_name_how_they_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.14 starts others by a fork server, which would be their parent."""
    import multiprocessing

    from mixkit.data.workers import Readers

    monkeypatch.setattr(multiprocessing.context._default_context, "_actual_context", None)
    multiprocessing.set_start_method("forkserver")
    readers = Readers(torch.arange(8), 2, str, lambda workers: None)  # type: ignore[arg-type]
    assert readers._make().multiprocessing_context is START
    assert START.get_start_method() == ("fork" if sys.platform == "linux" else "spawn")
