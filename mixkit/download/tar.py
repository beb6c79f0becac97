"""What is in a tar, packed or not. Python's tarfile parses the headers, and is asked for nothing else."""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Iterator
from typing import IO, BinaryIO, cast

from mixkit.download.members import CHUNK, Limits, Member, Refusal, check_mode
from mixkit.errors import printable

HEADER = 2**20  # bytes; the longest header of a member that is believed


def tar_members(file: BinaryIO, limits: Limits) -> Iterator[Member]:
    """The members of a tar: plain, or packed by gzip, bzip2 or xz.

    Raises:
        Refusal: a member is no regular file or folder, more comes out than the limits allow, or something is missing.
    """
    unpacked = _Unpacked(file, _plain(file), limits)
    # Only to parse headers. Opened by class and not by tarfile.open, which would try one packing after the other.
    tar = tarfile.TarFile(fileobj=unpacked, mode="r", encoding="utf-8", errors="surrogateescape")  # type: ignore[arg-type]
    total = 0
    for count in range(limits.files + 1):
        member = tar.next()
        if member is None:
            break
        if count == limits.files:
            raise Refusal(None, f"has more than {limits.files:,} members")
        _check(member)
        total += member.size
        if total > limits.size:
            raise Refusal(member.name, f"makes more than {limits.size:,} bytes in all")

        def chunks(member: tarfile.TarInfo = member) -> Iterator[bytes]:
            unpacked.seek(member.offset_data)
            left = member.size
            while left:
                chunk = unpacked.read(min(CHUNK, left))
                if not chunk:
                    raise Refusal(member.name, f"lacks {left:,} of its {member.size:,} bytes", damaged=True)
                left -= len(chunk)
                yield chunk

        yield Member(member.name, member.size, member.isdir(), chunks, unpacked.packed.tell())
        tar.members.clear()  # type: ignore[attr-defined]  # it would keep them all
    if len(unpacked.last) != tarfile.BLOCKSIZE or unpacked.last.strip(b"\0"):  # tarfile takes any nonsense for the end
        raise Refusal(None, "has no end: it was cut short or changed", damaged=True)
    while unpacked.read(CHUNK):  # to the end of the packing, where its own checksum is
        pass


def _plain(file: BinaryIO) -> IO[bytes]:
    head = file.read(6)
    file.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    if head.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if head.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(file)
    return file


class _Unpacked:
    """What comes out of a packed file: read forward only, and refused once it is out of all proportion."""

    def __init__(self, packed: BinaryIO, plain: IO[bytes], limits: Limits):
        self.packed = packed
        self.last = b""
        self._plain = plain
        self._limits = limits
        self._place = 0

    def tell(self) -> int:
        return self._place

    def seek(self, place: int) -> None:
        if place < self._place:
            raise Refusal(None, "leads back to what has been read", damaged=True)
        while self._place < place:
            if not self.read(min(CHUNK, place - self._place)):
                return

    def read(self, count: int) -> bytes:
        if not 0 <= count <= HEADER:
            raise Refusal(None, f"has a header of {count:,} bytes")
        self.last = self._plain.read(count)
        self._place += len(self.last)
        limits = self._limits
        if self._plain is not self.packed and self._place > limits.slack + limits.ratio * self.packed.tell():
            raise Refusal(None, f"unpacks to more than {limits.ratio} times its size: it is a bomb")
        return self.last


def _check(member: tarfile.TarInfo) -> None:
    if member.issym() or member.islnk():
        raise Refusal(member.name, f"is a link (to '{printable(member.linkname[:200])}')")
    if member.issparse():
        raise Refusal(member.name, "is a sparse file")
    if member.isdir():
        if member.size:
            raise Refusal(member.name, f"is a folder of {member.size:,} bytes")
        return
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise Refusal(member.name, f"is neither a file nor a folder (type {member.type!r})")
    check_mode(member.name, member.mode)
    if member.size < 0:
        raise Refusal(member.name, f"has a size of {member.size:,} bytes")
