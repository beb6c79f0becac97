"""Archives that nobody should unpack, each with what a plain tool does at most."""

import io
import stat
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mixkit.download.extract import extract
from mixkit.download.sources import Archive, Checksum
from mixkit.errors import DamagedError, MixkitError, TrustError

Tar = Callable[[tarfile.TarFile, Path], None]
Zip = Callable[[zipfile.ZipFile, Path], None]

VICTIM, NEW = "victim.txt", "planted.txt"
MINE, THEIRS = b"mine", b"theirs"


def put(tar: tarfile.TarFile, name: str, body: bytes = THEIRS, **fields: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(body)
    for field, value in fields.items():
        setattr(member, field, value)
    tar.addfile(member, io.BytesIO(body))


def special(kind: bytes, name: str = "a.wav", link: str = "", **fields: object) -> Tar:
    def attack(tar: tarfile.TarFile, outside: Path) -> None:
        put(tar, name, b"", type=kind, linkname=link.replace("OUTSIDE", str(outside)), **fields)

    return attack


def named(*names: str, **fields: object) -> Tar:
    def attack(tar: tarfile.TarFile, outside: Path) -> None:
        for name in names:
            put(tar, name.replace("OUTSIDE", str(outside)), **fields)

    return attack


def through(kind: bytes, link: str, then: str) -> Tar:
    """A link, and a file that goes through it."""

    def attack(tar: tarfile.TarFile, outside: Path) -> None:
        put(tar, "way", b"", type=kind, linkname=link.replace("OUTSIDE", str(outside)))
        put(tar, then)

    return attack


def long_way(tar: tarfile.TarFile, outside: Path) -> None:
    """CVE-2025-4517: links whose real path is too long for the check, and so is not checked."""
    way = ""
    for step in "abcdefghijklmnop":
        put(tar, f"{way}{step * 247}", b"", type=tarfile.DIRTYPE)
        put(tar, f"{way}{step}", b"", type=tarfile.SYMTYPE, linkname=step * 247)
        way += f"{step * 247}/"
    short = "/".join("abcdefghijklmnop")
    end = f"{short}/{'l' * 254}"
    put(tar, end, b"", type=tarfile.SYMTYPE, linkname="../" * 16)
    put(tar, "escape", b"", type=tarfile.SYMTYPE, linkname=f"{end}/../outside")
    put(tar, "way", b"", type=tarfile.LNKTYPE, linkname=f"escape/{VICTIM}")
    put(tar, "way")
    put(tar, f"escape/{NEW}")


def pax(**headers: str) -> Tar:
    def attack(tar: tarfile.TarFile, outside: Path) -> None:
        put(tar, "a.wav", pax_headers={key.replace("_", "."): value for key, value in headers.items()})

    return attack


def raw(kind: bytes, size: bytes, name: bytes = b"a.wav", body: bytes = THEIRS) -> Tar:
    """A header of our own making; what follows it is one block."""

    def attack(tar: tarfile.TarFile, outside: Path) -> None:
        assert tar.fileobj is not None
        header = bytearray(struct.pack("100s8s8s8s12s12s8sc", name, b"644", b"0", b"0", size, b"0", b" " * 8, kind))
        header += bytes(tarfile.BLOCKSIZE - len(header))
        header[148:156] = b"%06o\0 " % sum(header)
        tar.fileobj.write(bytes(header) + body.ljust(tarfile.BLOCKSIZE, b"\0"))
        tar.offset += 2 * tarfile.BLOCKSIZE

    return attack


def sparse(tar: tarfile.TarFile, outside: Path) -> None:
    """GNU's old form: a file of a terabyte, all of it a hole."""
    assert tar.fileobj is not None
    header = bytearray(tarfile.TarInfo("a.wav").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:398], header[398:410] = b"00000000000\0", b"00000000000\0"
    header[483:495] = b"\x80" + (2**40).to_bytes(11)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    tar.fileobj.write(bytes(header))
    tar.offset += tarfile.BLOCKSIZE


KIND = "is neither a file nor a folder ("
TWICE = "has the name of "
UNSEEN = "has a character in its name that cannot be seen"
OUT = "leads out of its folder"
PLACE = "says where it wants to lie on the disk"

TAR_ATTACKS: dict[str, tuple[Tar, str]] = {
    "absolute name": (named("OUTSIDE/" + NEW), PLACE),
    "two dots": (named("../outside/" + NEW), OUT),
    "two dots that stay inside": (named("a/../b.wav"), OUT),
    "link to a file": (special(tarfile.SYMTYPE, link="OUTSIDE/" + VICTIM), KIND),
    "link to a folder, and through it": (through(tarfile.SYMTYPE, "OUTSIDE", "way/" + NEW), KIND),
    "link, then a file of its name": (through(tarfile.SYMTYPE, f"OUTSIDE/{VICTIM}", "way"), KIND),
    "link that stays inside": (through(tarfile.SYMTYPE, ".", "way/a.wav"), KIND),
    "hard link": (special(tarfile.LNKTYPE, link="OUTSIDE/" + VICTIM), KIND),
    "a long way (CVE-2025-4517)": (long_way, KIND),
    "block device": (special(tarfile.BLKTYPE, devmajor=7, devminor=250), KIND),
    "pipe": (special(tarfile.FIFOTYPE), KIND),
    "unknown type": (named("a.wav", type=b"Z"), KIND),
    "the same name twice": (named("a.wav", "a.wav"), TWICE + "'a.wav'"),
    "one name in two cases": (named("a.wav", "A.wav"), TWICE + "'a.wav'"),
    "two folders but for case": (named("a/1.wav", "A/2.wav"), TWICE + "'a'"),
    "one name in two Unicode forms": (named("\u00e9.wav", "e\u0301.wav"), TWICE + "'\u00e9.wav'"),
    "sharp s": (named("stra\u00dfe.wav", "STRASSE.wav"), TWICE + "'stra\u00dfe.wav'"),
    "a file, then a folder of its name": (named("a", "a/b.wav"), TWICE + "'a'"),
    "a folder, then a file of its name": (named("a/b.wav", "a"), TWICE + "'a'"),
    "our own note": (named(".mixkit.json"), TWICE + "'.mixkit.json'"),
    "backslash": (named("..\\outside\\" + NEW), "has a backslash in its name"),
    "drive": (named("C:/a.wav"), PLACE),
    "line feed": (named("a\nb.wav"), UNSEEN),
    "escape": (named("a\x1b[2J.wav"), UNSEEN),
    "right to left": (named("a\u202evaw.exe"), UNSEEN),
    "not UTF-8": (named("a\udcff.wav"), UNSEEN),
    "no name": (named(""), "has no name"),
    "only dots": (named("./."), "is a file without a name"),
    "33 deep": (named("d/" * 32 + "a.wav"), "is 33 names deep, and 32 are the most"),
    "sparse": (sparse, KIND),
    "sparse by pax": (pax(GNU_sparse_map="0,1", GNU_sparse_size="1099511627776"), KIND),
    "two dots by pax": (pax(path=f"../outside/{NEW}"), OUT),
    "more bytes than are allowed": (
        raw(tarfile.REGTYPE, b"\x80" + (2**60).to_bytes(11)),
        "which is more than may come out: it is a bomb",
    ),
    "fewer than no bytes": (raw(tarfile.REGTYPE, b"\xff" * 12), "has -1 bytes"),
    "endless pax header": (raw(tarfile.XHDTYPE, b"77777777777\0"), "has a header of 8,589,934,592 bytes"),
    "endless long name": (raw(tarfile.GNUTYPE_LONGNAME, b"77777777777\0"), "has a header of 8,589,934,592 bytes"),
}


def zipped(name: str, mode: int = 0, body: bytes = THEIRS, **fields: object) -> Zip:
    def attack(file: zipfile.ZipFile, outside: Path) -> None:
        info = zipfile.ZipInfo("x")
        info.filename = name.replace("OUTSIDE", str(outside))
        info.external_attr = mode << 16
        info.create_system = 3
        for field, value in fields.items():
            setattr(info, field, value)
        file.writestr(info, body)

    return attack


def several(*attacks: Zip) -> Zip:
    def attack(file: zipfile.ZipFile, outside: Path) -> None:
        for one in attacks:
            one(file, outside)

    return attack


def link(name: str, to: str) -> Zip:
    def attack(file: zipfile.ZipFile, outside: Path) -> None:
        zipped(name, 0o120777, to.replace("OUTSIDE", str(outside)).encode())(file, outside)

    return attack


ZIP_ATTACKS: dict[str, tuple[Zip, str]] = {
    "absolute name": (zipped("OUTSIDE/" + NEW), PLACE),
    "two dots": (zipped("../outside/" + NEW), OUT),
    "backslash": (zipped("..\\outside\\" + NEW), "has a backslash in its name"),
    "drive": (zipped("C:/a.wav"), PLACE),
    "link, and through it": (several(link("way", "OUTSIDE"), zipped("way/" + NEW)), KIND),
    "pipe": (zipped("a.wav", 0o010644), KIND),
    "a file that says folder": (zipped("a.wav", 0o040755), KIND),
    "one name in two cases": (several(zipped("a.wav"), zipped("A.wav")), TWICE + "'a.wav'"),
    "line feed": (zipped("a\nb.wav"), UNSEEN),
    "zero byte": (zipped("a.wav\0.txt"), UNSEEN),
}


def tar_file(path: Path, attack: Tar, outside: Path, packing: str) -> Path:
    """A tar with a good file, the attack, and another good file."""
    with tarfile.open(path, f"w:{packing}", errors="surrogateescape") as tar:
        put(tar, "good.wav", b"good")
        attack(tar, outside)
        put(tar, "last.wav", b"last")
    return path


def zip_file(path: Path, attack: Zip, outside: Path) -> Path:
    """A zip with a good file, the attack, and another good file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("good.wav", "good")
        attack(file, outside)
        file.writestr("last.wav", "last")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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


FILES, SIZE = 150_000, 2**40


def origin(files: int = FILES, size: int = SIZE, inside: str = "") -> Archive:
    """What says how much may come out of an archive, and how its folder is known again."""
    return Archive("http://127.0.0.1/a", 0, Checksum("md5", "x", "a test"), size // 2, files, inside)


def expect_refusal(archive: Path, reason: str, files: int = FILES) -> MixkitError:
    """It is refused by name, in seconds, and nothing is to be seen of it."""
    root = archive.parent
    before = seen(root)
    began = time.process_time()
    with pytest.raises((TrustError, DamagedError)) as caught:
        extract(archive, root / "data", origin(files))
    assert time.process_time() - began < 5
    assert str(caught.value).startswith(f"{archive}: "), caught.value
    assert reason in str(caught.value)
    assert "Nothing was unpacked." in str(caught.value)
    assert seen(root) == before
    return caught.value
