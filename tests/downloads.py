"""What the tests of downloads share: two bodies, the one that is published and another, and how one is fetched."""

import hashlib
import random
from pathlib import Path

import pytest

from mixkit.download import server
from mixkit.download.download import download
from mixkit.download.sources import Archive, Checksum
from tests.http_server import Answer, Visit

BODY = random.Random(0).randbytes(1_500_000)
OTHER = random.Random(1).randbytes(len(BODY))
WHO = "a test"


def be_quick(monkeypatch: pytest.MonkeyPatch, silence: float = 0.4) -> None:
    """Servers of this machine, and no time is lost on them."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("mixkit.download.download.ATTEMPTS", 3)
    monkeypatch.setattr(server, "PAUSE", 0.01)
    monkeypatch.setattr(server, "SILENCE", silence)


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def archive_at(address: str, body: bytes = BODY) -> Archive:
    return Archive(address, len(body), Checksum("sha256", sha(body), WHO), unpacked=10 * len(body), files=100)


class Told:
    """Sentences and progress that a download gave."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.steps: list[tuple[str, int, int]] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, what: str, done: int, total: int) -> None:
        self.steps.append((what, done, total))


def fetch(address: str, target: Path, body: bytes = BODY) -> Told:
    told = Told()
    download(archive_at(address, body), target, told)
    return told


def expect_only(target: Path) -> None:
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert target.read_bytes() == BODY


def stops_early(after: int, says: int | None) -> Answer:
    """A server that hangs up; `says` is the length that it gives out, or None."""

    def answer(visit: Visit) -> None:
        visit.reply(200, BODY[:after], **({} if says is None else {"Content_Length": says}))

    return answer
