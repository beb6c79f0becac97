"""The folder of the audio cache: bounded, cleared of what dead writers left, and whole after a kill at any moment."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mixkit.audio.store import HEAD, Store

ROOM = 2**30


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", ROOM)


def test_the_oldest_use_goes_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache", ROOM)
    keys = [bytes([number]) * 32 for number in range(10)]
    for number, key in enumerate(keys):
        store.put(key, bytes(1000))
        os.utime(store._path(key), (1000 + number, 1000 + number))
    later = Store(tmp_path / "cache", 10 * (1000 + HEAD))
    assert later.get(keys[0]) is not None  # so that it is no longer the oldest
    later.put(b"n" * 32, bytes(1000))
    there = {key for key in keys if later.get(key) is not None}
    assert keys[0] in there
    assert keys[1] not in there
    assert keys[9] in there
    assert later.usage()[0] <= later.most


def test_what_this_run_needs_is_not_pushed_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(tmp_path / "cache", 5 * (1000 + HEAD))
    store.began -= 1.0  # the clock of files is coarse
    keys = [bytes([number]) * 32 for number in range(10)]
    for key in keys:
        store.put(key, bytes(1000))
    assert [store.get(key) is not None for key in keys] == [True] * 5 + [False] * 5
    assert caplog.messages == [
        f"The audio cache {store.folder} is full: this run needs more than its {store.most / 2**30:.3g} GiB. "
        "What is not in it is decoded anew each time."
    ]


def test_parts_of_dead_writers_are_cleared_away(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache", 2000)
    (tmp_path / "cache" / "ab").mkdir(parents=True)
    old, new = (tmp_path / "cache" / "ab" / f".{name}.part" for name in ("old", "new"))
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    store.put(b"k" * 32, bytes(1000))
    assert not old.exists()
    assert new.exists()


def torn_by_kills(store: Store, put: Callable[[bytes, bytes], None], rounds: int) -> tuple[int, int]:
    """Kills a process that writes entries, again and again: how many entries then are whole, and how many are not."""
    rng = np.random.default_rng(0)
    entries = {bytes([number]) * 32: rng.bytes(2_000_000) for number in range(8)}
    whole = torn = 0
    for _ in range(rounds):
        child = os.fork()
        if not child:
            while True:
                for key, content in entries.items():
                    put(key, content)
        while not any(store.folder.glob("??/*")):
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for key, content in entries.items():
            found = store.get(key)
            whole += found == content
            torn += found is not None and found != content
        shutil.rmtree(store.folder)
    return whole, torn


def test_a_kill_while_writing_leaves_nothing_that_is_used(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, torn = torn_by_kills(store, store.put, 15)
    assert whole > 0
    assert torn == 0

    def in_place(key: bytes, content: bytes) -> None:
        path = store._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(HEAD) + content)

    monkeypatch.setattr("mixkit.audio.store._head", lambda key, content: bytes(HEAD))
    assert torn_by_kills(store, in_place, 25)[1] > 0, "the control: written in place and not checked, some are torn"


def test_what_is_known_of_a_set_that_is_too_large_to_be_kept_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path / "cache", 10 * 10_000)
    store.began -= 1.0
    for number in range(12):
        store.put(bytes([number]) * 32, bytes(10_000 - HEAD))
        store.put(bytes([100 + number]) * 32, bytes(200))
    assert [store.get(bytes([number]) * 32) is not None for number in range(12)] == [True] * 8 + [False] * 4
    assert all(store.get(bytes([100 + number]) * 32) for number in range(12))
    assert store.usage()[0] <= store.most
    assert len(caplog.messages) == 1
