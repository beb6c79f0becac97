import errno
import math
import os
import pickle
import random
import socket
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from torch.utils.data import DataLoader

from mixkit.audio.header import Header
from mixkit.audio.read import inspect, read
from mixkit.audio.resample import KERNEL, nearest_ratio, resample
from mixkit.errors import DataError

RATE = 16_000
REMOVE = "Remove the file, or list it in task.folder.skip."
GOOD = [
    # format, encoding, channels, largest error; block codecs pad, and lossy ones are judged by eye
    ("WAV", "PCM_16", 1, 1e-4),
    ("WAV", "PCM_24", 2, 1e-6),
    ("WAV", "PCM_32", 1, 1e-6),
    ("WAV", "PCM_U8", 1, 1e-2),
    ("WAV", "FLOAT", 1, 1e-6),
    ("WAV", "DOUBLE", 2, 1e-6),
    ("WAV", "ULAW", 1, 2e-2),
    ("WAV", "ALAW", 1, 2e-2),
    ("WAV", "IMA_ADPCM", 1, 5e-2),
    ("WAV", "MS_ADPCM", 2, 5e-2),
    ("WAV", "GSM610", 1, 0.2),
    ("WAV", "G721_32", 1, 0.2),  # cannot seek
    ("WAVEX", "PCM_16", 8, 1e-4),
    ("WAVEX", "FLOAT", 32, 1e-6),
    ("RF64", "PCM_24", 2, 1e-6),
    ("FLAC", "PCM_S8", 1, 1e-2),
    ("FLAC", "PCM_16", 1, 1e-4),
    ("FLAC", "PCM_24", 8, 1e-6),
    ("OGG", "VORBIS", 2, 0.1),
    ("OGG", "OPUS", 1, 0.1),
    ("MP3", "MPEG_LAYER_III", 2, 0.1),
    ("AIFF", "PCM_16", 1, 1e-4),
    ("AIFF", "PCM_24", 2, 1e-6),
    ("AIFF", "FLOAT", 1, 1e-6),
    ("AIFF", "IMA_ADPCM", 1, 5e-2),
    ("AIFF", "DWVW_16", 1, 1e-4),  # reads, but cannot seek to where it is
]


def chirp(seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * (200 * time + 300 * time**2))


def write(path: Path, sound: np.ndarray | None = None, rate: int = RATE, **how: str) -> Path:
    soundfile.write(path, chirp() if sound is None else sound, rate, **{"format": "WAV", **how})
    return path


def unknown_length(path: Path, sound: np.ndarray) -> Path:
    """A FLAC as a streaming encoder leaves it: 36 bits of zeros where the number of samples stands."""
    data = bytearray(write(path, sound, format="FLAC").read_bytes())
    data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])
    path.write_bytes(data)
    return path


def changed(path: Path, at: int, to: bytes) -> Path:
    data = bytearray(write(path).read_bytes())
    data[at : at + len(to)] = to
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("kind", "encoding", "channels", "error"), GOOD)
def test_good_files(tmp_path, kind, encoding, channels, error):
    sides = chirp()[:, None] * np.linspace(0.5, 1.5, channels)[None] if channels > 1 else chirp()[:, None]
    path = write(tmp_path / "clip", sides, format=kind, subtype=encoding)
    waveform, header = read(path, RATE), inspect(path)
    assert waveform.dtype == torch.float32
    assert waveform.ndim == 1
    assert RATE <= len(waveform) < RATE + 400
    assert header == Header(len(waveform), RATE, channels, kind)
    assert np.abs(waveform[:RATE].numpy() - chirp())[200:-200].max() < error


@pytest.mark.parametrize(("kind", "encoding", "channels", "error"), GOOD)
def test_a_section_is_a_part_of_the_whole(tmp_path, kind, encoding, channels, error):
    path = write(tmp_path / "clip", np.repeat(chirp()[:, None], channels, 1), format=kind, subtype=encoding)
    whole = read(path, RATE)
    torch.testing.assert_close(read(path, RATE, 0.3, 0.7), whole[4800:11_200], atol=1e-6, rtol=0)
    torch.testing.assert_close(read(path, RATE, start=0.51), whole[8160:], atol=1e-6, rtol=0)
    torch.testing.assert_close(read(path, RATE, stop=0.25), whole[:4000], atol=1e-6, rtol=0)


def test_unusual_but_good_headers(tmp_path):
    assert len(read(changed(tmp_path / "streamed.wav", 40, b"\xff\xff\xff\xff"), RATE)) == RATE
    assert len(read(changed(tmp_path / "piped.wav", 40, b"\xdb\xff\xff\x7f"), RATE)) == RATE
    big_endian = write(tmp_path / "big.wav", endian="BIG")
    assert big_endian.read_bytes()[:4] == b"RIFX"
    assert len(read(big_endian, RATE)) == RATE
    lost_a_little = tmp_path / "tail.wav"
    lost_a_little.write_bytes(write(tmp_path / "clip.wav").read_bytes()[:-100])
    assert len(read(lost_a_little, RATE)) == RATE - 50


def test_flac_of_unknown_length(tmp_path):
    sound = chirp(20.0)  # more than a block
    path = unknown_length(tmp_path / "clip.flac", sound)
    assert inspect(path) == Header(None, RATE, 1, "FLAC")
    whole = read(path, RATE)
    np.testing.assert_allclose(whole.numpy(), sound, atol=1e-4)
    assert torch.equal(read(path, RATE, 18.5, 19.0), whole[296_000:304_000])
    assert torch.equal(read(path, RATE, 19.5, 20.04), whole[312_000:])
    for start, stop, reason in (
        (19.5, 20.1, "ends 1600 samples before the section does."),
        (20.5, 21.0, "ends 8000 samples before the section begins."),
    ):
        with pytest.raises(DataError) as caught:
            read(path, RATE, start, stop)
        assert str(caught.value) == f"{path}: {reason} Correct the listing of the task."
    with pytest.raises(DataError) as caught:
        read(path, RATE, longest=19.0)
    assert str(caught.value).startswith(f"{path}: more than 19 s of audio at 16000 Hz. Cut it, ")


def test_the_listed_end_may_round(tmp_path):
    path = write(tmp_path / "clip.wav")
    assert len(read(path, RATE, 0.5, 1.05)) == 8000


@pytest.mark.parametrize(
    ("start", "stop", "reason"),
    [
        (0.5, 1.06, "the section from 0.5 s to 1.06 s is outside the file, which has 1.000 s."),
        (1.0, None, "the section from 1 s to the end is outside the file, which has 1.000 s."),
        (-0.1, None, "the section from -0.1 s to the end is empty."),
        (0.5, 0.5, "the section from 0.5 s to 0.5 s is empty."),
        (0.5, 0.2, "the section from 0.5 s to 0.2 s is empty."),
    ],
)
def test_sections_that_are_not_there(tmp_path, start, stop, reason):
    path = write(tmp_path / "clip.wav")
    with pytest.raises(DataError) as caught:
        read(path, RATE, start, stop)
    assert str(caught.value) == f"{path}: {reason} Correct the listing of the task."


def loud_at(place: int, value: float) -> np.ndarray:
    sound = chirp()
    sound[place] = value
    return sound


BAD = {
    "missing": (lambda path: None, "no such file. Check the path, or the folder that the task names."),
    "folder": (lambda path: path.mkdir(), f"is not a regular file. {REMOVE}"),
    "pipe": (os.mkfifo, f"is not a regular file. {REMOVE}"),
    "device": (lambda path: path.symlink_to("/dev/zero"), f"is not a regular file. {REMOVE}"),
    "loop": (
        lambda path: path.symlink_to(path),
        f"cannot be opened (Too many levels of symbolic links). {REMOVE}",
    ),
    "nothing": (lambda path: path.write_bytes(b""), f"0 samples of audio. {REMOVE}"),
    "one byte": (
        lambda path: path.write_bytes(b"\xff"),
        "is not WAV, FLAC, OGG, MP3 or AIFF. Convert it, or list it in task.folder.skip.",
    ),
    "text": (
        lambda path: path.write_text("RIFF is a word of many meanings"),
        "is not WAV, FLAC, OGG, MP3 or AIFF. Convert it, or list it in task.folder.skip.",
    ),
    "another kind": (
        lambda path: write(path, format="AU"),
        "is not WAV, FLAC, OGG, MP3 or AIFF. Convert it, or list it in task.folder.skip.",
    ),
    "no sound in WAV": (lambda path: write(path, np.zeros(0)), f"0 samples of audio. {REMOVE}"),
    "no sound in FLAC": (lambda path: write(path, np.zeros(0), format="FLAC"), f"0 samples of audio. {REMOVE}"),
    "no sound in OGG": (lambda path: write(path, np.zeros(0), format="OGG"), f"0 samples of audio. {REMOVE}"),
    "junk": (
        lambda path: path.write_bytes(b"RIFF\0\0\0\0WAVEjunkjunk"),
        f"cannot be decoded (Error in WAV file. No 'data' chunk marker). {REMOVE}",
    ),
    "33 channels": (
        lambda path: write(path, np.zeros((9, 33))),
        f"says 33 channels; recordings have 1 to 32. {REMOVE}",
    ),
    "999 Hz": (lambda path: write(path, rate=999), f"says 999 Hz; recordings have 1000 to 384000. {REMOVE}"),
    "2 GHz": (
        lambda path: changed(path, 24, b"\xff\xff\xff\x7f"),
        f"says 2147483647 Hz; recordings have 1000 to 384000. {REMOVE}",
    ),
    "0 Hz": (
        lambda path: changed(path, 24, b"\0\0\0\0"),
        f"cannot be decoded (Internal error : SF_INFO struct incomplete). {REMOVE}",
    ),
    "not a number": (
        lambda path: write(path, loud_at(9000, math.nan), subtype="FLOAT"),
        f"has samples that are not numbers. {REMOVE}",
    ),
    "infinite": (
        lambda path: write(path, loud_at(9000, -math.inf), subtype="DOUBLE"),
        f"has samples that are not numbers. {REMOVE}",
    ),
    "infinite in float32": (
        lambda path: write(path, loud_at(9000, 1e300), subtype="DOUBLE"),
        f"has samples that are not numbers. {REMOVE}",
    ),
    "whole numbers as floats": (
        lambda path: write(path, loud_at(9000, -20_000.0), subtype="FLOAT"),
        "has samples up to 20000, far outside -1 to 1. Scale it, or list it in task.folder.skip.",
    ),
    "WAV cut short": (
        lambda path: path.write_bytes(write(path).read_bytes()[:10_044]),
        f"says 32000 bytes of audio and has 10000. The file is damaged. {REMOVE}",
    ),
    "AIFF cut short": (
        lambda path: path.write_bytes(write(path, format="AIFF").read_bytes()[:16_000]),
        f"says 32008 bytes of audio and has 15954. The file is damaged. {REMOVE}",
    ),
    "FLAC cut short": (
        lambda path: path.write_bytes(write(path, format="FLAC").read_bytes()[:6_000]),
        f"cannot be decoded (Error : flac decoder lost sync). {REMOVE}",
    ),
    "OGG without its headers": (
        lambda path: path.write_bytes(write(path, format="OGG").read_bytes()[:1_000]),
        "has no last page (end of stream). It was cut short. "
        "Mend it with `ffmpeg -i OLD -c copy NEW`, or list it in task.folder.skip.",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_files(tmp_path, what):
    make, message = BAD[what]
    path = tmp_path / "dog_17.wav"
    make(path)
    with pytest.raises(DataError) as caught:
        read(path, RATE)
    assert str(caught.value) == f"{path}: {message}"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_mp3_cut_short(tmp_path):
    path = tmp_path / "clip.mp3"
    path.write_bytes(write(path, format="MP3").read_bytes()[:1200])
    with pytest.raises(DataError, match=r"says 30 frames of MP3 and has 11\. The file is damaged\."):
        read(path, RATE)


def test_sockets_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket has to be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.wav")
        with pytest.raises(
            DataError, match=r"^s\.wav: cannot be opened \(No such device or address\)|not a regular file"
        ):
            read("s.wav", RATE)


def test_a_failing_disk(tmp_path, monkeypatch):
    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = write(tmp_path / "clip.wav")
    monkeypatch.setattr(os, "pread", fail)
    with pytest.raises(DataError) as caught:
        read(path, RATE)
    assert str(caught.value) == f"{path}: cannot be read (Input/output error). {REMOVE}"


def test_no_file_stays_open(tmp_path):
    good, bad = write(tmp_path / "good.wav"), changed(tmp_path / "bad.wav", 24, b"\0\0\0\0")
    before = lowest_free_descriptor()
    for _ in range(5):
        read(good, RATE)
        with pytest.raises(DataError):
            read(bad, RATE)
    assert lowest_free_descriptor() == before


def lowest_free_descriptor() -> int:
    descriptor = os.open("/dev/null", os.O_RDONLY)
    os.close(descriptor)
    return descriptor


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a\nb.wav", r"a\nb.wav"), ("\x1b[2J.wav", r"\x1b[2J.wav"), ("\udcff.wav", r"\udcff.wav"), ("a\0b", r"a\x00b")],
)
def test_names_are_safe_to_print(name, shown):
    with pytest.raises(DataError) as caught:
        inspect(name)
    assert str(caught.value).startswith(f"{shown}: ")


def test_long_recordings_are_refused_before_they_are_decoded(tmp_path):
    path = write(tmp_path / "bomb.flac", np.zeros(1000 * 3700, np.int16), 1000, format="FLAC")
    assert path.stat().st_size < 2**16
    with pytest.raises(DataError) as caught:
        read(path, 1000)
    fix = "Cut it, list sections of it, or list it in task.folder.skip."
    assert str(caught.value) == f"{path}: more than 3600 s of audio at 1000 Hz. {fix}"
    assert len(read(path, 1000, 3650.0, 3651.0)) == 1000
    fast = write(tmp_path / "fast.wav", np.zeros(96_000), 96_000)
    with pytest.raises(DataError, match=r"more than 0\.75 s of audio at 96000 Hz"):
        read(fast, 96_000, longest=1.5)
    assert len(read(fast, 96_000, longest=2.0)) == 96_000


class Broken(torch.utils.data.Dataset):
    def __init__(self, path: Path):
        self.path = path

    def __len__(self) -> int:
        return 2

    def __getitem__(self, item: int) -> torch.Tensor:
        return read(self.path, RATE)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_hand_over_the_message(tmp_path):
    assert [len(clip[0]) for clip in DataLoader(Broken(write(tmp_path / "good.wav")), num_workers=1)] == [RATE, RATE]
    path = tmp_path / "bad.flac"
    path.write_bytes(b"fLaC" + bytes(100))
    with pytest.raises(DataError) as caught:
        next(iter(DataLoader(Broken(path), num_workers=1)))
    assert f"mixkit.errors.DataError: {path}: cannot be decoded (" in str(caught.value)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_resampled_as_torchaudio_does(tmp_path, rate):
    path = write(tmp_path / "clip.wav", chirp(rate=rate), rate)
    waveform = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
    expected = torchaudio.functional.resample(waveform, rate, RATE)
    torch.testing.assert_close(read(path, RATE), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("rate", [8_000, 11_127, 15_999, 22_255, 44_056, 44_099, 48_001, 191_999, 384_000])
def test_odd_sample_rates_keep_the_pitch(rate):
    hz = 1000.0
    waveform = torch.sin(2 * torch.pi * hz * torch.arange(rate, dtype=torch.float64) / rate).float()
    heard = resample(waveform, rate, RATE)
    assert len(heard) == pytest.approx(RATE, rel=2e-4)
    # The phase between two windows half a second apart gives the frequency more finely than any spectrum.
    windows = heard.double().unfold(0, 4000, 8000)[:2] * torch.hann_window(4000, dtype=torch.float64)
    wave = torch.exp(-2j * torch.pi * hz * torch.arange(4000, dtype=torch.float64) / RATE)
    first, second = (
        windows[0] @ wave.real + 1j * (windows[0] @ wave.imag),
        windows[1] @ wave.real + 1j * (windows[1] @ wave.imag),
    )
    turn = float((second / first).angle()) / (2 * math.pi)
    assert abs(turn) / 0.5 / hz < 2e-4


@pytest.mark.parametrize("wanted", [8_000, 16_000, 22_050, 32_000, 44_100, 48_000])
def test_the_kernel_is_bounded_and_the_pitch_kept(wanted):
    near = [wanted * times // 2 + off for times in (1, 2, 3, 4) for off in range(-20, 21)]
    for rate in [15_999, 44_099, 191_999, 383_999, *near, *random.Random(0).choices(range(1_000, 384_001), k=500)]:
        exact = Fraction(rate, wanted)
        ratio = Fraction(*nearest_ratio(rate, wanted))
        assert ratio.numerator * ratio.denominator <= KERNEL
        assert abs(ratio / exact - 1) < 2e-4
        assert ratio == exact or exact.numerator * exact.denominator > KERNEL


def test_mutated_files_are_read_or_refused(tmp_path):
    rng = random.Random(0)
    path = tmp_path / "clip"
    kinds = [
        ("WAV", "FLOAT"),
        ("WAV", "PCM_16"),
        ("AIFF", "DOUBLE"),
        ("WAV", "DOUBLE"),
        ("WAV", "G721_32"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("MP3", None),
    ]
    refused, garbage = 0, 0
    for kind, encoding in kinds:
        good = write(path, chirp(0.2), format=kind, subtype=encoding).read_bytes()
        for _ in range(50):
            data = bytearray(good)
            for _ in range(rng.choice([1, 2, 5])):
                data[rng.randrange(rng.choice([64, len(data)]))] = rng.randrange(256)
            path.write_bytes(data)
            garbage += plain_reader_hands_over_garbage(path)
            try:
                waveform = read(path, RATE)
            except DataError:
                refused += 1
            else:
                assert waveform.isfinite().all()
                assert waveform.abs().max() < 40
    assert garbage >= 3, "the mutations no longer show what a plain reader lets through"
    assert 50 < refused < 350


def plain_reader_hands_over_garbage(path: Path) -> bool:
    try:
        samples = soundfile.read(path, frames=100_000)[0]
    except (soundfile.LibsndfileError, ValueError, TypeError):
        return False
    return not bool(np.all(np.abs(samples) < 40))
