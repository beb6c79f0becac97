"""What is in a zip. Python's zipfile parses and unpacks, once the plan of the whole has been looked over."""

import stat
import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from mixkit.download.members import CHUNK, Limits, Member, Refusal, check_mode

END, END_64, LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
END_SIZE, END_64_SIZE, LOCATOR_64_SIZE = 22, 56, 20
ENTRY = 160  # bytes of a member in the listing, on average at most: 46, its name, and what packers add


def zip_members(file: BinaryIO, limits: Limits) -> Iterator[Member]:
    """The members of a zip.

    Raises:
        Refusal: a member is no regular file or folder, more comes out than the limits allow, or something is missing.
    """
    size = file.seek(0, 2)
    count, listing = _count_entries(file, size)
    # The listing is parsed whole at once, and whatever number it gives: so its length counts too.
    if count > limits.files or listing > limits.files * ENTRY:
        raise Refusal(None, f"has more than {limits.files:,} members")
    with zipfile.ZipFile(file) as zipped:
        infos = zipped.infolist()
        _check_plan(infos, size, limits)
        read = 0
        for info in infos:

            def chunks(info: zipfile.ZipInfo = info) -> Iterator[bytes]:
                left = info.file_size
                with zipped.open(info) as member:
                    while chunk := member.read(CHUNK):
                        left -= len(chunk)
                        yield chunk
                if left:
                    raise Refusal(info.filename, f"lacks {left:,} of its {info.file_size:,} bytes", damaged=True)

            read += info.compress_size
            yield Member(info.orig_filename, info.file_size, info.is_dir(), chunks, read)


def _count_entries(file: BinaryIO, size: int) -> tuple[int, int]:
    """How many members the end of the file says there are, and how many bytes their listing takes."""
    reach = min(size, END_SIZE + 0xFFFF)  # the end is followed by a comment
    file.seek(size - reach)
    tail = file.read(reach)
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_SIZE:
        raise ValueError("the listing of members is missing")
    count, listing = struct.unpack("<10xHL", tail[at : at + 16])
    locator = size - reach + at - LOCATOR_64_SIZE
    if locator >= 0:
        file.seek(locator)
        found = file.read(LOCATOR_64_SIZE)
        if found.startswith(LOCATOR_64):
            file.seek(max(locator - END_64_SIZE, 0))
            record = file.read(END_64_SIZE)
            if not record.startswith(END_64):
                raise ValueError("the listing of members is not where it should be")
            count, listing = struct.unpack("<32xQQ8x", record)
    return count, listing


def _check_plan(infos: list[zipfile.ZipInfo], size: int, limits: Limits) -> None:
    """See, before anything is unpacked, that a zip cannot come out larger than it may, or use its bytes twice."""
    if len(infos) > limits.files:
        raise Refusal(None, f"has more than {limits.files:,} members")
    total = sum(info.file_size for info in infos)
    if total > min(limits.size, limits.slack + limits.ratio * size):
        raise Refusal(None, f"says that it unpacks to {total:,} bytes from {size:,}: it is a bomb")
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        _check(info)
        if info.header_offset < end:
            raise Refusal(info.filename, "shares its bytes with another one: it is a bomb")
        end = info.header_offset + 30 + info.compress_size  # a header has 30 bytes at least


def _check(info: zipfile.ZipInfo) -> None:
    mode = info.external_attr >> 16
    if info.flag_bits & 0x1:
        raise Refusal(info.filename, "is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Refusal(info.filename, f"is packed in an unusual way (method {info.compress_type})")
    if stat.S_ISLNK(mode):
        raise Refusal(info.filename, "is a link")
    if stat.S_IFMT(mode) not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
        raise Refusal(info.filename, f"is neither a file nor a folder (mode {mode:o})")
    if info.is_dir() and info.file_size:
        raise Refusal(info.filename, f"is a folder of {info.file_size:,} bytes")
    if not info.is_dir():
        check_mode(info.filename, mode)
