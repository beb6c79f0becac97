"""Errors that a user can act on: each names the thing, the value and the fix, and carries its exit code."""

import difflib
import os
import signal
from collections.abc import Iterable


class MixkitError(Exception):
    """Something the user can mend. The command line prints the message alone and exits with `exit_code`."""

    exit_code = 2


class SettingError(MixkitError):
    """A setting has a value that cannot work; `setting` is its key, so that a recipe can say file and line."""

    def __init__(self, setting: str, message: str):
        super().__init__(setting, message)
        self.setting = setting
        self.message = message

    def __str__(self) -> str:
        return f"{self.setting} {self.message}"


class DataError(MixkitError):
    """Recordings or their listing are not as they have to be. The text is made of the parts: `path: reason fix`.

    Args:
        reason: what is wrong, in a sentence.
        path: the file or folder that is wrong; empty if it is none, or several.
        fix: what would be right, in a sentence.
        kind: what is wrong, for callers that act on it, such as those of `mixkit.audio.refusal.FIXES`.
    """

    def __init__(self, reason: str, path: str | os.PathLike[str] = "", fix: str = "", kind: str = ""):
        super().__init__(reason, path, fix, kind)
        self.reason = reason
        self.path = os.fspath(path)
        self.fix = fix
        self.kind = kind

    @property
    def without_path(self) -> str:
        """The text without the path, for lists that name it beside."""
        return f"{self.reason} {self.fix}".rstrip()

    def __str__(self) -> str:
        return f"{printable(self.path)}: {self.without_path}" if self.path else self.without_path


class ReadingFailed(DataError):
    """A clip could not be read, and it is not known that the clip is to blame: a server failed, or memory ran out."""


class RunError(MixkitError):
    """A run folder, or a command on one, is not as it has to be."""


class TrustError(MixkitError):
    """Something would run code that the user did not ask for."""

    exit_code = 3


class DamagedError(MixkitError):
    """A file is not what was written: cut short, changed, or of another kind."""

    exit_code = 4


class Stopped(MixkitError):
    """A signal ended a run before its end; nothing is wrong with it. The exit code is the shell's for that signal."""

    def __init__(self, number: int, where: str):
        super().__init__(f"Stopped by {signal.Signals(number).name} {where}")
        self.number = number
        self.exit_code = 128 + number


LISTED = 24
"""Known names that an error lists; of more, those that are near, at most `NEAR`."""

NEAR = 8

ALIASES = {
    "lr": "learning_rate",
    "rate": "learning_rate",
    "bs": "batch_size",
    "optim": "optimizer",
    "sched": "schedule",
    "scheduler": "schedule",
    "lr_scheduler": "schedule",
    "criterion": "loss",
    "num_epochs": "epochs",
    "n_epochs": "epochs",
    "max_epochs": "epochs",
    "max_steps": "steps",
    "num_workers": "workers",
    "wd": "weight_decay",
    "ema": "average",
    "grad_clip": "gradient_clip",
    "clip_grad": "gradient_clip",
    "dim": "width",
    "embed_dim": "width",
    "layers": "depth",
    "num_layers": "depth",
}
"""What other toolkits call a setting, and what it is called here."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: the nearest known one, and the list, or what is near of a long one.

    Returns ` Did you mean 'channel'? Known: channel, roll, token.` with its leading space, or of 29 operators
    ` Did you mean 'channel'? Known: channel, factorized_channel and 27 others.`
    """
    names = sorted(known)
    near = nearest(name, names)
    hint = f" Did you mean {near!r}?" if near else ""
    if len(names) <= LISTED:
        return f"{hint} Known: {', '.join(names)}." if names else hint
    close = set(difflib.get_close_matches(name, names, n=NEAR, cutoff=0.55))
    parts = [part for part in (name, near) if part and len(part) > 2]
    alike = [other for other in names if other in close or other == near or any(part in other for part in parts)]
    listed = alike[:NEAR] or names[:NEAR]
    return f"{hint} Known: {', '.join(listed)} and {len(names) - len(listed)} others."


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that was probably meant; of two that are about as near, the one of the same length.

    difflib takes a letter too many for less than a wrong one: `asm_r` for nearer to `asm_rg` than `asm_rh`.
    """
    names = sorted(known)
    if ALIASES.get(name) in names:
        return ALIASES[name]
    near = difflib.get_close_matches(name, names, n=3, cutoff=cutoff)
    alike = [other for other in near if _alike(name, other) > _alike(name, near[0]) - 0.1]
    return min(alike, key=lambda other: len(other) != len(name), default=None)


def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, one).ratio()


def printable(text: object) -> str:
    """Text, or a path, that is safe to print: control, bidirectional and undecodable characters become escapes."""
    shown = str(text)
    if shown.isprintable():  # as most is, of a hundred thousand paths
        return shown
    escaped = (c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in shown)
    return "".join(escaped)
