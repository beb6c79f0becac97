"""The documentation, built once for all tests, strictly and with no way to the network."""

import fcntl
import functools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build(folder: Path, source: Path = ROOT / "mkdocs.yml") -> subprocess.CompletedProcess[str]:
    """Runs mkdocs, without --quiet, which makes it deaf to warnings; a proxy that answers nobody bars every way out."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", source, "--site-dir", folder],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"},
        timeout=300,
        check=False,
    )


@functools.cache
def built(base: Path) -> Path:
    """The site of this checkout, made by whoever needs it first: for all files and all workers of a run of tests.

    Args:
        base: folder of this worker, in that of the run.
    """
    together = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    site, unfinished = together / "site", together / "site-unfinished"
    with (together / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not site.exists():
            done = build(unfinished)
            assert done.returncode == 0, done.stderr
            assert "WARNING" not in done.stderr
            unfinished.rename(site)
    return site


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server of a folder, on this machine only."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
