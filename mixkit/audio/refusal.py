"""Why a sound file cannot be used, and what would be right."""

import os

from mixkit.errors import DataError

_SKIP = ", or list it in task.folder.skip"
FIXES = {
    "missing": ("Check the path", ", or the folder that the task names"),
    "empty": ("Remove the file", _SKIP),
    "damaged": ("Remove the file", _SKIP),
    "cut": ("Mend it with `ffmpeg -i OLD -c copy NEW`", _SKIP),
    "joined": ("Split it into its recordings", _SKIP),
    "foreign": ("Convert it", _SKIP),
    "unknown": ("Convert it to one of AIFF, FLAC, MP3, OGG, RF64, WAV, WAVEX", ""),
    "ffmpeg": ("Install it, or elsewhere convert the file with `ffmpeg -i OLD NEW.wav`", _SKIP),
    "dense": ("Convert it to WAV", _SKIP),
    "loud": ("Scale it", _SKIP),
    "long": ("Cut it", f", list sections of it{_SKIP}"),
    "section": ("Correct the listing of the task", ""),
}
"""What would be right, by what is wrong with a recording: of any, and what a clip of a task can do besides."""


class Refused(Exception):
    """Why a file cannot be used: in words, and as a kind of `FIXES`."""

    def __init__(self, reason: str, kind: str = "damaged"):
        super().__init__(reason)
        self.reason = reason
        self.kind = kind

    def of(self, path: str | os.PathLike[str]) -> DataError:
        """The same as an error that names the file."""
        return DataError(self.reason, path, f"{''.join(FIXES[self.kind])}.", self.kind)


def fix_alone(kind: str) -> str:
    """What would be right about a recording that is no clip of a task."""
    return f"{FIXES[kind][0]}."
