"""A FLAC file that says less than it holds is refused; one that cannot be pressed together is not."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixkit.audio.read import read
from mixkit.errors import DataError

RATE = 16_000


def saying(path: Path, samples: int) -> Path:
    """The same file with another number of samples in its header."""
    whole = path.read_bytes()
    path.write_bytes(whole[:21] + bytes([whole[21] & 0xF0]) + samples.to_bytes(4, "big") + whole[26:])
    return path


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("channels", [1, 8])
@pytest.mark.parametrize("samples", [1, 17, 5000, 100_000])
def test_noise_fills_what_it_says(tmp_path: Path, subtype: str, channels: int, samples: int) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (samples, channels))
    soundfile.write(tmp_path / "noise.flac", noise, 48_000, subtype=subtype)
    assert len(read(tmp_path / "noise.flac", 48_000)) == samples


@pytest.mark.parametrize("loudness", [1.0, 0.01])  # that hardly and that well can be pressed together
@pytest.mark.parametrize("said", [1, 1000, 40_000])
def test_a_length_that_is_a_lie(tmp_path: Path, said: int, loudness: float) -> None:
    path = tmp_path / "noise.flac"
    soundfile.write(path, loudness * np.random.default_rng(0).uniform(-1, 1, 48_000), RATE, subtype="PCM_16")
    assert len(read(path, RATE)) == 48_000
    with pytest.raises(DataError) as caught:
        read(saying(path, said), RATE)
    assert str(caught.value).startswith(f"{path}: says {said} samples and has ")


def test_tags_behind_are_no_lie(tmp_path: Path) -> None:
    path = tmp_path / "noise.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 48_000), RATE, subtype="PCM_16")
    whole = path.read_bytes()
    for behind in (b"TAG".ljust(128, b"x"), b"text" * 100, b"x" * 9000 + ape_footer(9000)):
        path.write_bytes(whole + behind)
        assert len(read(path, RATE)) == 48_000
    path.write_bytes(whole + b"x" * 9000)
    with pytest.raises(DataError, match=r"says 48000 samples and has 89\d\d bytes behind them"):
        read(path, RATE)


def ape_footer(items: int) -> bytes:
    return b"APETAGEX" + (2000).to_bytes(4, "little") + (items + 32).to_bytes(4, "little") + bytes(16)


def test_what_says_nothing_is_heard_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "noise.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 48_000), RATE)
    assert len(read(saying(path, 0), RATE)) == 48_000
