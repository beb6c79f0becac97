"""Recordings taken one after the other: results reported as they come, faults on stderr, and the rest goes on."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from mixkit.audio.waveform import OpenSound, Waveform
from mixkit.cli.inputs import STDIN, Input, inputs
from mixkit.cli.views.bar import Bar
from mixkit.cli.views.terminal import say, stderr
from mixkit.errors import DamagedError, MixkitError, printable
from mixkit.tasks.left_out import LeftOut

T = TypeVar("T")


def process_all(
    named: Sequence[str],
    sample_rate: int,
    process: Callable[[Iterator[OpenSound]], Iterator[T | MixkitError]],
    report: Callable[[Input, T | MixkitError], None],
    left_out: Callable[[str, LeftOut], None] = lambda folder, found: None,
) -> tuple[int, int]:
    """Takes recordings one after the other: what comes of each is reported, and a fault said on stderr, as it comes.

    What was mended in a file is said as well, once; on standard input, a header without a length is usual.

    Args:
        named: see `inputs`.
        sample_rate: of the sounds, in Hz.
        process: from sounds, each opened when it is its turn, to what comes of them, or their fault.
        report: is given each of these.
        left_out: is given each folder that is named, and what is left out of it, which is said on stderr as well.

    Returns:
        How many could not be read, of how many.
    """
    faults = 0
    console = stderr()

    def tell(folder: str, found: LeftOut) -> None:
        say(f"{folder}: {found}", console=console)
        left_out(folder, found)

    noted: set[Input] = set()

    @contextmanager
    def opened(one: Input) -> Iterator[Waveform]:
        with one.open(sample_rate) as waveform:
            if waveform.note and one.name != STDIN and one not in noted:
                noted.add(one)
                bar.say(f"{printable(one.name)}: {waveform.note}")
            yield waveform

    with inputs(named, tell) as found, Bar(console, counts_bytes=False) as bar:
        outcomes = process(partial(opened, one) for one in found)
        for done, (one, outcome) in enumerate(zip(found, outcomes, strict=True), start=1):
            if isinstance(outcome, MixkitError):
                faults += 1
                bar.say(str(outcome))
            report(one, outcome)
            if bar.console.is_terminal:
                bar.progress("listening", done, len(found))
    return faults, len(found)


def expect_all(faults: int, of: int) -> None:
    """Ends a command that could not read some recordings, after it has done the others.

    Raises:
        DamagedError: there were faults.
    """
    if faults:
        recordings = "the only recording" if of == 1 else f"{faults} of {of} recordings"
        raise DamagedError(f"{recordings} could not be read, for the reason above.")
