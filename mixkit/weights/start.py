"""What a network started from, to be reported and kept."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from mixkit.errors import printable

GROUPS = 12  # of names that are shown; a file may hold any number


@dataclass(frozen=True)
class Start:
    """What was taken from a file of weights.

    Args:
        file: its path.
        sha256: of its content.
        parameters: of the network that start from it.
        of: parameters of the network.
        taken: what was copied.
        resized: what was cut or interpolated on the way.
        left: what stayed in the file.
    """

    file: str
    sha256: str
    parameters: int
    of: int
    taken: tuple[str, ...]
    resized: tuple[str, ...]
    left: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For the records of a run."""
        return asdict(self)

    def __str__(self) -> str:
        shares = [f"Taken: {'; '.join(self.taken)}"]
        shares += [f"Resized: {'; '.join(self.resized)}"] if self.resized else []
        shares += [f"Left in the file: {', '.join(self.left) or 'nothing'}"]
        return (
            f"{self.parameters:,} of {self.of:,} parameters start from {printable(self.file)} "
            f"(SHA-256 {self.sha256[:12]}...). {'. '.join(shares)}."
        )


def groups(names: Iterable[str]) -> tuple[str, ...]:
    """Names of tensors, those that differ by a number or by weight and bias shown as one: `blocks.*.attn.qkv`."""
    return shortened(dict.fromkeys(_group(name) for name in names))


def shortened(names: Iterable[str]) -> tuple[str, ...]:
    """The first few of many names, each safe to print and of a bearable length."""
    found = list(names)
    shown = [printable(name if len(name) <= 80 else f"{name[:77]}...") for name in found[:GROUPS]]
    more = len(found) - len(shown)
    return (*shown, f"{more} more") if more else tuple(shown)


def _group(name: str) -> str:
    parts = ["*" if part.isdecimal() else part for part in name.split(".")]
    return ".".join(parts[:-1] if parts[-1] in ("weight", "bias") and len(parts) > 1 else parts)
