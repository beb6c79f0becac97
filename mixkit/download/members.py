"""What is in an archive, one member after the other, and nothing that only pretends to be a file or folder."""

import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mixkit.errors import DamagedError, TrustError, printable

CHUNK = 2**18


@dataclass(frozen=True)
class Limits:
    """How much may come out of an archive. The defaults have room for every data set that is fetched.

    Args:
        files: members, folders among them.
        hollow: empty files and folders among these.
        size: bytes of all members together.
        ratio: bytes that come out for each byte that goes in.
        slack: bytes that may come out beyond that.
        depth: folders within folders.
    """

    files: int = 150_000
    hollow: int = 2_000
    size: int = 40 * 2**30
    ratio: int = 50
    slack: int = 16 * 2**20
    depth: int = 32


LIMITS = Limits()


@dataclass(frozen=True)
class Member:
    """A file or folder in an archive.

    Args:
        name: as the archive has it; not to be trusted.
        size: bytes; 0 for a folder.
        folder: whether it is one.
        chunks: the bytes; to be read before the next member.
        read: bytes of the archive that have been read by then.
    """

    name: str
    size: int
    folder: bool
    chunks: Callable[[], Iterator[bytes]]
    read: int


class Refusal(Exception):
    """Why a member, or where its name is None the whole archive, is not unpacked; `refusing` says which archive."""

    def __init__(self, name: str | None, reason: str, damaged: bool = False):
        super().__init__(name, reason)
        self.name = name
        self.reason = reason
        self.damaged = damaged


@contextmanager
def refusing(archive: Path) -> Iterator[None]:
    """Turns what archive readers raise, and refusals, into errors that name archive and member.

    Raises:
        TrustError: a member is what none should be.
        DamagedError: the archive is cut short or changed, or is none.
    """
    shown = printable(str(archive))
    try:
        yield
    except Refusal as refusal:
        member = "the archive" if refusal.name is None else f"the member '{printable(refusal.name[:200])}'"
        kind, advice = (DamagedError, "Fetch it again.") if refusal.damaged else (TrustError, "Do not use it.")
        raise kind(f"{shown}: {member} {refusal.reason}. Nothing was unpacked. {advice}") from None
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise _damaged(shown, error) from None
    except (ValueError, LookupError, ArithmeticError, RuntimeError, struct.error) as error:  # of readers, at odd bytes
        raise _damaged(shown, error) from None
    except OSError as error:
        if error.errno is not None and not isinstance(error, gzip.BadGzipFile):
            raise
        raise _damaged(shown, error) from None


def _damaged(shown: str, error: Exception) -> DamagedError:
    reason = printable((str(error) or type(error).__name__)[:200]).rstrip(".")
    return DamagedError(f"{shown}: damaged ({reason}). Nothing was unpacked. Fetch it again.")


def check_mode(name: str, mode: int) -> None:
    """Refuse a file that would run as another user.

    Raises:
        Refusal: it would.
    """
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise Refusal(name, f"would run as another user (mode {stat.S_IMODE(mode):o})")
