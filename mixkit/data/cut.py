"""Clips that are longer than a network takes: how many, and where in them the sound is."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mixkit.audio.facts import AudioFacts
from mixkit.data.inspect import TOLERANCE

THIRDS = ("start", "middle", "end")


@dataclass(frozen=True)
class Cut:
    """The clips that are cut.

    Args:
        clips: how many.
        of: how many there are in all.
        seconds: that the network takes.
        energy: share of their energy in the first, middle and last third, each clip counting as much.
    """

    clips: int
    of: int
    seconds: float
    energy: tuple[float, ...]

    def __str__(self) -> str:
        shares = ", ".join(f"{share:.0%} at the {name}" for name, share in zip(THIRDS, self.energy, strict=True))
        text = f"{self.clips:,} of {self.of:,} clips ({self.clips / self.of:.0%}) are cut to {self.seconds:g} s; "
        text += f"by thirds, their energy lies {shares}."
        if self.energy[0] > self.energy[1]:
            text += " The centre misses their start: try task.crop = 'start' or 'loudest'."
        return text

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        energy = {name: round(share, 4) for name, share in zip(THIRDS, self.energy, strict=True)}
        return {"clips": self.clips, "share": round(self.clips / self.of, 4), "energy": energy}


def find_cut(facts: Iterable[AudioFacts], seconds: float) -> Cut | None:
    """The clips that are cut to so many seconds; None where there are none."""
    known = list(facts)
    longer = [one.thirds for one in known if one.seconds > seconds + TOLERANCE]
    if not longer:
        return None
    heard = [thirds for thirds in longer if any(thirds)] or [(0.0, 0.0, 0.0)]
    energy = tuple(sum(third) / len(heard) for third in zip(*heard, strict=True))
    return Cut(len(longer), len(known), seconds, energy)
