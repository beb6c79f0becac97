"""Archives that lie about their sizes, or come out far larger than they go in: refused before they fill the disk."""

import io
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
from mixkit.download.members import Limits
from tests.attacks import TAR_ATTACKS, THEIRS, contents, expect_refusal, put


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
    expect_refusal(large, "lacks 10,000 of its 80,000 bytes")
    huge = rewritten(plain_zip(tmp_path / "huge.zip", bytes(70_000)), size, struct.pack("<L", 2**32 - 2), 2)
    expect_refusal(huge, "says that it unpacks to 4,294,967,294 bytes")
    other = rewritten(plain_zip(tmp_path / "other.zip"), b"good.wav", b"evil.wav", 2)
    other.write_bytes(other.read_bytes().replace(b"evil.wav", b"good.wav", 1))
    expect_refusal(other, "File name in directory 'evil.wav' and header b'good.wav' differ")
    secret = bytearray(plain_zip(tmp_path / "secret.zip").read_bytes())
    secret[6] |= 1
    secret[secret.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "secret.zip").write_bytes(secret)
    expect_refusal(tmp_path / "secret.zip", "is encrypted")


def overlapping(path: Path, count: int) -> Path:
    """Members that all use the same bytes, each quoting the headers of those after it: 10 MB from 20 kB and so on."""
    kernel = zlib.compressobj(9, wbits=-15)
    packed = kernel.compress(bytes(10_000_000)) + kernel.flush()
    crc, name = zlib.crc32(bytes(10_000_000)), b"%d"
    listing, body = b"", b""
    for number in range(count):
        shared = (20, 0, 8, 0, 0, crc, len(packed), 10_000_000, len(name % number), 0)
        listing += struct.pack("<4sHHHHHHLLLHHHHHLL", b"PK\1\2", 20, *shared, 0, 0, 0, 0, 0) + name % number
        body = struct.pack("<4sHHHHHLLLHH", b"PK\3\4", *shared) + name % number
    body += packed
    end = struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, count, count, len(listing), len(body), 0)
    path.write_bytes(body + listing + end)
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

    monkeypatch.setattr("mixkit.download.extract.shutil.rmtree", weigh)
    yield
    assert most < 100e6


def bomb(path: Path, packing: str, size: int) -> Path:
    quick = {"preset": 0} if packing == "xz" else {"compresslevel": 1}
    with tarfile.open(path, f"w:{packing}", **quick) as tar:  # type: ignore[call-overload]
        put(tar, "good.wav", b"good")
        put(tar, "zeros.wav", bytes(size))
    return path


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz"])
def test_tar_bombs(tmp_path: Path, packing: str, on_guard: None) -> None:
    archive = bomb(tmp_path / "a.tar", packing, 105_000_000)
    expect_refusal(archive, "the archive unpacks to more than 50 times its size: it is a bomb")
    with tarfile.open(archive) as tar:  # the control
        tar.extractall(tmp_path / "plain", filter="data")
    assert written_below(tmp_path / "plain") > 100e6


def test_zip_bombs(tmp_path: Path, on_guard: None) -> None:
    expect_refusal(plain_zip(tmp_path / "a.zip", bytes(105_000_000)), "it is a bomb")
    with zipfile.ZipFile(tmp_path / "a.zip") as file:  # the control
        file.extractall(tmp_path / "plain")
    assert written_below(tmp_path / "plain") > 100e6
    flat = overlapping(tmp_path / "flat.zip", 20)
    expect_refusal(flat, "says that it unpacks to 200,000,000 bytes")
    expect_refusal(flat, "shares its bytes with another one: it is a bomb", Limits(ratio=10**6))


def test_a_bomb_inside_stays_packed(tmp_path: Path, on_guard: None) -> None:
    inner = plain_zip(tmp_path / "inner.zip", bytes(105_000_000))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.write(inner, "inner.zip")
    extract(tmp_path / "a.zip", tmp_path / "to")
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


def test_a_million_empty_members(tmp_path: Path, on_guard: None) -> None:
    count = 1_000_000
    listing = empty_members(count)
    for claimed in (count, 1):
        (tmp_path / "a.zip").write_bytes(ended(listing, claimed))
        began = time.process_time()
        expect_refusal(tmp_path / "a.zip", "the archive has more than 150,000 members")
        refusing = time.process_time() - began
    (tmp_path / "a.zip").write_bytes(ended(listing[: len(listing) // 10], count // 10))
    began = time.process_time()
    with zipfile.ZipFile(tmp_path / "a.zip") as plain:  # the control: to believe a tenth of it costs more
        assert len(plain.infolist()) == count // 10
    assert refusing < time.process_time() - began

    with tarfile.open(tmp_path / "b.tar", "w:gz", compresslevel=1) as tar:
        for number in range(3000):
            put(tar, f"{number:07d}", b"")
    expect_refusal(tmp_path / "b.tar", "the archive has more than 2,000 members with nothing in them")
    expect_refusal(tmp_path / "b.tar", "the archive has more than 1,000 members", Limits(files=1000))


def test_headers_count_as_well(tmp_path: Path, on_guard: None) -> None:
    """A hundred thousand empty members are 51 MB of headers, and next to nothing packed."""
    with tarfile.open(tmp_path / "a.tar", "w:xz", preset=0) as tar:
        assert tar.fileobj is not None
        block = io.BytesIO()
        with tarfile.open(fileobj=block, mode="w") as one:
            put(one, "d/", b"", type=tarfile.DIRTYPE)
        for _ in range(100):
            tar.fileobj.write(block.getvalue()[:512] * 1000)
    roomy = Limits(hollow=10**9)
    expect_refusal(tmp_path / "a.tar", "unpacks to more than 50 times its size: it is a bomb", roomy)
