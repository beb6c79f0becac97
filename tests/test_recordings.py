"""Recordings of any length: windows cut from blocks as they come, in memory that does not grow with the recording."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from mixkit.audio.length import Length, window_starts
from mixkit.audio.resample import resample, resampled_length
from mixkit.audio.waveform import OpenSound, Waveform
from mixkit.model import recordings
from mixkit.model.recordings import HeardRecording, heard
from tests.conftest import Said
from tests.nursery import Nursery


def opener(sound: Tensor, blocks: Sequence[int], known: bool = True, asked: list[int] | None = None) -> OpenSound:
    """A sound that comes in blocks of these sizes, over and over."""

    @contextmanager
    def open_sound() -> Iterator[Waveform]:
        if asked is not None:
            asked.append(1)

        def parts() -> Iterator[Tensor]:
            place = number = 0
            while place < len(sound):
                yield sound[place : place + blocks[number % len(blocks)]]
                place += blocks[number % len(blocks)]
                number += 1

        yield Waveform(len(sound) if known else None, parts())

    return open_sound


def windows_of(open_sound: OpenSound, size: int, overlap: float = 0.5, batch_size: int = 7) -> HeardRecording:
    (found,) = heard(lambda windows: windows, [open_sound], Length(size), overlap, batch_size)
    return found


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("blocks", [[1], [3, 1, 50], [99], [100], [101], [1000], [10_000]])
@pytest.mark.parametrize("samples", [1, 99, 100, 101, 333, 1000])
def test_windows_are_those_of_the_whole(samples: int, blocks: list[int], known: bool) -> None:
    sound = torch.arange(1.0, samples + 1)
    for overlap in (0.0, 0.5, 0.95):
        found = windows_of(opener(sound, blocks, known), 100, overlap)
        starts = window_starts(samples, 100, overlap)
        assert (found.samples, list(found.starts)) == (samples, starts)
        padded = torch.nn.functional.pad(sound, (0, 100))
        assert torch.equal(found.rows, torch.stack([padded[start : start + 100] for start in starts]))


def test_a_sound_that_does_not_say_its_length_is_heard_twice_where_it_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "HELD", 1000)
    for samples, times in ((1000, 1), (1001, 2)):
        asked: list[int] = []
        sound = torch.arange(float(samples))
        found = windows_of(opener(sound, [300], known=False, asked=asked), 100)
        assert torch.equal(found.rows, windows_of(opener(sound, [300]), 100).rows)
        assert len(asked) == times


def test_a_sound_that_changes_is_refused() -> None:
    lengths = iter([500, 400])

    @contextmanager
    def open_sound() -> Iterator[Waveform]:
        samples = next(lengths)
        yield Waveform(samples, iter([torch.zeros(samples)]))

    error = windows_of(open_sound, 100).error
    assert str(error) == "had 500 samples, and 400 when it was heard: it changes. Wait until it is whole."


def test_no_more_than_a_batch_waits() -> None:
    sizes: list[int] = []

    def compute(windows: Tensor) -> Tensor:
        sizes.append(len(windows))
        return windows.sum(1, keepdim=True)

    sounds = [opener(torch.ones(1000), [100]), opener(torch.ones(50), [100]), opener(torch.ones(700), [100])]
    found = list(heard(compute, sounds, Length(100), 0.0, 4))
    assert sizes == [4, 4, 4, 4, 2]
    assert [one.samples for one in found] == [1000, 50, 700]
    assert [one.rows.flatten().tolist() for one in found] == [[100.0] * 10, [50.0], [100.0] * 7]


@pytest.mark.parametrize(
    "rates", [(8000, 16_000), (22_050, 16_000), (44_100, 16_000), (48_000, 44_100), (15_999, 16_000)]
)
def test_the_length_is_known_ahead(rates: tuple[int, int]) -> None:
    for samples in (1, 2, 1000, 1001, 44_099, 44_101):
        assert resampled_length(samples, *rates) == len(resample(torch.zeros(samples), *rates))


LONG = """
import re, sys
from functools import partial
from mixkit.audio.length import Length
from mixkit.audio.waveform import open_file
from mixkit.model.recordings import heard

def status(name):
    return int(re.search(f"{name}:\\s*(\\d+)", open("/proc/self/status").read())[1]) >> 10

def hear(open_sound):
    (found,) = heard(lambda x: x.mean(1, True), [open_sound], Length(400_000), 0.5, 4)
    return len(found.starts)

def keep(open_sound):
    with open_sound() as waveform:
        blocks = list(waveform.blocks)
        return len(blocks)

short, long = (partial(open_file, path, 8000) for path in sys.argv[1:])
for use, sound in ((hear, short), (hear, long), (keep, long)):
    open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
    before = status("VmRSS")
    print(use(sound), status("VmHWM") - before)
"""


def sparse_wav(path: Path, seconds: int, rate: int) -> Path:
    """A WAV of silence in 16 bits, which takes no disk."""
    soundfile.write(path, np.zeros(1), rate, subtype="PCM_16")
    head, size = bytearray(path.read_bytes()[:44]), 2 * seconds * rate
    head[4:8], head[40:44] = (36 + size).to_bytes(4, "little"), size.to_bytes(4, "little")
    path.write_bytes(head)
    with path.open("r+b") as file:
        file.truncate(44 + size)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is counted anew on Linux alone")
def test_memory_does_not_grow_with_the_recording(tmp_path: Path, nursery: Nursery) -> None:
    """Two hours at 8 kHz are 220 MiB, which the control keeps."""
    paths = [sparse_wav(tmp_path / f"{seconds}.wav", seconds, 8000) for seconds in (900, 7200)]
    ended = nursery.run("-c", LONG, *paths)
    assert ended.code == 0, ended.err
    _, (windows, growth), (_, control) = (map(int, line.split()) for line in ended.out.splitlines())
    assert windows == 287  # of 50 s, which overlap by half
    assert growth < 40
    assert control > 150


def test_an_hour_is_not_the_end(small_run: Path, tmp_path: Path, mixkit_command: Callable[..., Said]) -> None:
    path = sparse_wav(tmp_path / "long.wav", 3700, 1000)
    said = mixkit_command("predict", small_run, path, "--json", "--overlap", 0)
    assert (said.code, said.err) == (0, "")
    found = json.loads(said.out)
    assert (found["seconds"], found["windows"]) == (3700.0, 7400)
