"""A server on this machine that behaves as badly as it is told to."""

import http.server
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Answer = Callable[["Visit"], None]


@dataclass
class Server:
    """What to answer where, and what was asked for."""

    port: int
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)  # path, range
    closing: threading.Event = field(default_factory=threading.Event)

    def serve(self, path: str, answer: Answer | bytes) -> str:
        """The address under which it will be given."""
        self.answers[path] = whole(answer) if isinstance(answer, bytes) else answer
        return f"http://127.0.0.1:{self.port}{path}"

    def count(self, path: str) -> int:
        """How often that was asked for."""
        return sum(asked == path for asked, _ in self.asked)


class Visit(http.server.BaseHTTPRequestHandler):
    """One request."""

    server_of: Server

    @property
    def start(self) -> int:
        """The first byte that is asked for."""
        return self._range[0]

    @property
    def stop(self) -> int | None:
        """The first byte that is not."""
        return self._range[1]

    @property
    def _range(self) -> tuple[int, int | None]:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        return (int(found[1]), int(found[2]) + 1 if found[2] else None) if found else (0, None)

    def do_GET(self) -> None:
        self.server_of.asked.append((self.path, self.headers.get("Range", "")))
        self.server_of.answers[self.path](self)

    def reply(self, status: int, body: bytes = b"", **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def whole(body: bytes, resumes: bool = True, chunk: int = 2**16, pause: float = 0.0) -> Answer:
    """A good server: the body, or the rest of it; at a measured pace if need be."""

    def answer(visit: Visit) -> None:
        start = visit.start if resumes else 0
        rest = body[start : visit.stop if resumes else None]
        if start:
            place = f"bytes {start}-{start + len(rest) - 1}/{len(body)}"
            visit.reply(206, Content_Length=len(rest), Content_Range=place)
        else:
            visit.reply(200, Content_Length=len(rest))
        for place in range(0, len(rest), chunk):
            visit.wfile.write(rest[place : place + chunk])
            time.sleep(pause)

    return answer


def first_then(first: Answer, times: int, then: Answer) -> Answer:
    count = iter(range(1000))

    def answer(visit: Visit) -> None:
        (first if next(count) < times else then)(visit)

    return answer


def status(code: int, **headers: object) -> Answer:
    return lambda visit: visit.reply(code, Content_Length=0, **headers)


class _Threads(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, address: object) -> None:
        """A client that hangs up is what these tests are about."""


@contextmanager
def running() -> Iterator[Server]:
    """A server until the end of the block."""

    class Handler(Visit):
        pass

    threads = _Threads(("127.0.0.1", 0), Handler)
    Handler.server_of = Server(threads.server_address[1])
    thread = threading.Thread(target=threads.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Handler.server_of
    finally:
        Handler.server_of.closing.set()
        threads.shutdown()
        threads.server_close()
        thread.join()
