"""All that is in a file is heard: a length is what a decoder finds, and joined streams are one recording."""

import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from mixkit.audio import recording
from mixkit.audio.chunks import STALE, UNFINISHED
from mixkit.audio.facts import examine
from mixkit.audio.mp3 import mp3_links
from mixkit.audio.read import inspect, read
from mixkit.errors import DataError

RATE = 16_000
MANY = {
    "flac": {"format": "FLAC"},
    "mp3": {"format": "MP3"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "vorbis": {"format": "OGG", "subtype": "VORBIS"},
    "wav": {"format": "WAV"},
    "aiff": {"format": "AIFF"},
}


def tone(hertz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    moments = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(int(hertz)).normal(size=len(moments))
    return 0.4 * np.sin(2 * np.pi * hertz * moments) + 0.01 * noise


def written(path: Path, sound: np.ndarray, rate: int = RATE, **how: object) -> bytes:
    soundfile.write(path, sound, rate, **how)
    return path.read_bytes()


def plain_mp3(path: Path, seconds: float = 4.0, **how: object) -> bytes:
    """As a streaming encoder writes it: without the frame that says how many follow. Loud noise, then a quiet tone."""
    sound = np.concatenate([0.5 * np.random.default_rng(0).uniform(-1, 1, RATE), tone(300, seconds - 1)])
    whole = written(path, sound, format="MP3", **how)
    at = whole.index(b"Info" if b"Info" in whole else b"Xing")
    sync = whole.index(b"\xff\xf3")
    assert sync < at
    first = whole.index(whole[sync : sync + 2], at)
    path.write_bytes(whole[first:])
    return whole[first:]


def loudest_hertz(waveform: torch.Tensor) -> float:
    return float(torch.fft.rfft(waveform).abs().argmax()) * RATE / len(waveform)


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
def test_mp3_without_a_length_is_heard_to_its_end(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "clip.mp3"
    data = plain_mp3(path, bitrate_mode=mode, compression_level=0.3)
    samples = len(read(path, RATE))
    assert 4 * RATE <= samples < 4 * RATE + 3000
    assert inspect(path).frames == examine(path).frames == samples
    assert loudest_hertz(read(path, RATE, 2.0, 4.0)) == pytest.approx(300, abs=1)
    with soundfile.SoundFile(path) as control:
        assert control.frames != samples, "libsndfile no longer estimates"
    whole = read(path, RATE)
    for ahead in (bytes(5000), data[200:333], bytes(100) + data[100:300]):  # zeros, half a frame, both
        path.write_bytes(ahead + data)
        assert torch.equal(read(path, RATE), whole)
    path.write_bytes(data[1000:])  # the first frames lean on lost ones
    assert loudest_hertz(read(path, RATE, 2.0, 3.0)) == pytest.approx(300, abs=1)
    path.write_bytes(data + data[:100])  # a recorder that was stopped
    assert torch.equal(read(path, RATE), whole)
    path.write_bytes(data + b"TAG".ljust(128, b"x"))
    assert torch.equal(read(path, RATE), whole)


def test_mp3_that_says_less_than_it_has_is_heard_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp3"
    high = written(path, tone(3000, 1), format="MP3")
    more = plain_mp3(path)
    path.write_bytes(high + more)
    assert len(read(path, RATE)) >= 5 * RATE
    assert (
        inspect(path).note == examine(path).note == "its first frame says 30 frames and there are 144: heard to its end"
    )


@pytest.mark.parametrize("kind", MANY)
def test_joined_streams_are_all_heard(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "joined"
    parts = [written(path, tone(hertz, seconds), **MANY[kind]) for hertz, seconds in ((3000, 1), (300, 2), (900, 0.5))]
    alone = []
    for part in parts:
        path.write_bytes(part)
        alone.append(read(path, RATE))
    path.write_bytes(b"".join(parts))
    whole = read(path, RATE)
    assert torch.equal(whole, torch.cat(alone))
    assert inspect(path).frames == examine(path).frames == len(whole) == 3.5 * RATE
    atol = 2e-3 if kind in ("opus", "mp3") else 1e-6  # which lean on what was before
    for start, stop in ((0.5, 1.5), (1.5, 2.5), (3.2, None), (0.0, 3.5)):
        part = whole[int(start * RATE) : None if stop is None else int(stop * RATE)]
        torch.testing.assert_close(read(path, RATE, start, stop), part, atol=atol, rtol=0)
    with pytest.raises(DataError, match=r"which has 3\.500 s"):
        read(path, RATE, 3.0, 3.6)


@pytest.mark.parametrize("kind", ["flac", "mp3", "vorbis", "wav", "aiff"])
def test_joined_streams_of_two_rates_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "joined"
    parts = [written(path, tone(300, 1, rate), rate, **MANY[kind]) for rate in (16_000, 32_000)]
    path.write_bytes(b"".join(parts))
    with pytest.raises(DataError) as caught:
        read(path, RATE)
    assert caught.value.reason == "has streams of 16000 and 32000 Hz behind each other."
    assert str(caught.value).endswith("Split it into its recordings, or list it in task.folder.skip.")


@pytest.mark.parametrize("kind", ["flac", "mp3", "opus", "vorbis"])
def test_bytes_behind_the_end_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "clip"
    data = written(path, tone(300, 1), **MANY[kind])
    whole = read(path, RATE)
    for behind in (b"text " * 100, bytes(2**16), b"TAG".ljust(128, b"x")):
        path.write_bytes(data + behind)
        assert torch.equal(read(path, RATE), whole)
    path.write_bytes(data + b"text " * 2000)
    with pytest.raises(DataError, match=r"(has|and has) \d+ bytes (or more at byte|behind)"):
        read(path, RATE)


def wav(said: int, samples: np.ndarray, behind: bytes = b"") -> bytes:
    content = (samples * 32767).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    return b"RIFF" + bytes(4) + b"WAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", said) + content + behind


def aiff(said: int, samples: np.ndarray, behind: bytes = b"") -> bytes:
    content = (samples * 32767).astype(">i2").tobytes()
    rate = bytes.fromhex("400cfa00000000000000")  # 16000 as an 80-bit float
    form = b"COMM" + struct.pack(">IHIH", 18, 1, max(said - 8, 0) // 2, 16) + rate
    return b"FORM" + bytes(4) + b"AIFF" + form + b"SSND" + struct.pack(">I", said) + bytes(8) + content + behind


@pytest.mark.parametrize("make", [wav, aiff])
@pytest.mark.parametrize("sound", [tone(300, 2), np.zeros(2 * RATE)], ids=["tone", "silence"])
def test_an_unfinished_header(tmp_path: Path, make: Callable[..., bytes], sound: np.ndarray) -> None:
    path = tmp_path / "clip"
    for said in (0, 0xFFFFFFFF):
        path.write_bytes(make(said, sound))
        np.testing.assert_allclose(read(path, RATE).numpy(), sound, atol=1e-4)
        assert examine(path).note == inspect(path).note == UNFINISHED
        assert examine(path).frames == 2 * RATE


@pytest.mark.parametrize("make", [wav, aiff])
def test_a_header_from_before_the_recording_went_on(tmp_path: Path, make: Callable[..., bytes]) -> None:
    path = tmp_path / "clip"
    said = RATE if make is wav else RATE + 8
    path.write_bytes(make(said, tone(300, 2)))
    np.testing.assert_allclose(read(path, RATE).numpy(), tone(300, 2), atol=1e-4)
    assert examine(path).note == STALE.format(RATE)
    assert len(read(path, RATE, 1.0, 2.0)) == RATE


@pytest.mark.parametrize("make", [wav, aiff])
@pytest.mark.parametrize("behind", [b"", b"text" * 100, bytes(2**16), "LIST", "unpadded", "cut"])
def test_what_lies_behind_the_samples_is_not_heard(
    tmp_path: Path, make: Callable[..., bytes], behind: bytes | str
) -> None:
    path = tmp_path / "clip"
    size = struct.pack("<I" if make is wav else ">I", 9000)
    chunks = {"LIST": b"ABCD" + size + bytes(range(250)) * 36, "unpadded": b"", "cut": b"LIST" + size + b"x" * 8000}
    rest = chunks[behind] if isinstance(behind, str) else behind
    path.write_bytes(make(2 * RATE + 8 * (make is aiff), tone(300, 1), rest))
    assert len(read(path, RATE)) == RATE
    assert examine(path).note == ""


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_that_was_cut_is_refused(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "clip.ogg"
    data = written(path, tone(300, 20), format="OGG", subtype=subtype)
    pages = [at for at in range(len(data)) if data[at : at + 5] == b"OggS\0"]
    assert len(pages) > 4
    for cut in (pages[-1], pages[-1] + 40, pages[-2] + 1, len(data) - 1):
        path.write_bytes(data[:cut])
        with pytest.raises(DataError) as caught:
            read(path, RATE)
        assert (caught.value.reason, caught.value.kind) == (
            "has no last page (end of stream). It was cut short.",
            "cut",
        )
    path.write_bytes(data + data[: pages[-1]])  # the second of two
    with pytest.raises(DataError, match="It was cut short"):
        read(path, RATE)


def test_nothing_is_printed_about_good_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "clip.mp3"
    data = written(path, tone(300, 2), format="MP3")
    plain = plain_mp3(tmp_path / "plain.mp3")
    tag = b"ID3\x04\0\0\0\0\x27\x10" + bytes(5008)
    for content in (data, data + data, tag + data, data + bytes(9000), data[100:], plain, plain[100:], plain + data):
        path.write_bytes(content)
        read(path, RATE)
        read(path, RATE, 0.5, 1.0)
    assert capfd.readouterr() == ("", "")


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.flac"
    soundfile.write(path, np.zeros((10 * RATE, 8)), RATE, format="FLAC")
    values, size = 80 * RATE, path.stat().st_size
    assert examine(path).frames == 10 * RATE
    monkeypatch.setattr(recording, "FREE", 1000)
    monkeypatch.setattr(recording, "DENSEST", values // size + 1)
    assert examine(path).frames == 10 * RATE
    monkeypatch.setattr(recording, "DENSEST", values // size - 1)
    with pytest.raises(DataError, match="samples to a byte, which no recording has"):
        examine(path)


@pytest.mark.parametrize("kind", ["flac", "mp3", "opus"])
def test_a_disk_that_fails_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "clip"
    written(path, tone(300, 1), **MANY[kind])
    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(DataError, match=r"cannot be read \(Input/output error\)"):
        read(path, RATE)


def test_a_long_mp3_is_walked_fast(tmp_path: Path) -> None:
    """Frames across the borders of blocks, and their number."""
    path = tmp_path / "clip.mp3"
    data = plain_mp3(path)
    path.write_bytes(data * 60)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        (link,) = mp3_links(descriptor, 0, path.stat().st_size)
    finally:
        os.close(descriptor)
    assert link.pieces is not None
    assert link.pieces[1:] == (range(0, len(data) * 60),)
