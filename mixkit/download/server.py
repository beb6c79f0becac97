"""One request to a server: http and https only, redirects looked at one by one, nothing waited for without end."""

import http.client
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from mixkit.errors import DataError, TrustError, printable
from mixkit.version import __version__

REDIRECTS = 5
CHUNK = 2**18
SILENCE = 30.0  # seconds without a byte, or with a trickle, that count as a failure
PAUSE = 1.0  # seconds before the second attempt
SLOWEST = 1024  # bytes a second
AGAIN = {408, 425, 429, 500, 502, 503, 504}  # answers that may be another one in a while


class Interrupted(Exception):
    """The server failed in a way that may pass.

    Args:
        reason: what it did.
        pause: seconds that it asks to be left alone.
        afresh: what has come so far is of no use to it.
    """

    def __init__(self, reason: str, pause: float = 0.0, afresh: bool = False):
        super().__init__(reason)
        self.reason = reason
        self.pause = pause
        self.afresh = afresh

    def wait(self, failures: int) -> float:
        """Seconds to leave the server alone after so many failures in a row: twice as long each time."""
        return max(min(PAUSE * 2 ** (failures - 1), 30.0), self.pause)


@dataclass(frozen=True)
class Body:
    """What a server sends.

    Args:
        start: place of the first byte in the whole file.
        total: bytes of the whole file, as it says; None if it does not.
        etag: its name for this very version of the file, or None.
        chunks: the bytes.
    """

    start: int
    total: int | None
    etag: str | None
    chunks: Iterator[bytes]


@contextmanager
def request(address: str, start: int, etag: str | None = None, stop: int | None = None) -> Iterator[Body]:
    """Ask for a file from some byte on.

    Args:
        address: http or https.
        start: the first byte wanted; the server may begin at 0 all the same.
        stop: the first byte that is not wanted any more, which it may send all the same; None for none.
        etag: of the version that the bytes before `start` came from; of another one, all is sent.

    Raises:
        Interrupted: the server or the way there failed, and may not next time.
        DataError: it does not give out the file.
        TrustError: it leads elsewhere than to http or https.
    """
    headers = {"User-Agent": f"mixkit/{__version__}", "Accept-Encoding": "identity"}
    if start or stop is not None:
        headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        if etag:
            headers["If-Range"] = etag
    response = _follow(address, headers)
    try:
        yield _body(response, address, start)
    finally:
        response.close()


def check_address(address: str, leading_there: str | None = None) -> str:
    """The address, if it is one to fetch from.

    Args:
        address: to be looked at.
        leading_there: the address that redirects to it, or None.

    Raises:
        TrustError: it is neither http nor https, gives up encryption on the way, or carries a password.
    """
    parts = urlsplit(address)
    asked = f"{leading_there}: redirects to" if leading_there else "an address is"
    shown = f"{asked} '{printable(address[:300])}'"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TrustError(f"{shown}, which is no web address. Data come over http and https only.")
    if leading_there and urlsplit(leading_there).scheme == "https" and parts.scheme == "http":
        raise TrustError(f"{shown}, which is not encrypted. What begins with https has to stay there.")
    if "@" in parts.netloc:
        raise TrustError(f"{shown}, which holds a name or password. Data are fetched without any.")
    return address


def _follow(address: str, headers: dict[str, str]) -> Any:
    """The response of the server that redirects end at."""
    opener = urllib.request.OpenerDirector()  # the ready-made one also opens file:, ftp: and data:
    for handler in (urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
        opener.add_handler(handler())
    place = check_address(address)
    for _ in range(REDIRECTS + 1):
        with _interruptions():
            response = opener.open(urllib.request.Request(place, headers=headers), timeout=SILENCE)
        if response is None:
            raise TrustError(f"{place}: nothing here can open it. Data come over http and https only.")
        if response.status not in (301, 302, 303, 307, 308):
            return response
        leads_to = response.headers.get("Location", "")
        response.close()
        place = check_address(urljoin(place, leads_to), place)
    raise DataError(f"{address}: redirects more than {REDIRECTS} times, at last to {place}. Try again later.")


def _body(response: Any, address: str, start: int) -> Body:
    status, headers = response.status, response.headers
    if status in AGAIN:
        asked = headers.get("Retry-After", "")
        pause = float(asked) if re.fullmatch(r"\d{1,4}", asked) else 0.0
        raise Interrupted(f"the server answers {status} {response.reason}", min(pause, 60.0))
    if status == 206:
        found = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", headers.get("Content-Range", ""))
        if found is None or int(found[1]) != start:
            raise Interrupted("the server sends another part of the file than was asked for", afresh=True)
        return Body(start, None if found[3] == "*" else int(found[3]), headers.get("ETag"), _chunks(response))
    if status == 416:
        raise Interrupted("the server does not have the rest of the file", afresh=True)
    if status != 200:
        raise DataError(
            f"{address}: the server answers {status} {printable(response.reason)}. Look whether the data have moved."
        )
    length = headers.get("Content-Length", "")
    total = int(length) if re.fullmatch(r"\d{1,18}", length) else None
    return Body(0, total, headers.get("ETag"), _chunks(response))


def _chunks(response: Any) -> Iterator[bytes]:
    """The body as it comes in; a trickle counts as silence."""
    since, count = time.monotonic(), 0
    while True:
        with _interruptions():
            chunk: bytes = response.read1(CHUNK)
        if not chunk:
            return
        yield chunk
        count += len(chunk)
        if (passed := time.monotonic() - since) > SILENCE:
            if count < SLOWEST * passed:
                raise Interrupted(f"the server sends less than {SLOWEST:,} bytes a second")
            since, count = time.monotonic(), 0


@contextmanager
def _interruptions() -> Iterator[None]:
    """Turns what a network can do into one word for it."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise DataError(
                f"the server's certificate does not hold: {reason.verify_message}. Set the clock, or SSL_CERT_FILE."
            ) from None
        if isinstance(reason, TimeoutError):
            raise Interrupted("the server is silent") from None
        if isinstance(reason, socket.gaierror):
            raise Interrupted("the name of the server is not known: there seems to be no network") from None
        text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        raise Interrupted(printable(text[:200])) from None
