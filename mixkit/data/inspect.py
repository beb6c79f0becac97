"""What a clip turns out to be when it is decoded."""

from dataclasses import dataclass

from mixkit.audio.facts import AudioFacts, examine
from mixkit.errors import DataError, printable
from mixkit.registry import Clip


@dataclass(frozen=True)
class CheckedClip:
    """A clip that was decoded.

    Args:
        split: where it stands.
        clip: as listed.
        found: what is known of it, or what is wrong with a clip that cannot be read.
    """

    split: str
    clip: Clip
    found: AudioFacts | DataError


def inspect_clip(split: str, clip: Clip) -> CheckedClip:
    """Decode a clip to its end; what is wrong with it is in the result."""
    try:
        return CheckedClip(split, clip, examine(clip.path, clip.start, clip.stop)[0])
    except DataError as error:
        return CheckedClip(split, clip, error)
    except Exception as error:  # whatever a decoder makes of a damaged file, the others are still to be looked at
        return CheckedClip(split, clip, DataError(f"{type(error).__name__}: {printable(str(error))}", clip.path))
