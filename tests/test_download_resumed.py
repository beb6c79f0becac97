"""Downloads that find something there: a part, a file, damage, a link; what arrives is whole all the same."""

import random
import re
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixkit.errors import DamagedError, RunError
from tests.downloads import BODY, OTHER, be_quick, expect_only, fetch, sha, stops_early
from tests.http_server import Answer, Server, Visit, first_then, running, status, whole


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    be_quick(monkeypatch)


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as found:
        yield found


def test_the_rest_of_a_part(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(BODY[:1_000_000])
    fetch(server.serve("/a", BODY), tmp_path / "a")
    expect_only(tmp_path / "a")
    assert server.asked == [("/a", "bytes=1000000-")]


def test_a_part_that_is_whole(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(BODY)
    fetch(server.serve("/a", BODY), tmp_path / "a")
    expect_only(tmp_path / "a")
    assert server.asked == []


def test_a_server_that_cannot_go_on(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(OTHER[:1_000_000])
    told = fetch(server.serve("/a", whole(BODY, resumes=False)), tmp_path / "a")
    expect_only(tmp_path / "a")
    assert server.count("/a") == 1
    assert told.said == []


def test_a_server_that_begins_anew_and_stops(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(OTHER[:1_000_000])
    address = server.serve("/a", first_then(stops_early(700_000, len(BODY)), 1, whole(BODY)))
    told = fetch(address, tmp_path / "a")
    expect_only(tmp_path / "a")
    assert [asked for _, asked in server.asked] == ["bytes=1000000-", "bytes=700000-"]
    assert len(told.said) == 1


def other_part(visit: Visit) -> None:
    start = visit.start - 1
    visit.reply(206, BODY[start:], Content_Range=f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (status(416), "the server does not have the rest of the file"),
        (status(206), "the server sends another part of the file than was asked for"),
        (other_part, "the server sends another part of the file than was asked for"),
    ],
)
def test_a_part_that_is_of_no_use(server: Server, tmp_path: Path, behaviour: Answer, reason: str) -> None:
    (tmp_path / "a.part").write_bytes(BODY[:1_000_000])
    address = server.serve("/a", first_then(behaviour, 1, whole(BODY)))
    told = fetch(address, tmp_path / "a")
    expect_only(tmp_path / "a")
    assert [asked for _, asked in server.asked] == ["bytes=1000000-", ""]
    assert told.said == [f"{address}: {reason}; trying again in 0.01 s."]


@pytest.mark.parametrize("part", [OTHER[:1_000_000], OTHER, BODY[:999_999] + b"?", BODY + b"more"])
def test_a_wrong_part_is_fetched_anew_once(server: Server, tmp_path: Path, part: bytes) -> None:
    (tmp_path / "a.part").write_bytes(part)
    told = fetch(server.serve("/a", BODY), tmp_path / "a")
    expect_only(tmp_path / "a")
    assert server.asked[-1] == ("/a", "")
    assert told.said == (
        ["the parts that were fetched do not fit together; fetching all of it again."] if len(part) <= len(BODY) else []
    )
    naive = part[:1_000_000] + BODY[len(part[:1_000_000]) :]  # the control: to append what a server sends
    assert (sha(naive) == sha(BODY)) == (len(part) > len(BODY))


def test_a_wrong_part_of_a_wrong_file_ends(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(BODY[:1_000_000])
    with pytest.raises(DamagedError):
        fetch(server.serve("/a", OTHER), tmp_path / "a")
    assert server.asked == [("/a", "bytes=1000000-"), ("/a", "")]
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_changes_between_two_requests(server: Server, tmp_path: Path) -> None:
    def changing(visit: Visit) -> None:
        if not visit.start:
            visit.reply(200, OTHER[:700_000], Content_Length=len(BODY), ETag='"old"')
        elif visit.headers["If-Range"] == '"old"':
            whole(BODY, resumes=False)(visit)

    told = fetch(server.serve("/a", changing), tmp_path / "a")
    expect_only(tmp_path / "a")
    assert server.asked == [("/a", ""), ("/a", "bytes=700000-")]
    assert len(told.said) == 1


def test_a_damaged_file_under_the_name_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(OTHER)
    told = fetch(server.serve("/a", BODY), tmp_path / "a")
    expect_only(tmp_path / "a")
    assert told.said == [
        f"{tmp_path / 'a'} is there; verifying it.",
        f"{tmp_path / 'a'} is not the published file; fetching it again.",
    ]


def test_damage_is_found_wherever_it_is(server: Server, tmp_path: Path) -> None:
    """In a file that was kept, and in a part that is gone on with: bits, sectors, ends, and more than there was."""
    rng = random.Random(0)
    address = server.serve("/a", BODY)
    for number in range(50):
        body = bytearray(BODY)
        place = rng.randrange(len(body) - 512)
        if number % 5 == 0:
            body[place] ^= 1 << rng.randrange(8)
        elif number % 5 == 1:
            body[place : place + 512] = bytes(512)
        elif number % 5 == 2:
            body = body[:place]
        elif number % 5 == 3:
            body += b"more"
        else:
            body[place : place + 512] = OTHER[place : place + 512]
        (tmp_path / ("a" if number % 2 else "a.part")).write_bytes(body)
        fetch(address, tmp_path / "a")
        expect_only(tmp_path / "a")
        (tmp_path / "a").unlink()


def test_a_part_that_leads_elsewhere_is_not_followed(server: Server, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "a.part").symlink_to(victim)
    with pytest.raises(RunError, match="cannot be written"):
        fetch(server.serve("/a", BODY), tmp_path / "a")
    assert victim.read_text() == "mine"


def test_a_full_disk(server: Server, tmp_path: Path) -> None:
    """A real limit on the size of files stands in for the disk."""
    address = server.serve("/a", BODY)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(RunError) as caught:
            fetch(address, tmp_path / "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert re.fullmatch(
        rf"{tmp_path}/a\.part cannot be written: File too large; 0\.[56] MB are needed, [0-9.,]+ MB are free\. "
        r"Free the disk, or use another folder\.",
        str(caught.value),
    )
    assert not (tmp_path / "a").exists()
    fetch(address, tmp_path / "a")  # and goes on with what there is
    expect_only(tmp_path / "a")
    assert server.asked[-1] == ("/a", "bytes=1000000-")
