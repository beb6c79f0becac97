"""Archives: what comes out is whole and inside its folder, whatever was put in."""

import io
import json
import os
import random
import shutil
import stat
import struct
import sys
import tarfile
import time
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mixkit.data.extract import discard_left_overs, extract, is_whole
from mixkit.data.members import Limits
from mixkit.errors import DamagedError, DataError, MixkitError, TrustError
from tests.attacks import MINE, NEW, TAR_ATTACKS, THEIRS, VICTIM, ZIP_ATTACKS, put, tar_file, zip_file

PACKINGS = ("", "gz", "bz2", "xz")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the one that is unpacked to, with something to lose in it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / VICTIM).write_bytes(MINE)
    return folder


def seen(root: Path) -> dict[str, object]:
    """All that is there, with contents, kinds, rights and links."""
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            path.lstat().st_nlink,
            path.lstat().st_mtime_ns if path.is_file() else 0,
            path.read_bytes() if stat.S_ISREG(path.lstat().st_mode) else b"",
        )
        for path in sorted(root.rglob("*"))
    }


ROOMY = Limits(size=2**40)


def expect_refusal(archive: Path, reason: str, limits: Limits = ROOMY) -> MixkitError:
    """It is refused by name, in seconds, and nothing is to be seen of it."""
    root = archive.parent
    before = seen(root)
    began = time.process_time()
    with pytest.raises((TrustError, DamagedError)) as caught:
        extract(archive, root / "data", limits)
    assert time.process_time() - began < 5
    assert str(caught.value).startswith(f"{archive}: "), caught.value
    assert reason in str(caught.value)
    assert "Nothing was unpacked." in str(caught.value)
    assert seen(root) == before
    return caught.value


def good_files() -> dict[str, bytes]:
    dice = random.Random(0)
    return {f"Actor_{number % 3:02d}/{number}.wav": dice.randbytes(number * 1000) for number in range(60)}


def good_tar(path: Path, packing: str, prefix: str = "./") -> Path:
    with tarfile.open(path, f"w:{packing}") as tar:
        put(tar, prefix, b"", type=tarfile.DIRTYPE, mode=0o2775)
        for name, body in good_files().items():
            put(tar, f"{prefix}{name}", body, mode=0o600, uid=4711)
    return path


def good_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.mkdir("Actor_00")
        for name, body in good_files().items():
            file.writestr(name, body)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("packing", [*PACKINGS, "zip"])
def test_good_archives(tmp_path: Path, packing: str) -> None:
    archive = tmp_path / "sounds"
    good_zip(archive) if packing == "zip" else good_tar(archive, packing)
    steps: list[tuple[str, int, int]] = []
    target = tmp_path / "to"
    found = extract(archive, target, note={"md5": "x"}, progress=lambda *step: steps.append(step))
    assert (found.files, found.size) == (60, sum(map(len, good_files().values())))
    note = contents(target).pop(".mixkit.json")
    assert json.loads(note) == {"md5": "x", "files": 60, "size": found.size}
    assert {name: body for name, body in contents(target).items() if name != ".mixkit.json"} == good_files()
    assert [what for what, _, _ in steps] == ["unpacking"] * (61)
    assert all(0 <= done <= total == archive.stat().st_size for _, done, total in steps)
    assert {path.name for path in tmp_path.iterdir()} == {"sounds", "to"}
    mask = os.umask(0)
    os.umask(mask)
    for path in target.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o777 if path.is_dir() else 0o666) & ~mask
        assert path.stat().st_uid == os.getuid()
    assert is_whole(target, {"md5": "x"})
    assert is_whole(target, {"md5": "y"}) is None
    (target / "Actor_01" / "1.wav").unlink()
    assert is_whole(target, {"md5": "x"}) is False
    assert is_whole(tmp_path, {}) is None


def test_a_folder_at_the_top_can_be_left_out(tmp_path: Path) -> None:
    archive = good_tar(tmp_path / "a.tar", "", "Top/")
    extract(archive, tmp_path / "to", inside="Top")
    assert set(contents(tmp_path / "to")) == {*good_files(), ".mixkit.json"}


def test_a_file_in_the_way(tmp_path: Path) -> None:
    archive = good_tar(tmp_path / "a.tar", "")
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "mine").write_text("mine")
    with pytest.raises(DataError) as caught:
        extract(archive, tmp_path / "to")
    assert str(caught.value) == (
        f"{archive} cannot be unpacked to {tmp_path / 'to'} (Directory not empty). "
        "Use a folder that is new or empty, on a disk with room."
    )
    assert contents(tmp_path) == {"a.tar": archive.read_bytes(), "to/mine": b"mine"}
    (tmp_path / "link").symlink_to(tmp_path / "to")
    with pytest.raises(DataError, match="Not a directory"):
        extract(archive, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()


def test_left_overs(tmp_path: Path) -> None:
    for name in (".a[1].tar-0123.unpacking", ".a1.tar-0123.unpacking"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text("x")
    discard_left_overs(tmp_path / "a[1].tar", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".a1.tar-0123.unpacking"]


# Z1: attacks


@pytest.mark.parametrize("packing", ["", "gz", "xz"])
@pytest.mark.parametrize("name", TAR_ATTACKS)
def test_tar_attacks(tmp_path: Path, outside: Path, name: str, packing: str) -> None:
    attack, reason = TAR_ATTACKS[name]
    expect_refusal(tar_file(tmp_path / "a.tar", attack, outside, packing), reason)
    assert (outside / VICTIM).read_bytes() == MINE
    assert list(outside.iterdir()) == [outside / VICTIM]


@pytest.mark.parametrize("name", ZIP_ATTACKS)
def test_zip_attacks(tmp_path: Path, outside: Path, name: str) -> None:
    attack, reason = ZIP_ATTACKS[name]
    expect_refusal(zip_file(tmp_path / "a.zip", attack, outside), reason)
    assert (outside / VICTIM).read_bytes() == MINE


def plainly(archive: Path, root: Path, how: str) -> str:
    """What Python's own extraction does: refuses, breaks out, or takes it."""
    before = seen(root / "outside")
    try:
        if how == "zip":
            with zipfile.ZipFile(archive) as file:
                file.extractall(root / "data")
        else:
            with tarfile.open(archive, errorlevel=1) as tar:
                tar.extractall(root / "data", filter=how)
    except Exception:
        kept = "refused"
    else:
        kept = "took"
    return "out" if seen(root / "outside") != before else kept


def plain_verdicts(tmp_path: Path, how: str) -> dict[str, str]:
    verdicts = {}
    for number, name in enumerate(ZIP_ATTACKS if how == "zip" else TAR_ATTACKS):
        root = tmp_path / str(number)
        (root / "outside").mkdir(parents=True)
        (root / "outside" / VICTIM).write_bytes(MINE)
        if how == "zip":
            archive = zip_file(root / "a", ZIP_ATTACKS[name][0], root / "outside")
        else:
            archive = tar_file(root / "a", TAR_ATTACKS[name][0], root / "outside", "")
        verdicts[name] = plainly(archive, root, how)
    return verdicts


def test_the_attacks_are_live(tmp_path: Path) -> None:
    """The control: Python's own extraction, trusting all, without links to follow, and with its filter for data."""
    trusting = plain_verdicts(tmp_path / "trusting", "fully_trusted")
    breaking_out = {name for name, verdict in trusting.items() if verdict == "out"}
    assert len(breaking_out) >= 8, trusting
    assert sum(verdict != "refused" for verdict in trusting.values()) >= 35, trusting
    filtered = plain_verdicts(tmp_path / "filtered", "data")
    assert sum(verdict == "took" for verdict in filtered.values()) >= 20, filtered
    assert filtered["link that stays inside"] == "took"
    if sys.version_info < (3, 11, 13):  # CVE-2025-4517 is mended there
        assert filtered["a long way (CVE-2025-4517)"] == "out", filtered
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        taken = plain_verdicts(tmp_path / "zip", "zip")
    assert sum(verdict == "took" for verdict in taken.values()) >= 12, taken


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


# Z2: bombs


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

    monkeypatch.setattr("mixkit.data.extract.shutil.rmtree", weigh)
    yield
    assert most < 100e6


def bomb(path: Path, packing: str, size: int) -> Path:
    with tarfile.open(path, f"w:{packing}", **({"compresslevel": 1} if packing == "gz" else {})) as tar:  # type: ignore[call-overload]
        put(tar, "good.wav", b"good")
        put(tar, "zeros.wav", bytes(size))
    return path


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz"])
def test_tar_bombs(tmp_path: Path, packing: str, on_guard: None) -> None:
    archive = bomb(tmp_path / "a.tar", packing, 150_000_000)
    expect_refusal(archive, "the archive unpacks to more than 50 times its size: it is a bomb")
    with tarfile.open(archive) as tar:  # the control
        tar.extractall(tmp_path / "plain", filter="data")
    assert written_below(tmp_path / "plain") > 100e6


def test_zip_bombs(tmp_path: Path, on_guard: None) -> None:
    expect_refusal(plain_zip(tmp_path / "a.zip", bytes(150_000_000)), "it is a bomb")
    flat = overlapping(tmp_path / "flat.zip", 20)
    expect_refusal(flat, "says that it unpacks to 200,000,000 bytes")
    expect_refusal(flat, "shares its bytes with another one: it is a bomb", Limits(ratio=10**6))


def test_a_bomb_inside_stays_packed(tmp_path: Path, on_guard: None) -> None:
    inner = plain_zip(tmp_path / "inner.zip", bytes(150_000_000))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.write(inner, "inner.zip")
    extract(tmp_path / "a.zip", tmp_path / "to")
    assert contents(tmp_path / "to")["inner.zip"] == inner.read_bytes()


def test_a_million_empty_members(tmp_path: Path, on_guard: None) -> None:
    count = 1_000_000
    digits = np.char.mod("%07d", np.arange(count)).astype("S7").view("u1").reshape(count, 7)
    entry = struct.pack("<4sHHHHHHLLLHHHHHLL", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0)
    listing = np.concatenate([np.tile(np.frombuffer(entry, "u1"), (count, 1)), digits], 1).tobytes()
    short = struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    for claimed in (count, 1):
        end = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, claimed, claimed, len(listing), 0)
        end += struct.pack("<4sLQL", b"PK\6\7", 0, len(listing), 1)
        (tmp_path / "a.zip").write_bytes(listing + end + short)
        began = time.process_time()
        expect_refusal(tmp_path / "a.zip", "the archive has more than 150,000 members")
        refusing = time.process_time() - began
    began = time.process_time()
    with zipfile.ZipFile(tmp_path / "a.zip") as plain:  # the control: to believe it costs time, before all else
        assert len(plain.infolist()) == count
    assert refusing < (time.process_time() - began) / 3

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


# Damage


@pytest.mark.parametrize("packing", PACKINGS)
def test_cut_short(tmp_path: Path, packing: str) -> None:
    whole = good_tar(tmp_path / "whole", packing).read_bytes()
    (tmp_path / "whole").unlink()
    end = len(whole) - (10_240 if not packing else 0)  # a plain tar ends in padding
    for cut in (0, 1, 20, 600, end // 3, end // 2, end - 2000, end - 1):
        (tmp_path / "a.tar").write_bytes(whole[:cut])
        assert isinstance(expect_refusal(tmp_path / "a.tar", ""), DamagedError), cut


def test_a_plain_reader_takes_a_cut_for_the_end(tmp_path: Path) -> None:
    """The control: tarfile stops without a word at a header that is damaged, or where a file is cut between members."""
    archive = good_tar(tmp_path / "a.tar", "")
    body = bytearray(archive.read_bytes())
    with tarfile.open(archive) as tar:
        middle = tar.getmembers()[30].offset
    for damaged in (body[:middle], body[:middle] + b"\1" + body[middle + 1 :]):
        archive.write_bytes(damaged)
        with tarfile.open(archive) as tar:
            assert len(tar.getmembers()) == 30
        expect_refusal(archive, "the archive has no end: it was cut short or changed")


def test_not_an_archive(tmp_path: Path) -> None:
    for body in (b"hello", b"", b"PK", b"PK\3\4" + bytes(100), b"\x1f\x8b" + bytes(100), bytes(10_240)):
        (tmp_path / "a").write_bytes(body)
        expect_refusal(tmp_path / "a", "")
    with zipfile.ZipFile(tmp_path / "a", "w"):
        pass
    assert str(expect_refusal(tmp_path / "a", "")) == (
        f"{tmp_path / 'a'}: the archive holds no file. Nothing was unpacked. Fetch it again."
    )
    with pytest.raises(DataError, match="No such file or directory"):
        extract(tmp_path / "missing", tmp_path / "to")


def test_whole_messages(tmp_path: Path, outside: Path) -> None:
    archive = tar_file(tmp_path / "a.tar", TAR_ATTACKS["escape"][0], outside, "")
    assert str(expect_refusal(archive, "")) == (
        f"{archive}: the member 'a\\x1b[2J.wav' has a character in its name that cannot be seen. "
        "Nothing was unpacked. Do not use it."
    )
    archive = tar_file(tmp_path / "a.tar", TAR_ATTACKS["pipe"][0], outside, "")
    assert str(expect_refusal(archive, "")) == (
        f"{archive}: the member 'a.wav' is neither a file nor a folder (type b'6'). "
        "Nothing was unpacked. Do not use it."
    )


def test_changed_archives_are_refused_or_give_what_they_say(tmp_path: Path, outside: Path) -> None:
    """Bytes changed at random, in good archives and bad ones: an error of ours, or files inside the folder."""
    dice = random.Random(20)
    seeds = [good_zip(tmp_path / "z").read_bytes()[-6000:]]
    small = io.BytesIO()
    with zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(5):
            file.writestr(f"folder/{number}.wav", bytes(300))
    seeds += [small.getvalue()] * 3
    for name in ("two dots by pax", "sparse by pax", "sparse", "long path", "link to a file", "runs as its owner"):
        seeds.append(tar_file(tmp_path / "t", TAR_ATTACKS[name][0], outside, "").read_bytes()[:6144])
    for path in ("z", "t"):
        (tmp_path / path).unlink()
    archive, target = tmp_path / "a", tmp_path / "data"
    verdicts = {"refused": 0, "unpacked": 0}
    for number in range(400):
        body = bytearray(seeds[number % len(seeds)])
        for _ in range(dice.choice((1, 1, 2, 8))):
            place = dice.randrange(len(body))
            body[place] = dice.choice((0, 255, body[place] ^ (1 << dice.randrange(8)), dice.randrange(256)))
        if dice.random() < 0.1:
            body = body[: dice.randrange(len(body))]
        archive.write_bytes(body)
        try:
            extract(archive, target, Limits(size=2**24, slack=2**22))
        except (TrustError, DamagedError):
            verdicts["refused"] += 1
            assert not target.exists()
        else:
            verdicts["unpacked"] += 1
            assert all(path.is_dir() or stat.S_ISREG(path.lstat().st_mode) for path in target.rglob("*"))
            shutil.rmtree(target)
        assert {path.name for path in tmp_path.iterdir()} == {"a", "outside"}, number
    assert (outside / VICTIM).read_bytes() == MINE
    assert not (outside / NEW).exists()
    assert verdicts["refused"] > 70
    assert verdicts["unpacked"] > 20
