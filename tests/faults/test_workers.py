"""Whatever becomes of a data worker ends in an error that names the clip and the fault; no worker is left behind."""

import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from mixkit.audio import cache
from mixkit.audio.length import Length
from mixkit.data import workers
from mixkit.data.batches import Batches, ClipAudio, Order
from mixkit.data.waveforms import Waveforms
from mixkit.errors import DataError
from mixkit.registry import Clip

CPU = torch.device("cpu")
RATE = 8000
BAD = 13
ADVICE = "Remove that file if it is at fault; to read without workers, set train.workers = 0."


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hang is noticed after 3 s; a test that hangs itself is ended after 60."""
    monkeypatch.setattr(workers, "LIMIT", 3.0)

    def hangs(*_: object) -> None:
        raise TimeoutError("the test hangs")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    made = []
    for number in range(24):
        path = tmp_path / f"{number:02d}.wav"
        soundfile.write(path, np.full(400, 0.1), RATE)
        made.append(Clip(path, "a", f"g{number}"))
    return made


def read_all(clips: list[Clip], count: int, epochs: int = 1) -> int:
    audio = ClipAudio(clips, ("a",), Waveforms(RATE), Length(400))
    batches = Batches(audio, Order(len(clips), 4, seed=0), CPU, count)
    return sum(len(batch.items) for epoch in range(epochs) for batch in batches.epoch(epoch))


def strike(monkeypatch: pytest.MonkeyPatch, path: Path, fault: Callable[[], Any]) -> None:
    """Have the reading of one file end in a fault."""
    real = cache.read
    monkeypatch.setattr(cache, "read", lambda p, *rest: fault() if Path(p) == path else real(p, *rest))


def children() -> set[int]:
    """Processes that this one has started and that still run."""
    found = set()
    for line in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        state = Path(f"/proc/{line}/stat").read_text().rpartition(")")[2].split()[0]
        found |= {int(line)} if state != "Z" else set()
    return found


class Unpicklable(Exception):
    """Neither goes through a pipe nor can say what it is."""

    def __init__(self, one: object, other: object):
        super().__init__()

    def __str__(self) -> str:
        raise RuntimeError

    def __reduce__(self) -> Any:
        raise pickle.PicklingError("never")


def kill(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def raises(error: BaseException) -> Callable[[], None]:
    def fault() -> None:
        raise error

    return fault


def exhaust_shared_memory() -> torch.Tensor:
    """Every file of this process is full from here on, those in shared memory too."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
    return torch.zeros(400)


WHILE = "while it read this"
CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "SIGSEGV": (kill(signal.SIGSEGV), f"data worker 2 of 2 was killed by SIGSEGV {WHILE}. {ADVICE}"),
    "SIGKILL": (kill(signal.SIGKILL), f"data worker 2 of 2 was killed by SIGKILL {WHILE}. {ADVICE}"),
    "SIGBUS": (
        kill(signal.SIGBUS),
        f"data worker 2 of 2 was killed by SIGBUS (as when shared memory is full) {WHILE}. {ADVICE}",
    ),
    "exit 0": (lambda: os._exit(0), f"data worker 2 of 2 ended with exit code 0 {WHILE}. {ADVICE}"),
    "exit 3": (lambda: os._exit(3), f"data worker 2 of 2 ended with exit code 3 {WHILE}. {ADVICE}"),
    "sys.exit": (raises(SystemExit(4)), f"data worker 2 of 2 ended with exit code 4 {WHILE}. {ADVICE}"),
    "hang": (lambda: time.sleep(1000), f"data worker 2 of 2 has not answered for 3 s {WHILE}. {ADVICE}"),
    "stopped": (kill(signal.SIGSTOP), f"data worker 2 of 2 has not answered for 3 s {WHILE}. {ADVICE}"),
    "unpicklable": (raises(Unpicklable(1, 2)), "reading it failed (Unpicklable)."),
    "memory": (raises(MemoryError()), "reading it failed (MemoryError)."),
    "libsndfile": (
        raises(soundfile.LibsndfileError(1, "Error opening: ")),
        "reading it failed (LibsndfileError: Error opening: Format not recognised).",
    ),
    "shape": (lambda: torch.zeros(2, 400), "was read as torch.float32 [2, 400], and not as a row of samples."),
    "kind": (lambda: None, "was read as NoneType, and not as a row of samples."),
}
IN_MAIN = ("unpicklable", "memory", "libsndfile", "shape", "kind")


@pytest.mark.parametrize("kind", CASES)
def test_a_worker_that_fails_is_told_with_its_clip(
    clips: list[Clip], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    before = children()
    fault, message = CASES[kind]
    strike(monkeypatch, clips[BAD].path, fault)
    with pytest.raises(DataError) as caught:
        read_all(clips, 2)
    worker = str(caught.value).replace("data worker 1 of 2", "data worker 2 of 2")  # by the order of the batches
    assert worker == f"{clips[BAD].path}: {message}"
    del caught
    assert children() <= before


@pytest.mark.parametrize("kind", IN_MAIN)
def test_without_workers_the_same_is_told(clips: list[Clip], monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    fault, message = CASES[kind]
    strike(monkeypatch, clips[BAD].path, fault)
    with pytest.raises(DataError) as caught:
        read_all(clips, 0)
    assert str(caught.value) == f"{clips[BAD].path}: {message}"


def test_good_workers_read_all(clips: list[Clip]) -> None:
    """The control of all of the above."""
    before = children()
    assert read_all(clips, 2, epochs=2) == 48
    assert children() <= before


def test_full_shared_memory_is_told(clips: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    strike(monkeypatch, clips[BAD].path, exhaust_shared_memory)
    with pytest.raises(DataError) as caught:
        read_all(clips, 2)
    said = str(caught.value)
    assert said.startswith("4 clips cannot be handed over by a data worker (RuntimeError: ")
    assert said.endswith("). Give it more shared memory (/dev/shm), or set train.workers = 0.")


def test_a_worker_that_dies_between_epochs_is_told(clips: list[Clip]) -> None:
    audio = ClipAudio(clips, ("a",), Waveforms(RATE), Length(400))
    batches = Batches(audio, Order(len(clips), 4, seed=0), CPU, 2)
    list(batches.epoch(0))
    os.kill(batches.readers._processes[0].pid, signal.SIGKILL)
    with pytest.raises(DataError, match=r"data worker 1 of 2 was killed by SIGKILL after this\."):
        list(batches.epoch(1))
    assert len(list(batches.epoch(1))) == 6  # others take their place


def test_the_handler_that_another_loader_left_does_not_raise_where_workers_are_ended(clips: list[Clip]) -> None:
    """torch's own loaders leave one behind that raises wherever a worker was killed, if only on purpose."""
    before = signal.signal(signal.SIGCHLD, lambda *_: torch._C._error_if_any_worker_fails())
    try:
        batches = Batches(ClipAudio(clips, ("a",), Waveforms(RATE), Length(400)), Order(len(clips), 4, seed=0), CPU, 2)
        assert len(next(batches.epoch(0)).items) == 4
        batches.readers._end()
        time.sleep(0.1)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_an_epoch_that_was_broken_off_leaves_nothing_behind(clips: list[Clip]) -> None:
    audio = ClipAudio(clips, ("a",), Waveforms(RATE), Length(400))
    batches = Batches(audio, Order(len(clips), 4, seed=0), CPU, 2)
    next(batches.epoch(0))
    found = [(batch.epoch, batch.items.tolist()) for batch in batches.epoch(1)]
    alone = Batches(audio, Order(len(clips), 4, seed=0), CPU)
    assert found == [(batch.epoch, batch.items.tolist()) for batch in alone.epoch(1)]


PARENT = """
import os, sys, time
import torch
from pathlib import Path
from mixkit.audio import cache
from mixkit.audio.length import Length
from mixkit.registry import Clip
from mixkit.data.batches import Batches, ClipAudio, Order
from mixkit.data.waveforms import Waveforms

folder, way = Path(sys.argv[1]), sys.argv[2]
slow = way.endswith("stuck")
clips = [Clip(path, "a", path.name) for path in sorted(folder.glob("*.wav"))]
real = cache.read
cache.read = lambda path, *rest: time.sleep(1000) if slow and path.name == "13.wav" else real(path, *rest)
batches = Batches(ClipAudio(clips, ("a",), Waveforms(8000), Length(400)), Order(24, 4), torch.device("cpu"), 2).epoch(0)
next(batches)
children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
print(children, flush=True)
if way.startswith("wait"):
    time.sleep(1000)
"""


@pytest.mark.parametrize("way", ["wait", "wait stuck", "end stuck"])
def test_no_worker_outlives_its_parent(clips: list[Clip], tmp_path: Path, way: str) -> None:
    """The parent is killed, its workers idle or stuck; or it comes to its end while one is stuck."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), way],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "MIXKIT_AUDIO_CACHE": "0"},
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    if way.startswith("wait"):
        assert all(alive(pid) for pid in pids)
        parent.send_signal(signal.SIGKILL)
    else:
        assert parent.wait(30) == 0
    parent.stdout.close()
    parent.wait(30)
    end = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.1)
    left = [pid for pid in pids if alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def test_signals_to_the_group_are_left_to_the_parent(clips: list[Clip]) -> None:
    audio = ClipAudio(clips, ("a",), Waveforms(RATE), Length(400))
    batches = Batches(audio, Order(len(clips), 4, seed=0), CPU, 2)
    passing = batches.epoch(0)
    next(passing)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
        for process in batches.readers._processes:
            os.kill(process.pid, number)
    assert len(list(passing)) == 5


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
