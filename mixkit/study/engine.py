"""What carries out runs: an interface, so that a laptop and a cluster do the same study."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Job:
    """One run to carry out.

    Args:
        key: name of the run folder.
        arguments: of `mixkit`, such as `("train", "recipe.gin")`.
        log: the file that what it prints is added to.
        environment: variables that it has beside ours.
    """

    key: str
    arguments: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """A job that has ended.

    Args:
        key: of the job.
        code: exit code; 128 + N where signal N ended it.
        why: what the engine knows of its end, if that says more than the code.
    """

    key: str
    code: int
    why: str = ""


class Engine(Protocol):
    """Carries out jobs, several at once."""

    slots: int

    def start(self, job: Job) -> None:
        """Begins a job; there are never more than `slots` at once."""

    def ended(self) -> list[Ended]:
        """Jobs that ended since the last time this was asked."""

    def kill(self, key: str) -> None:
        """Ends a job at once; it is then among those that ended."""

    def close(self) -> None:
        """Ends all jobs that still run, after they had time to save what they have."""
