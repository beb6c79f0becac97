"""Downloads: what arrives under its name is whole and the published file, whatever server, disk and scheduler do."""

import contextlib
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixkit.download import server as download_server
from mixkit.download.server import check_address
from mixkit.errors import DamagedError, DataError, MixkitError, TrustError
from tests.downloads import BODY, OTHER, be_quick, expect_only, fetch, sha, stops_early
from tests.http_server import Answer, Server, Visit, first_then, running, status, whole


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    be_quick(monkeypatch)


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as found:
        yield found


# What a server may do: short, wrong, endless, elsewhere, failing, silent


def endless(visit: Visit) -> None:
    visit.reply(200)
    while True:
        visit.wfile.write(bytes(2**16))


def silent(visit: Visit) -> None:
    visit.reply(200, BODY[visit.start : visit.start + 1000], Content_Length=len(BODY))
    visit.wfile.flush()
    visit.server_of.closing.wait(60)


def trickling(visit: Visit) -> None:
    visit.reply(200, b"", Content_Length=len(BODY))
    for place in range(600):
        visit.wfile.write(BODY[place : place + 1])
        visit.wfile.flush()
        if visit.server_of.closing.wait(0.1):
            return


def test_a_good_server(server: Server, tmp_path: Path) -> None:
    told = fetch(server.serve("/a", BODY), tmp_path / "a")
    expect_only(tmp_path / "a")
    assert told.said == []
    assert told.steps[-2:] == [("fetching", len(BODY), len(BODY)), ("verifying", 0, len(BODY))]
    assert server.asked == [("/a", "")]
    fetch("http://127.0.0.1:9/nobody", tmp_path / "a")  # verified where it lies


def test_a_plain_download_takes_what_comes(server: Server, tmp_path: Path) -> None:
    """The control: what the tests below are for."""
    address = server.serve("/short", stops_early(1000, None))
    urllib.request.urlretrieve(address, tmp_path / "plain")
    assert (tmp_path / "plain").stat().st_size == 1000
    urllib.request.urlretrieve(server.serve("/other", OTHER), tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == OTHER
    with urllib.request.urlopen(
        (tmp_path / "plain").as_uri()
    ) as anything:  # and its opener reads files of this machine
        assert len(anything.read()) == 1000


@pytest.mark.parametrize("says", [None, len(BODY)])
def test_a_short_body_is_gone_on_with(server: Server, tmp_path: Path, says: int | None) -> None:
    address = server.serve("/a", first_then(stops_early(700_000, says), 1, whole(BODY)))
    told = fetch(address, tmp_path / "a")
    expect_only(tmp_path / "a")
    assert server.asked == [("/a", ""), ("/a", "bytes=700000-")]
    stopped = "the server stopped after 700,000 of 1,500,000 bytes"
    assert told.said == [f"{address}: {stopped}; trying again in 0.01 s."]


def test_a_server_that_is_always_short_is_given_up(server: Server, tmp_path: Path) -> None:
    address = server.serve("/a", stops_early(1000, None))
    with pytest.raises(DataError) as caught:
        fetch(address, tmp_path / "a")
    assert str(caught.value) == (
        f"{address}: the server stopped after 1,000 of 1,500,000 bytes; given up after 3 attempts. Try again later: "
        f"what has come is kept. Or fetch the file in another way, and place it at {tmp_path / 'a'}"
    )
    assert server.count("/a") == 3
    assert not (tmp_path / "a").exists()


def test_a_wrong_body(server: Server, tmp_path: Path) -> None:
    address = server.serve("/a", OTHER)
    with pytest.raises(DamagedError) as caught:
        fetch(address, tmp_path / "a")
    assert str(caught.value) == (
        f"{address}: what came has the sha256 {sha(OTHER)}, but {sha(BODY)} is published (a test). "
        "Try again later; if it stays so, the data have changed there."
    )
    assert server.count("/a") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_endless_body(server: Server, tmp_path: Path) -> None:
    address = server.serve("/a", endless)
    with urllib.request.urlopen(address) as plain:  # the control: a plain reader would go on
        assert len(plain.read(4 * len(BODY))) == 4 * len(BODY)
    with pytest.raises(DamagedError) as caught:
        fetch(address, tmp_path / "a")
    assert str(caught.value) == (
        f"{address}: the server sends more than the 1,500,000 bytes that the published file has. "
        "Try again later; if it stays so, the data have changed there."
    )
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "a.part").stat().st_size == 0


def test_a_body_of_another_size_is_not_fetched(server: Server, tmp_path: Path) -> None:
    address = server.serve("/a", whole(BODY + b"more"))
    with pytest.raises(DamagedError) as caught:
        fetch(address, tmp_path / "a")
    assert str(caught.value).startswith(
        f"{address}: the server has a file of 1,500,004 bytes, but the published one has 1,500,000. Try again later;"
    )
    assert (tmp_path / "a.part").stat().st_size == 0


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("file:///etc/passwd", "'file:///etc/passwd', which is no web address. Data come over http and https only."),
        ("ftp://127.0.0.1/a", "'ftp://127.0.0.1/a', which is no web address. Data come over http and https only."),
        ("data:,hello", "'data:,hello', which is no web address. Data come over http and https only."),
        (
            "http://me:pw@127.0.0.1/a",
            "'http://me:pw@127.0.0.1/a', which holds a name or password. Data are fetched without any.",
        ),
    ],
)
def test_redirects_that_are_refused(server: Server, tmp_path: Path, to: str, reason: str) -> None:
    address = server.serve("/a", status(302, Location=to))
    with pytest.raises(TrustError) as caught:
        fetch(address, tmp_path / "a")
    assert str(caught.value) == f"{address}: redirects to {reason}"
    assert server.count("/a") == 1
    assert not (tmp_path / "a").exists()


def test_addresses() -> None:
    for good, leading in (
        ("https://a.org/b", None),
        ("https://b.org/c", "https://a.org/b"),
        ("https://b.org/c", "http://a.org/b"),
        ("http://b.org/c", "http://a.org/b"),
    ):
        assert check_address(good, leading) == good
    with pytest.raises(TrustError) as caught:
        check_address("http://b.org/c", "https://a.org/b")
    assert str(caught.value) == (
        "https://a.org/b: redirects to 'http://b.org/c', which is not encrypted. "
        "What begins with https has to stay there."
    )
    with pytest.raises(TrustError, match=r"^an address is 'file:///a', which is no web address"):
        check_address("file:///a")


def test_a_redirect_to_another_host_is_followed_and_verified(server: Server, tmp_path: Path) -> None:
    with running() as elsewhere:
        good = server.serve("/a", status(302, Location=elsewhere.serve("/there", BODY)))
        fetch(good, tmp_path / "a")
        expect_only(tmp_path / "a")
        bad = server.serve("/b", status(302, Location=elsewhere.serve("/bad", OTHER)))
        with pytest.raises(DamagedError):
            fetch(bad, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_redirects_in_a_circle(server: Server, tmp_path: Path) -> None:
    address = server.serve("/a", status(301, Location="/a"))
    with pytest.raises(DataError, match="redirects more than 5 times"):
        fetch(address, tmp_path / "a")
    assert server.count("/a") == 6


def test_errors_that_pass(server: Server, tmp_path: Path) -> None:
    address = server.serve("/a", first_then(status(500), 2, whole(BODY)))
    told = fetch(address, tmp_path / "a")
    expect_only(tmp_path / "a")
    answers = f"{address}: the server answers 500 Internal Server Error; trying again in"
    assert told.said == [f"{answers} 0.01 s.", f"{answers} 0.02 s."]


def test_a_server_may_ask_for_a_pause(server: Server, tmp_path: Path) -> None:
    address = server.serve("/a", first_then(status(503, Retry_After=1), 1, whole(BODY)))
    told = fetch(address, tmp_path / "a")
    assert told.said == [f"{address}: the server answers 503 Service Unavailable; trying again in 1 s."]


def test_errors_that_stay(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the server answers 500 Internal Server Error; given up after 3 attempts"):
        fetch(server.serve("/a", status(500)), tmp_path / "a")
    assert server.count("/a") == 3
    with pytest.raises(DataError, match=r"the server answers 404 Not Found. Look whether the data have moved.$"):
        fetch(server.serve("/gone", status(404)), tmp_path / "a")
    assert server.count("/gone") == 1


def test_nobody_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DataError, match="Connection refused; given up after 3 attempts"):
        fetch(f"http://127.0.0.1:{port}/a", tmp_path / "a")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [(silent, "the server is silent"), (trickling, "the server sends less than 1,024 bytes a second")],
)
def test_a_server_that_stalls(server: Server, tmp_path: Path, behaviour: Answer, reason: str) -> None:
    address = server.serve("/a", first_then(behaviour, 1, whole(BODY)))
    told = fetch(address, tmp_path / "a")  # which would take a minute if it were waited for
    expect_only(tmp_path / "a")
    assert told.said == [f"{address}: {reason}; trying again in 0.01 s."]


def test_a_plain_download_waits_for_a_server_that_stalls(server: Server, tmp_path: Path) -> None:
    """The control."""
    address = server.serve("/a", silent)

    def plainly() -> None:
        with contextlib.suppress(OSError):
            urllib.request.urlretrieve(address, tmp_path / "plain")

    waiting = threading.Thread(target=plainly)
    waiting.start()
    waiting.join(2 * download_server.SILENCE)
    assert waiting.is_alive()
    server.closing.set()
    waiting.join(10)


def test_odd_answers_are_no_crash(server: Server, tmp_path: Path) -> None:
    def nonsense(visit: Visit) -> None:
        visit.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")

    def hangs_up(visit: Visit) -> None:
        visit.connection.shutdown(socket.SHUT_RDWR)

    for number, answer in enumerate((nonsense, hangs_up, status(206), status(416), status(204))):
        with pytest.raises(MixkitError, match=rf"^http://127.0.0.1:\d+/{number}: "):
            fetch(server.serve(f"/{number}", answer), tmp_path / "a")
        assert not (tmp_path / "a").exists()
