"""Streams as few encoders write them: each is heard whole, or refused with a reason."""

import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixkit.audio import recording
from mixkit.audio.facts import PARTS, examine
from mixkit.audio.read import inspect, read
from mixkit.errors import DataError
from tests.test_streams import MANY, RATE, tone, written


@pytest.mark.parametrize("kind", MANY)
def test_whatever_part_of_a_file_is_left(tmp_path: Path, kind: str) -> None:
    """Each beginning, and some ends, alone and behind a whole file: an error that names the file, if any."""
    path = tmp_path / "clip"
    whole = written(path, tone(300, 0.2), **MANY[kind])
    refused = 0
    cuts = [*range(200), *range(200, len(whole), max(len(whole) // 20, 1))]
    contents = [part for cut in cuts for part in (whole[:cut], whole[cut:])]
    contents += [whole + whole[:cut] for cut in cuts[::8]]
    for content in contents:
        path.write_bytes(content)
        try:
            inspect(path)
        except DataError as error:
            refused += str(error).startswith(str(path))
    assert len(cuts) < refused < len(contents) or kind == "mp3"


def test_an_ogg_without_a_whole_page_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.ogg"
    data = written(path, tone(300, 1), **MANY["vorbis"])
    for content in (data[:20], data[:40], b"OggS\1" + data[5:3000].replace(b"OggS", b"oggs")):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"cannot be decoded \(no stream of audio in it\)"):
            read(path, RATE)


def test_a_frame_too_small_for_the_tag_in_it(tmp_path: Path) -> None:
    """At 8 kbit/s the word that a tag begins with can be the last of a frame, and then it is sound."""
    path = tmp_path / "clip.mp3"
    frame = bytes.fromhex("fff31000") + bytes(17) + b"Xing" + b"\0"
    for end in (b"", frame[:3]):
        path.write_bytes(frame * 50 + end)
        assert inspect(path).frames == 50 * 576 - 529  # which is the delay of the decoder


@pytest.mark.parametrize("block", [5, 999, 2**18])
def test_what_is_known_of_a_recording_does_not_depend_on_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """It is clipped across the border of blocks of 5, in one channel of three, of which the mean is heard."""
    path = tmp_path / "clip.wav"
    sound = np.stack([tone(300, 1), tone(500, 1), np.zeros(RATE)], axis=1).astype(np.float32)
    sound[9999 // 3 : 9999 // 3 + 3] = 0.995
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    monkeypatch.setattr(recording, "BLOCK", 3 * block)
    facts = examine(path)
    mean = sound.mean(axis=1)
    assert facts.digest == hashlib.sha256(RATE.to_bytes(4) + mean.tobytes()).digest()
    assert (facts.clipped, facts.peak) == (True, float(np.abs(mean).max()))
    energy = np.square(mean, dtype=np.float64).reshape(-1, RATE // PARTS).sum(axis=1)
    bounds = np.round(np.linspace(0, len(energy), 4)).astype(int)
    thirds = [energy[a:b].sum() / energy.sum() for a, b in pairwise(bounds)]
    assert facts.thirds == pytest.approx(thirds)
    sound[9999 // 3] = 0.9
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    assert not examine(path).clipped
