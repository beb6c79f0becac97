"""Getting a data set, killed at any moment: nothing half done is taken for complete, and the next one ends it."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.archives import tar_gz
from tests.http_server import running, whole

ROOT = Path(__file__).parents[1]
COUNT = 300
FILES = {f"{number % 7}/{number}.wav": b"%d" % number * 50 for number in range(COUNT)}
PACKED = tar_gz(FILES, "Top/")
KILLS = 20

# Forks a process for every line that it is given, so that what is killed is at work and not still importing. It does
# without waiting for the disk, which takes as long as others keep it busy, and helps where power is cut, not a process.
NURSERY = """
import os, signal, sys, tarfile, time, urllib.request
from pathlib import Path
from mixkit.download import download, server
from mixkit.download.get import get
from mixkit.download.sources import Archive, Checksum, Source

os.sync = os.fsync = lambda *_: None
download.ATTEMPTS, server.PAUSE, server.SILENCE = 3, 0.05, 5.0

class Quiet:
    say = progress = lambda *_: None

def ours(address, checksum, size, folder):
    archive = Archive(address, size, Checksum("sha256", checksum, "a test"), 2_000_000, 9000, "Top")
    get(Source("sounds", "", "", "", archive), folder, Quiet())

def naive(address, checksum, size, folder):
    packed = folder.with_name("sounds.tar.gz")
    folder.parent.mkdir(exist_ok=True)
    if not packed.exists():
        urllib.request.urlretrieve(address, packed)
    if not folder.exists():
        with tarfile.open(packed) as tar:
            for member in tar:
                member.name = member.name.removeprefix("Top/")
                tar.extract(member, folder, filter="data")

for line in sys.stdin:
    how, address, checksum, size, folder, moment = line.split()
    child = os.fork()
    if not child:
        code = 1
        try:
            {"ours": ours, "naive": naive}[how](address, checksum, int(size), Path(folder))
            code = 0
        finally:
            os._exit(code)
    if moment != "never":
        time.sleep(float(moment))
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass
class Nursery:
    """Where the processes that are killed come from."""

    process: subprocess.Popen[str]
    address: str
    how: str

    def run(self, folder: Path, killed_after: float | str = "never") -> int:
        """One attempt to have the data there; its exit code, -9 if it was killed before it ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        words = (self.how, self.address, hashlib.sha256(PACKED).hexdigest(), len(PACKED), folder, killed_after)
        print(*words, file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


@pytest.fixture(params=["ours", "naive"])
def nursery(request: pytest.FixtureRequest) -> Iterator[Nursery]:
    with running() as server:
        address = server.serve("/sounds.tar.gz", whole(PACKED, chunk=len(PACKED) // 30, pause=0.003))
        process = subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # where it is naive it ends with a stack trace
            text=True,
            env={**os.environ, "no_proxy": "*"},
            cwd=ROOT,
        )
        yield Nursery(process, address, request.param)
        process.communicate(timeout=30)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_killed_at_any_moment_and_then_again(nursery: Nursery, tmp_path: Path) -> None:
    """Up to three kills at random moments, then an attempt that nobody disturbs; and so on, to twenty kills
    or more, until some fell into the download and some into the unpacking.

    The control: to fetch and unpack straight to the names, and to trust what lies there.
    """
    assert nursery.run(tmp_path / "whole" / "sounds") == 0
    undisturbed = contents(tmp_path / "whole" / "sounds")
    assert {name: body for name, body in undisturbed.items() if name != ".mixkit.json"} == FILES
    assert nursery.how == "naive" or json.loads(undisturbed[".mixkit.json"])["files"] == COUNT

    rng, seen, longest = random.Random(0), Counter[str](), 0.3
    parent = tmp_path / "data"
    for attempt in range(1, 100):
        code = nursery.run(parent / "sounds", rng.uniform(0, longest))
        if code == -signal.SIGKILL:
            longest *= 1.05
            seen["killed"] += 1
            seen["fetching"] += (parent / "sounds.tar.gz.part").exists()
            seen["unpacking"] += any(parent.glob(".*.part/*"))
            seen["half"] += (parent / "sounds").exists() and contents(parent / "sounds") != undisturbed
        else:
            longest *= 0.7
        if code != -signal.SIGKILL or attempt % 3 == 0:
            ended = nursery.run(parent / "sounds")
            seen["wrong"] += ended != 0 or contents(parent / "sounds") != undisturbed
            assert nursery.how == "naive" or {path.name for path in parent.iterdir()} <= {"sounds", "sounds.tar.gz"}
            shutil.rmtree(parent)
        everywhere = seen["killed"] >= KILLS and seen["fetching"] and seen["unpacking"]
        if everywhere or (nursery.how == "naive" and seen["wrong"]):
            break
    if nursery.how == "naive":
        assert seen["wrong"] > 0, seen
    else:
        assert seen["killed"] >= KILLS, seen
        assert (seen["half"], seen["wrong"]) == (0, 0), seen
        assert seen["fetching"] > 0, seen
        assert seen["unpacking"] > 0, seen
