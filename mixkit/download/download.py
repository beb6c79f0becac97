"""A file from a server: whole, and the published one, or not there at all."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from mixkit.download.server import Body, Interrupted, request
from mixkit.download.sources import Archive
from mixkit.errors import DamagedError, DataError, printable
from mixkit.storage.atomic import sync_folder, writing
from mixkit.storage.regular import open_regular

FIX = "Free the disk, or use another folder."
HEADWAY = 2**20  # bytes that make up for the failures before them
ATTEMPTS = 5  # failures in a row, with less headway between them, after which a server is given up


class Watcher(Protocol):
    """Is called as a download goes on."""

    def say(self, text: str) -> None:
        """A sentence for the user."""

    def progress(self, what: str, done: int, total: int) -> None:
        """What is done, how many bytes of it, and of how many."""


def download(archive: Archive, target: Path, watcher: Watcher) -> None:
    """Fetch a file, or the rest of one, and verify it.

    What has come so far lies beside the target as `.part`, and is gone on with; the target itself appears once it is
    the published file, and not before. The caller sees to it that nobody else fetches the same one.

    Args:
        archive: what to fetch.
        target: where it shall lie. If it lies there already, it is verified, and fetched again if it is damaged.
        watcher: is called with how far it is, and with what goes wrong on the way.

    Raises:
        DamagedError: what the server sends is not the published file.
        DataError: the server does not give it out, or cannot be reached.
        RunError: the disk is full, or the place cannot be written to.
        TrustError: the server leads elsewhere than to http or https.
    """
    if target.is_file():
        watcher.say(f"{printable(target)} is there; verifying it.")
        if archive.checksum.of(target) == archive.checksum.value:
            return
        watcher.say(f"{printable(target)} is not the published file; fetching it again.")
    part = target.with_name(f"{target.name}.part")
    attempt = _Attempt(archive, part, watcher)
    resumed = attempt.fill()
    found = attempt.checksum()
    if found != archive.checksum.value and resumed:
        watcher.say("the parts that were fetched do not fit together; fetching all of it again.")
        part.unlink()
        attempt.fill()
        found = attempt.checksum()
    if found != archive.checksum.value:
        part.unlink()
        raise DamagedError(
            f"{archive.address}: what came has the {archive.checksum.kind} {found}, but {archive.checksum.value} is "
            f"published ({archive.checksum.published}). Try again later; if it stays so, the data have changed there."
        )
    part.replace(target)
    sync_folder(target.parent)


@dataclass
class _Attempt:
    """The work on one `.part` file."""

    archive: Archive
    part: Path
    watcher: Watcher
    etag: str | None = None

    def fill(self) -> bool:
        """Fetches until the size is right; returns whether what there is came in parts."""
        size, failures, reached = self.archive.size, 0, 0
        with writing(self.part, size, FIX):
            part = open_regular(self.part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        with part:
            if part.seek(0, os.SEEK_END) > size:
                part.truncate(0)
            resumed = part.seek(0, os.SEEK_END) > 0
            while (have := part.seek(0, os.SEEK_END)) < size:
                try:
                    with request(self.archive.address, have, self.etag) as body:
                        resumed = body.start > 0
                        self._take(body, part)
                except Interrupted as interrupted:
                    if interrupted.afresh:
                        part.truncate(0)
                    have = part.seek(0, os.SEEK_END)
                    failures = 1 if have >= reached + HEADWAY else failures + 1
                    reached = max(reached, have)
                    self._wait(interrupted, failures)
            with writing(self.part, 0, FIX):
                os.fsync(part.fileno())
        return resumed

    def checksum(self) -> str:
        """Of what has come."""
        self.watcher.progress("verifying", 0, self.archive.size)
        return self.archive.checksum.of(self.part)

    def _take(self, body: Body, part: BinaryIO) -> None:
        size, address = self.archive.size, self.archive.address
        if body.total is not None and body.total != size:
            raise DamagedError(
                f"{address}: the server has a file of {body.total:,} bytes, but the published one has {size:,}. "
                "Try again later; if it stays so, the data have changed there."
            )
        self.etag = body.etag if body.etag and not body.etag.startswith("W/") else None
        part.truncate(body.start)
        have = part.seek(body.start)
        for chunk in body.chunks:
            if have + len(chunk) > size:
                part.truncate(0)
                raise DamagedError(
                    f"{address}: the server sends more than the {size:,} bytes that the published file has. "
                    "Try again later; if it stays so, the data have changed there."
                )
            with writing(self.part, size - have, FIX):
                while chunk:
                    chunk = chunk[part.write(chunk) :]
            have = part.tell()
            self.watcher.progress("fetching", have, size)
        if have < size:
            raise Interrupted(f"the server stopped after {have:,} of {size:,} bytes")

    def _wait(self, interrupted: Interrupted, failures: int) -> None:
        address = self.archive.address
        if failures >= ATTEMPTS:
            raise DataError(
                f"{address}: {interrupted.reason}; given up after {failures} attempts. Try again later: what has come "
                f"is kept. Or fetch the file in another way, and place it at {printable(self.part.with_suffix(''))}"
            ) from None
        pause = interrupted.wait(failures)
        self.watcher.say(f"{address}: {interrupted.reason}; trying again in {pause:g} s.")
        time.sleep(pause)
