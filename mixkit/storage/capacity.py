"""What a recipe asks for, held against what there is, before anything is made: costs come from formulas."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mixkit.errors import SettingError

GROUP = Path("/sys/fs/cgroup/memory.max")

MOST = {
    "Hz": 384_000,  # of a waveform: bats and all; files that say more are refused
    "samples of a clip": 2**30,  # 4 GiB: 6 hours at 44.1 kHz as one clip
    "numbers for the features": 2**30,  # 4 GiB: matrices for windows of 2**15 samples are half of that
    "values of a clip in a layer": 2**30,  # 4 GiB: 2,000 times those of ASM-RH's base size
    "operators": 10_000,  # ten seconds of building: five times those of the deepest published, 1,000 blocks of two
    "layers": 1_000,  # of one stem
    "parameters": 10**11,  # 400 GB
}
"""The most of each that a recipe may ask for on any machine: what is more is a slip, or a stranger's."""


def expect(setting: str, unit: str, needed: float, fix: str, most: float | None = None) -> None:
    """Refuses what is too much.

    Args:
        setting: the key that asks for it.
        unit: what is counted; of `MOST`, where no limit is given.
        needed: how much, by a formula.
        fix: the end of the error: what would be right.
        most: how much there is.

    Raises:
        SettingError: there is less.
    """
    limit = MOST[unit] if most is None else most
    if needed > limit:
        raise SettingError(setting, f"asks for {_amount(needed)} {unit}, where {_amount(limit)} are the most. {fix}")


def memory() -> int:
    """Bytes of this machine, or of the part of it that this process may use."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # no such group, or `max`
        whole = min(whole, int(GROUP.read_text()))
    return whole


def count(formula: Callable[[], float]) -> float:
    """What a formula comes to; infinity where numbers are too small for it."""
    try:
        return formula()
    except OverflowError:
        return float("inf")


def _amount(number: float) -> str:
    return f"{number:,.0f}" if number < 1e15 else f"{number:.1e}" if number < float("inf") else "countless"
