"""A FLAC file that says less than it holds is refused; one that cannot be pressed together is not."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixkit.audio.flac import excess
from mixkit.audio.read import read
from mixkit.errors import DataError


def found(path: Path) -> tuple[int, int] | None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return excess(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("samples", [1, 17, 5000, 100_000])
def test_noise_fills_what_it_says(tmp_path: Path, subtype: str, channels: int, samples: int) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (samples, channels))
    soundfile.write(tmp_path / "noise.flac", noise, 48_000, subtype=subtype)
    assert found(tmp_path / "noise.flac") is None


@pytest.mark.parametrize("said", [1, 1000, 40_000])
def test_a_length_that_is_a_lie(tmp_path: Path, said: int) -> None:
    path = tmp_path / "noise.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 48_000), 16_000, subtype="PCM_16")
    whole = path.read_bytes()
    assert len(read(path, 16_000)) == 48_000
    path.write_bytes(whole[:21] + bytes([whole[21] & 0xF0]) + said.to_bytes(4, "big") + whole[26:])
    with pytest.raises(DataError) as caught:
        read(path, 16_000)
    assert str(caught.value).startswith(f"{path}: says {said} samples and has ")


def test_what_says_nothing_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "noise.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 48_000), 16_000)
    whole = path.read_bytes()
    path.write_bytes(whole[:21] + bytes([whole[21] & 0xF0]) + bytes(4) + whole[26:])
    assert found(path) is None
    for content in (b"", b"fLaC", b"RIFF" + bytes(60), whole[:41]):
        path.write_bytes(content)
        assert found(path) is None
