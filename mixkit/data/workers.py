"""Processes that read: what each was at, how it ended, and that none is left behind."""

import atexit
import multiprocessing
import os
import signal
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Thread, current_thread, main_thread
from typing import Any

from torch.utils.data import DataLoader, Dataset, get_worker_info

from mixkit.data.waveforms import in_words
from mixkit.errors import DataError

# Named, because Python 3.14 would take a fork server: its workers had another parent, and ended at once.
START = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")

LIMIT = 120.0
"""Seconds that training waits for a batch before it takes the workers for stuck."""

POLL = 1.0  # seconds between two looks at whether the workers live
ADVICE = "Remove that file if it is at fault; to read without workers, set train.workers = 0."

FOR_PARENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""Signals that a terminal or a scheduler sends to the whole group; the parent sees to them, and needs its workers."""

_IDLE, _READING, _READ = range(3)

Key = tuple[int, int]
_living: set[tuple[int, Any]] = set()  # with the process that started it, since a fork of that inherits the set


class Watched(Dataset[Any]):
    """A data set whose readers note which item they are at, where the main process can see it.

    Args:
        inner: what is read.
        workers: how many read.
    """

    def __init__(self, inner: Dataset[Any], workers: int):
        self.inner = inner
        self.notes = START.RawArray("q", 2 * max(workers, 1))

    def __getitem__(self, key: Key) -> Any:
        info = get_worker_info()
        if info is None:
            return self.inner[key]
        desk = slice(2 * info.id, 2 * info.id + 2)
        self.notes[desk] = [_READING, key[1]]
        found = self.inner[key]
        self.notes[desk] = [_READ, key[1]]
        return found

    def at(self, worker: int) -> tuple[int, int]:
        """State and item of a worker."""
        state, item = self.notes[2 * worker : 2 * worker + 2]
        return state, item


class Readers:
    """A DataLoader that ends in an error, within a time limit, whatever becomes of its workers.

    Args:
        audio: the data set.
        workers: processes that read; 0 reads in this one.
        name: of an item, for errors.
        begin: is called in each new worker with the number of workers.
        settings: more for the DataLoader.
    """

    def __init__(
        self,
        audio: Dataset[Any],
        workers: int,
        name: Callable[[int], str],
        begin: Callable[[int], None],
        **settings: Any,
    ):
        self.watched = Watched(audio, workers)
        self.workers = workers
        self.name = name
        extra: dict[str, Any] = {
            "timeout": POLL,
            "persistent_workers": True,
            "multiprocessing_context": START,
            "worker_init_fn": partial(_begin, os.getpid(), workers, begin),
        }
        settings |= {"num_workers": workers, **(extra if workers else {})}
        self._make: Callable[[], DataLoader[Any]] = partial(DataLoader, self.watched, **settings)
        self._loader: DataLoader[Any] | None = None
        self._processes: list[Any] = []
        # torch asks workers to end and waits for them, ten seconds for one that is stuck.
        weakref.finalize(self, _kill, os.getpid(), self._processes).atexit = False

    def __iter__(self) -> Iterator[Any]:
        if not self.workers:
            self._loader = self._loader or self._make()
            yield from self._loader
            return
        batches = self._start()
        while True:
            try:
                yield self._next(batches)
            except StopIteration:
                return

    def _start(self) -> Iterator[Any]:
        """A new pass by the same workers."""
        handler = signal.getsignal(signal.SIGCHLD)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, FOR_PARENT)  # which workers inherit, until they are ready
        try:
            batches = self._iterator()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if current_thread() is main_thread() and handler is not None:
            # torch's handler raises wherever the main process happens to be, without a word on what was read.
            signal.signal(signal.SIGCHLD, handler)
        self._processes[:] = getattr(batches, "_workers", ())
        _living.update((os.getpid(), process) for process in self._processes)
        return batches

    def _iterator(self) -> Iterator[Any]:
        try:
            self._loader = self._loader or self._make()
            return iter(self._loader)
        except Exception as error:
            self._expect_alive()
            if not self._processes:
                raise DataError(f"no data workers can be started ({in_words(error)}). {ADVICE}") from None
            self._end()  # still busy with a pass that was broken off
            self._loader = self._make()
            return iter(self._loader)

    def _next(self, batches: Iterator[Any]) -> Any:
        patience = time.monotonic() + LIMIT
        while True:
            try:
                return next(batches)
            except StopIteration:
                raise
            except Exception as error:
                waited = "timed out" in str(error)
                self._expect_alive(POLL if not waited else 0.0)
                if not waited:
                    self._end()
                    raise DataError(f"data workers cannot hand over what they read ({in_words(error)}).") from None
            if time.monotonic() > patience:
                fault = self._stuck()
                self._end()
                raise DataError(fault)

    def _expect_alive(self, patience: float = 0.0) -> None:
        until = time.monotonic() + patience
        while True:
            for number, process in enumerate(self._processes):
                if process.exitcode is not None:
                    fault = self._told(number, _ending(process.exitcode))
                    self._end()
                    raise DataError(fault)
            if time.monotonic() >= until:
                return
            time.sleep(0.05)

    def _stuck(self) -> str:
        numbers = range(len(self._processes))
        busy = [number for number in numbers if self.watched.at(number)[0] == _READING]
        ending = f"has not answered for {LIMIT:g} s"
        return "\n".join(self._told(number, ending) for number in busy or numbers)

    def _told(self, number: int, ending: str) -> str:
        state, item = self.watched.at(number)
        worker = f"data worker {number + 1} of {self.workers} {ending}"
        if state == _IDLE:
            return f"{worker} before it read anything. {ADVICE}"
        return f"{self.name(item)}: {worker} {'while it read this' if state == _READING else 'after this'}. {ADVICE}"

    def _end(self) -> None:
        _kill(os.getpid(), self._processes)
        self._loader = None


def _begin(parent: int, workers: int, begin: Callable[[int], None], _: int) -> None:
    """In a new worker: signals to the whole group are the parent's business, and nobody stays without a parent."""
    for number in FOR_PARENT:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FOR_PARENT)
    Thread(target=leave_with, args=(parent,), daemon=True).start()
    begin(workers)


def leave_with(parent: int) -> None:
    """Ends this process as soon as another than the given one is its parent; for a thread of its own."""
    while os.getppid() == parent:
        time.sleep(POLL)
    os._exit(1)


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    why = " (as when shared memory is full)" if code == -signal.SIGBUS else ""
    return f"was killed by {signal.Signals(-code).name}{why}"


def _kill(parent: int, processes: list[Any]) -> None:
    """Ends processes at once, which a reader survives; not from a fork of their parent, which inherits this list."""
    if os.getpid() != parent:
        return
    with _unwatched():
        for process in processes:
            process.kill()
        for process in processes:
            process.join(5.0)
            _living.discard((parent, process))
    processes.clear()


@contextmanager
def _unwatched() -> Iterator[None]:
    """While workers are ended on purpose, a handler of torch, which somebody else's loader left, is not to raise."""
    if current_thread() is not main_thread() or (handler := signal.getsignal(signal.SIGCHLD)) is None:
        yield
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, handler)


# Runs before multiprocessing waits for its children, which a stuck one would make wait for ever.
atexit.register(lambda: _kill(os.getpid(), [process for parent, process in _living if parent == os.getpid()]))
