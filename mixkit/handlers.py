"""Handlers of signals, set for a while and never over a signal that whoever started the program has it ignore."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | signal.Handlers


@contextmanager
def handled(numbers: Iterable[int], handler: Handler) -> Iterator[None]:
    """Within the block, the handler of these signals; only the main thread can set one, another leaves them alone.

    A signal that is ignored stays so: that is how nohup, a shell's `&` and a supervisor protect what they start.
    """
    here = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, handler) for number in numbers if here and not is_ignored(number)}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


def is_ignored(number: int) -> bool:
    """Whether the signal does nothing here; also one that a program around this Python sees to itself."""
    return signal.getsignal(number) in (signal.SIG_IGN, None)
