"""Archives that lie about their sizes, or come out far larger than they go in: refused before they fill the disk."""

import shutil
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mixkit.download.extract import extract
from tests.attacks import TAR_ATTACKS, THEIRS, contents, expect_refusal, origin, put


def rewritten(path: Path, old: bytes, new: bytes, times: int) -> Path:
    body = path.read_bytes()
    assert body.count(old) == times
    path.write_bytes(body.replace(old, new))
    return path


def plain_zip(path: Path, body: bytes = THEIRS, how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as file:
        file.writestr(zipfile.ZipInfo("good.wav"), body, compress_type=how)
    return path


def test_zips_that_lie(tmp_path: Path) -> None:
    twice = tmp_path / "twice.zip"
    with zipfile.ZipFile(twice, "w") as file:
        file.writestr("a.wav", "1")
        file.writestr("b.wav", "2")
    expect_refusal(rewritten(twice, b"b.wav", b"a.wav", 2), TAR_ATTACKS["the same name twice"][1])
    expect_refusal(plain_zip(tmp_path / "lzma.zip", how=zipfile.ZIP_LZMA), "is packed in an unusual way (method 14)")

    size = struct.pack("<L", 70_000)
    small = rewritten(plain_zip(tmp_path / "small.zip", bytes(70_000)), size, struct.pack("<L", 7_000), 2)
    expect_refusal(small, "Bad CRC-32")
    large = rewritten(plain_zip(tmp_path / "large.zip", bytes(70_000)), size, struct.pack("<L", 80_000), 2)
    expect_refusal(large, "has 70,000 of its 80,000 bytes")
    huge = rewritten(plain_zip(tmp_path / "huge.zip", bytes(70_000)), size, struct.pack("<L", 2**32 - 2), 2)
    expect_refusal(huge, "has 4,294,967,294 bytes, which is more than may come out: it is a bomb")
    other = rewritten(plain_zip(tmp_path / "other.zip"), b"good.wav", b"evil.wav", 2)
    other.write_bytes(other.read_bytes().replace(b"evil.wav", b"good.wav", 1))
    expect_refusal(other, "File name in directory 'evil.wav' and header b'good.wav' differ")


def overlapping(path: Path, count: int) -> Path:
    """Members that all end in the same bytes, each quoting the header of the next: 40 MB from 4 kB."""
    kernel = zlib.compressobj(9, wbits=-15)
    content = bytes(2_000_000)
    body, listing, lengths = kernel.compress(content) + kernel.flush(), [], []
    for number in range(count):
        name = b"%d.wav" % number
        shared = (20, 0, 8, 0, 0, zlib.crc32(content), len(body), len(content), len(name), 0)
        header = struct.pack("<4sHHHHHLLLHH", b"PK\3\4", *shared) + name
        listing.append((shared, name))
        lengths.append(len(header) + len(body))
        quoted = struct.pack("<BHH", 0, len(header), len(header) ^ 0xFFFF)  # a block of deflate that is stored
        whole, body, content = header + body, quoted + header + body, header + content
    entries = b"".join(
        struct.pack("<4sHHHHHHLLLHHHHHLL", b"PK\1\2", 20, *shared, 0, 0, 0, 0, len(whole) - length) + name
        for (shared, name), length in zip(listing, lengths, strict=True)
    )
    end = struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, count, count, len(entries), len(whole), 0)
    path.write_bytes(whole + entries + end)
    return path


def written_below(parent: Path) -> int:
    return sum(path.stat().st_size for path in parent.rglob("*") if path.is_file())


@pytest.fixture
def on_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails where a bomb writes 100 MB; that it takes no 5 s is seen to by `expect_refusal`."""
    most = 0
    remove = shutil.rmtree

    def weigh(path: Path, **how: bool) -> None:
        nonlocal most
        most = max(most, written_below(path))
        remove(path, **how)

    monkeypatch.setattr("shutil.rmtree", weigh)
    yield
    assert most < 100e6


def test_a_tar_bomb(tmp_path: Path, on_guard: None) -> None:
    with tarfile.open(tmp_path / "a.tar", "w:gz", compresslevel=1) as tar:
        put(tar, "good.wav", b"good")
        put(tar, "zeros.wav", bytes(105_000_000))
    expect_refusal(tmp_path / "a.tar", "has 105,000,000 bytes, which is more than may come out: it is a bomb")
    with tarfile.open(tmp_path / "a.tar") as tar:  # the control
        tar.extractall(tmp_path / "plain", filter="data")
    assert written_below(tmp_path / "plain") > 100e6


def test_zip_bombs(tmp_path: Path, on_guard: None) -> None:
    expect_refusal(plain_zip(tmp_path / "a.zip", bytes(105_000_000)), "it is a bomb")
    with zipfile.ZipFile(tmp_path / "a.zip") as file:  # the control
        file.extractall(tmp_path / "plain")
    assert written_below(tmp_path / "plain") > 100e6
    flat = overlapping(tmp_path / "flat.zip", 20)
    expect_refusal(flat, "'8.wav' has 2,000,280 bytes, which is more than may come out: it is a bomb")
    assert flat.stat().st_size < 5_000
    extract(overlapping(tmp_path / "few.zip", 8), tmp_path / "few", origin())  # the control: they do unpack
    assert written_below(tmp_path / "few") > 16e6


def test_a_bomb_inside_stays_packed(tmp_path: Path, on_guard: None) -> None:
    inner = plain_zip(tmp_path / "inner.zip", bytes(105_000_000))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.write(inner, "inner.zip")
    extract(tmp_path / "a.zip", tmp_path / "to", origin())
    assert contents(tmp_path / "to")["inner.zip"] == inner.read_bytes()


def empty_members(count: int) -> bytes:
    """The listing of a zip that has nothing else."""
    digits = np.char.mod("%07d", np.arange(count)).astype("S7").view("u1").reshape(count, 7)
    entry = struct.pack("<4sHHHHHHLLLHHHHHLL", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0)
    return np.concatenate([np.tile(np.frombuffer(entry, "u1"), (count, 1)), digits], 1).tobytes()


def ended(listing: bytes, count: int) -> bytes:
    """A zip that says that it has so many members."""
    end = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(listing), 0)
    end += struct.pack("<4sLQL", b"PK\6\7", 0, len(listing), 1)
    return listing + end + struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)


def test_half_a_million_empty_members(tmp_path: Path, on_guard: None) -> None:
    listing = empty_members(500_000)
    (tmp_path / "a.zip").write_bytes(ended(listing, 1))  # and it says that it has one
    began = time.process_time()
    expect_refusal(tmp_path / "a.zip", "the archive has more than 150,000 members")
    refusing = time.process_time() - began
    (tmp_path / "a.zip").write_bytes(ended(listing[: len(listing) // 10], 50_000))
    began = time.process_time()
    with zipfile.ZipFile(tmp_path / "a.zip") as plain:  # the control: to believe a tenth of it costs more
        assert len(plain.infolist()) == 50_000
    assert refusing < time.process_time() - began

    with tarfile.open(tmp_path / "b.tar", "w:gz", compresslevel=1) as tar:
        for number in range(1001):
            put(tar, f"{number:07d}", b"")
    expect_refusal(tmp_path / "b.tar", "the archive has more than 1,000 members", files=1000)


def test_many_empty_files_where_many_files_may_be(tmp_path: Path) -> None:
    """A data set of 150,000 recordings has room for them, and each costs the disk a name."""
    for number, refused in ((2_000, False), (2_001, True)):
        with tarfile.open(tmp_path / f"{number}.tar", "w") as tar:
            for name in range(number):
                put(tar, f"{name:07d}", b"")
        if refused:
            expect_refusal(tmp_path / f"{number}.tar", "the archive has more than 2,000 empty files")
        else:  # the control
            extract(tmp_path / f"{number}.tar", tmp_path / "to", origin())


def test_headers_count_as_well(tmp_path: Path, on_guard: None) -> None:
    """Empty files with a long comment each: 40 MB of headers, and next to nothing packed."""
    with tarfile.open(tmp_path / "a.tar", "w:gz", compresslevel=1) as tar:
        for number in range(40):
            put(tar, f"{number}.wav", b"", pax_headers={"comment": "x" * 1_000_000})
    expect_refusal(tmp_path / "a.tar", "unpacks to more than it may: it is a bomb")
