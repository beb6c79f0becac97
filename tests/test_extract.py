"""Archives: what comes out is whole and inside its folder, whatever was put in."""

import io
import json
import os
import random
import shutil
import stat
import sys
import tarfile
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixkit.download.extract import discard_left_overs, extract, is_whole
from mixkit.errors import DamagedError, DataError, TrustError
from tests.attacks import (
    MINE,
    NEW,
    TAR_ATTACKS,
    VICTIM,
    ZIP_ATTACKS,
    contents,
    expect_refusal,
    origin,
    put,
    seen,
    tar_file,
    zip_file,
)

PACKINGS = ("", "gz", "bz2", "xz")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the one that is unpacked to, with something to lose in it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / VICTIM).write_bytes(MINE)
    return folder


def good_files() -> dict[str, bytes]:
    rng = random.Random(0)
    return {f"Actor_{number % 3:02d}/{number}.wav": rng.randbytes(number * 1000) for number in range(60)}


def good_tar(path: Path, packing: str, prefix: str = "./") -> Path:
    with tarfile.open(path, f"w:{packing}") as tar:
        put(tar, prefix, b"", type=tarfile.DIRTYPE, mode=0o2775)
        for name, body in good_files().items():
            put(tar, f"{prefix}{name}", body, mode=0o6755, uid=4711)
    return path


def good_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.mkdir("Actor_00")
        for name, body in good_files().items():
            file.writestr(name, body)
    return path


@pytest.mark.parametrize("packing", [*PACKINGS, "zip"])
def test_good_archives(tmp_path: Path, packing: str) -> None:
    archive = tmp_path / "sounds"
    good_zip(archive) if packing == "zip" else good_tar(archive, packing)
    steps: list[tuple[str, int, int]] = []
    target = tmp_path / "to"

    def watch(*step: Any) -> None:
        assert not target.exists()  # until all of it is there
        steps.append(step)

    extract(archive, target, origin(files=64), watch)
    size = sum(map(len, good_files().values()))
    note = contents(target).pop(".mixkit.json")
    assert json.loads(note) == {"address": "http://127.0.0.1/a", "md5": "x", "files": 60, "size": size}
    assert {name: body for name, body in contents(target).items() if name != ".mixkit.json"} == good_files()
    size = archive.stat().st_size
    assert [what for what, _, _ in steps] == ["unpacking"] * 62
    assert all(0 <= done < total == size for _, done, total in steps[:-1])
    assert steps[-1] == ("unpacking", size, size)
    assert {path.name for path in tmp_path.iterdir()} == {"sounds", "to"}
    mask = os.umask(0)
    os.umask(mask)
    for path in target.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o777 if path.is_dir() else 0o666) & ~mask
        assert path.stat().st_uid == os.getuid()
    ours = origin().checksum
    assert is_whole(target, ours)
    assert is_whole(target, replace(ours, value="y")) is None
    (target / "Actor_01" / "1.wav").unlink()
    assert is_whole(target, ours) is False
    assert is_whole(tmp_path, ours) is None


def test_a_folder_at_the_top_can_be_left_out(tmp_path: Path) -> None:
    archive = good_tar(tmp_path / "a.tar", "", "Top/")
    extract(archive, tmp_path / "to", origin(inside="Top"))
    assert set(contents(tmp_path / "to")) == {*good_files(), ".mixkit.json"}


def test_a_file_in_the_way(tmp_path: Path) -> None:
    archive = good_tar(tmp_path / "a.tar", "")
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "mine").write_text("mine")
    with pytest.raises(DataError) as caught:
        extract(archive, tmp_path / "to", origin())
    assert str(caught.value) == (
        f"{archive} cannot be unpacked to {tmp_path / 'to'} (Directory not empty). "
        "Use a folder that is new or empty, on a disk with room."
    )
    assert contents(tmp_path) == {"a.tar": archive.read_bytes(), "to/mine": b"mine"}
    (tmp_path / "link").symlink_to(tmp_path / "to")
    with pytest.raises(DataError, match="Not a directory"):
        extract(archive, tmp_path / "link", origin())
    assert (tmp_path / "link").is_symlink()


def test_left_overs(tmp_path: Path) -> None:
    for name in (".a[1].tar-0123.part", ".a1.tar-0123.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text("x")
    discard_left_overs(tmp_path / "a[1].tar", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".a1.tar-0123.part"]


# Z1: attacks


@pytest.mark.parametrize("name", TAR_ATTACKS)
def test_tar_attacks(tmp_path: Path, outside: Path, name: str) -> None:
    attack, reason = TAR_ATTACKS[name]
    expect_refusal(tar_file(tmp_path / "a.tar", attack, outside, "gz"), reason)
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
    assert len(breaking_out) >= 6, trusting
    assert sum(verdict != "refused" for verdict in trusting.values()) >= 25, trusting
    filtered = plain_verdicts(tmp_path / "filtered", "data")
    assert sum(verdict == "took" for verdict in filtered.values()) >= 15, filtered
    assert filtered["link that stays inside"] == "took"
    if sys.version_info < (3, 11, 13):  # CVE-2025-4517 is mended there
        assert filtered["a long way (CVE-2025-4517)"] == "out", filtered
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        taken = plain_verdicts(tmp_path / "zip", "zip")
    assert sum(verdict == "took" for verdict in taken.values()) >= 8, taken


# Damage


def test_not_an_archive(tmp_path: Path) -> None:
    cut = [made.read_bytes()[:-2000] for made in (good_tar(tmp_path / "a", "gz"), good_zip(tmp_path / "a"))]
    for body in (b"hello", b"", b"PK", b"PK\3\4" + bytes(100), b"\x1f\x8b" + bytes(100), bytes(10_240), *cut):
        (tmp_path / "a").write_bytes(body)
        assert isinstance(expect_refusal(tmp_path / "a", ""), DamagedError)
    with zipfile.ZipFile(tmp_path / "a", "w"):
        pass
    assert str(expect_refusal(tmp_path / "a", "")) == (
        f"{tmp_path / 'a'}: the archive holds no file. Nothing was unpacked. Fetch it again."
    )
    with pytest.raises(DataError, match="No such file or directory"):
        extract(tmp_path / "missing", tmp_path / "to", origin())


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
    rng = random.Random(20)
    seeds = [good_zip(tmp_path / "z").read_bytes()[-6000:]]
    small = io.BytesIO()
    with zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(5):
            file.writestr(f"folder/{number}.wav", bytes(300))
    seeds += [small.getvalue()] * 3
    for name in ("two dots by pax", "sparse by pax", "sparse", "33 deep", "link to a file", "escape"):
        seeds.append(tar_file(tmp_path / "t", TAR_ATTACKS[name][0], outside, "").read_bytes()[:6144])
    for path in ("z", "t"):
        (tmp_path / path).unlink()
    archive, target = tmp_path / "a", tmp_path / "data"
    verdicts = {"refused": 0, "unpacked": 0}
    for number in range(200):
        body = bytearray(seeds[number % len(seeds)])
        for _ in range(rng.choice((1, 1, 2, 8))):
            place = rng.randrange(len(body))
            body[place] = rng.choice((0, 255, body[place] ^ (1 << rng.randrange(8)), rng.randrange(256)))
        if rng.random() < 0.1:
            body = body[: rng.randrange(len(body))]
        archive.write_bytes(body)
        try:
            extract(archive, target, origin(size=2**24))
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
    assert verdicts["refused"] > 35
    assert verdicts["unpacked"] > 10
