"""All checks of one registered thing, in order, and for each that fails the line to look at."""

import inspect
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mixkit.conformance import FIRST, Check, ConformanceError, NotTried, checks
from mixkit.errors import MixkitError
from mixkit.registry import REGISTRIES, Spec


@dataclass(frozen=True)
class CheckResult:
    """What came of a check.

    Args:
        check: its name, such as `mixing`.
        promise: what it looks for, in a sentence.
        fault: what does not hold; None where all does.
        look: `file:line` and the name of the function there, where there is a fault.
        tried: whether it was tried at all; a fault then says why not.
    """

    check: str
    promise: str
    fault: str | None = None
    look: str = ""
    tried: bool = True

    @property
    def fails(self) -> bool:
        """Whether something does not hold."""
        return self.tried and self.fault is not None


def run_checks(spec: Spec) -> Iterator[CheckResult]:
    """Runs every check of its kind.

    Args:
        spec: what to check, with its settings.

    Yields:
        A result a check. After a fault in one of `FIRST` the others are not tried: they would mislead.
    """
    target = REGISTRIES[spec.kind].entry(spec.name).target
    stopped = ""
    for check in checks(spec.kind):
        name, promise = check.__name__.removeprefix("check_"), (check.__doc__ or "").split("\n\n")[0]
        if stopped:
            yield CheckResult(name, promise, f"{stopped} fails, and so they would mislead", tried=False)
            continue
        try:
            check(spec)
        except NotTried as error:
            yield CheckResult(name, promise, str(error), tried=False)
        except MixkitError as error:
            yield CheckResult(name, promise, str(error), _look(error, target, check))
            stopped = name if check in FIRST else ""
        else:
            yield CheckResult(name, promise)


_PLACES = {"stands": "__init__", "state_dict": "__init__", "pickle": "__init__", "mixing": ""}
"""Which method a fault is likely to be in, where no line of it failed: the decorator for `mixing`, `forward` else."""


def _look(error: MixkitError, target: Callable[..., Any], check: Check) -> str:
    file = inspect.getsourcefile(target) or ""
    cause = error.__cause__ if isinstance(error, ConformanceError) else error
    frames = traceback.extract_tb(cause.__traceback__) if cause else []
    for frame in reversed(frames):
        if frame.filename == file:
            return f"{file}:{frame.lineno}, {frame.name}"
    method = _PLACES.get(check.__name__.removeprefix("check_"), "forward")
    place = getattr(target, method, target) if method and method in vars(target) else target
    return f"{file}:{inspect.getsourcelines(place)[1]}, {place.__name__}"
