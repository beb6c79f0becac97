"""Sound files of strangers: lying headers, bombs, odd rates, other things under the name of sound; and a fuzzer."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from mixkit.storage.programs import find_program

RATE = 16_000
KINDS = [
    *(("WAV", encoding) for encoding in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")),
    *(
        ("WAV", encoding)
        for encoding in ("IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32", "NMS_ADPCM_32", "MPEG_LAYER_III")
    ),
    *(("WAVEX", "PCM_16"), ("WAVEX", "FLOAT"), ("RF64", "PCM_16"), ("RF64", "FLOAT")),
    *(("FLAC", "PCM_S8"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24")),
    *(("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")),
    *(
        ("AIFF", encoding)
        for encoding in ("PCM_16", "PCM_24", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM", "DWVW_16", "GSM610")
    ),
]
LOUDEST = 16.0


def sound(seconds: float = 0.1, rate: int = RATE) -> Any:
    """A tone with some noise."""
    time = np.arange(int(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * 440 * time) + 0.01 * np.random.default_rng(0).standard_normal(len(time))


def written(samples: Any = None, rate: int = RATE, kind: str = "WAV", encoding: str | None = None) -> bytes:
    """A whole sound file."""
    file = io.BytesIO()
    soundfile.write(file, sound() if samples is None else samples, rate, format=kind, subtype=encoding)
    return file.getvalue()


def at(content: bytes, place: int, to: bytes) -> bytes:
    """The same bytes with others at a place."""
    return content[:place] + to + content[place + len(to) :]


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    """A chunk of RIFF."""
    return name + struct.pack("<I", len(content) if size is None else size) + content + b"\0" * (len(content) % 2)


def wav(*chunks: bytes, size: int | None = None) -> bytes:
    """A RIFF file of these chunks."""
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def form(code: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16, align: int | None = None) -> bytes:
    """The chunk that says what follows."""
    width = channels * bits // 8 if align is None else align
    return chunk(b"fmt ", struct.pack("<HHIIHH", code, channels, rate, rate * width & 0xFFFFFFFF, width & 0xFFFF, bits))


def unknown_length(content: bytes) -> bytes:
    """A FLAC as a streaming encoder leaves it."""
    return at(content, 21, bytes([content[21] & 0xF0, 0, 0, 0, 0]))


def crafted() -> Mapping[str, tuple[bytes, str]]:
    """A2: each file, and how the reason for refusing it begins; nothing where it is to be read."""
    data = chunk(b"data", bytes(3200))
    pcm = np.zeros(1600, np.int16).tobytes()
    float_bomb = np.full(1600, 1e30, np.float32).tobytes()
    flac, ogg, mp3, aiff = (written(kind=kind) for kind in ("FLAC", "OGG", "MP3", "AIFF"))
    opus = written(kind="OGG", encoding="OPUS")
    silence = written(np.zeros(1000 * 4000, np.int16), 1000, "FLAC")
    noise = written(np.random.default_rng(0).uniform(-1, 1, 16_000), kind="FLAC")
    return {
        "plain": (wav(form(), data), ""),
        "stereo": (wav(form(channels=2), data), ""),
        "unknown length, FLAC": (unknown_length(flac), ""),
        "a chunk that nobody knows": (wav(form(), chunk(b"evil", b"x" * 999), data), ""),
        "size of a stream": (wav(form(), chunk(b"data", pcm, 0xFFFFFFFF), size=0xFFFFFFFF), ""),
        "wrong size of the whole": (wav(form(), data, size=4), ""),
        "text behind": (wav(form(), data) + b"evil" * 100, ""),
        "a tag ahead of MP3": (b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + mp3, ""),
        "the middle of an MP3": (mp3[500:], ""),
        "extensible": (written(kind="WAVEX"), ""),
        "RF64": (written(kind="RF64"), ""),
        "384 kHz": (wav(form(rate=384_000), data), ""),
        "1 kHz": (wav(form(rate=1000), data), ""),
        "32 channels": (wav(form(channels=32), data), ""),
        "nothing": (b"", "0 samples of audio."),
        "one byte": (b"R", "is not WAV"),
        "RIFF alone": (b"RIFF", "is not WAV"),
        "RIFF of another kind": (b"RIFF\x04\0\0\0AVI ", "is not WAV"),
        "a header alone": (wav(), "cannot be decoded"),
        "no data": (wav(form()), "cannot be decoded"),
        "no form": (wav(data), "cannot be decoded"),
        "empty data": (wav(form(), chunk(b"data", b"")), "0 samples of audio."),
        "half a frame": (wav(form(channels=2), chunk(b"data", b"\0\0")), "0 samples of audio."),
        "0 channels": (wav(form(channels=0), data), "cannot be decoded"),
        "33 channels": (wav(form(channels=33), chunk(b"data", bytes(6600))), "says 33 channels"),
        "65,535 channels": (wav(form(channels=65_535), data), "cannot be decoded"),
        "0 Hz": (wav(form(rate=0), data), "cannot be decoded"),
        "1 Hz": (wav(form(rate=1), data), "says 1 Hz"),
        "7 Hz": (wav(form(rate=7), data), "says 7 Hz"),
        "999 Hz": (wav(form(rate=999), data), "says 999 Hz"),
        "384,001 Hz": (wav(form(rate=384_001), data), "says 384001 Hz"),
        "2^31-1 Hz": (wav(form(rate=2**31 - 1), data), "says 2147483647 Hz"),
        "2^32-1 Hz": (wav(form(rate=2**32 - 1), data), "cannot be decoded"),
        "0 bits": (wav(form(bits=0, align=2), data), "cannot be decoded"),
        "65,535 bits": (wav(form(bits=65_535), data), "cannot be decoded"),
        "an unknown code": (wav(form(code=0xBEEF), data), "cannot be decoded"),
        "says 4 GB, as a stream does": (wav(form(), chunk(b"data", pcm, 0xF0000000)), ""),
        "says twice": (wav(form(), chunk(b"data", pcm, 6400)), "says 6400 bytes of audio and has 3200."),
        "a chunk of 4 GB ahead": (wav(form(), chunk(b"junk", b"", 0xFFFFFFF0), data), "cannot be decoded"),
        "two forms": (wav(form(), form(channels=2, rate=8000), data), "cannot be decoded"),
        "two datas": (wav(form(), data, chunk(b"data", b"\xff" * 3200)), "cannot be decoded"),
        "many chunks": (wav(form(), *[chunk(b"evil", b"")] * 100_000, data), "cannot be decoded"),
        "not a number": (written(np.full(1600, np.nan), encoding="FLOAT"), "has samples that are not numbers."),
        "one that is not a number": (
            written(np.where(np.arange(1600) == 1599, np.inf, 0.0), encoding="DOUBLE"),
            "has samples that are not numbers.",
        ),
        "10^30": (wav(form(3, bits=32), chunk(b"data", float_bomb)), "has samples up to 1e+30"),
        "whole numbers as floats": (written(sound() * 32_768, encoding="FLOAT"), "has samples up to "),
        "a hair too loud": (written(np.full(1600, 16.01), encoding="FLOAT"), "has samples up to 16.01"),
        "loud": (written(np.full(1600, 15.9), encoding="FLOAT"), ""),
        "a bomb of silence": (silence, "more than 3600 s of audio at 1000 Hz."),
        "a bomb of unknown length": (unknown_length(silence), "more than 3600 s of audio at 1000 Hz."),
        "a FLAC that says a year": (at(flac, 21, bytes([flac[21] | 0x0F, 0xFF, 0xFF, 0xFF, 0xFE])), "more than 3600 s"),
        "a FLAC that says one sample": (at(noise, 21, bytes([noise[21] & 0xF0, 0, 0, 0, 1])), "says 1 samples and has"),
        "a FLAC at 0 Hz": (at(flac, 18, bytes([0, 0, flac[20] & 0x0F])), "cannot be decoded"),
        "a FLAC at 655,350 Hz": (at(flac, 18, bytes([0x9F, 0xFF, 0x60 | flac[20] & 0x0F])), "says 655"),
        "half a FLAC": (flac[: len(flac) // 2], "cannot be decoded"),
        "a head of FLAC": (flac[:42], "0 samples of audio."),
        "half an OGG": (ogg[: len(ogg) * 3 // 4], "has no last page"),
        "a head of OGG": (ogg[:58], "has no last page"),
        "zeros in an OGG": (at(ogg, 400, bytes(500)), "cannot be decoded"),
        "half an Opus": (opus[: len(opus) // 2], "has no last page"),
        "an AIFF at no rate": (at(aiff, 28, bytes(10)), "says 1 Hz"),
        "an AIFF cut": (aiff[: len(aiff) // 2], "says "),
        "AU": (written(kind="AU"), "is not WAV"),
        "CAF": (written(kind="CAF"), "" if find_program("ffmpeg") else "is CAF, which is read through ffmpeg"),
        "VOC": (written(kind="VOC"), "is not WAV"),
        "gzip": (zlib.compress(wav(form(), data)), "is not WAV"),
        "a page of the web": (b"<!DOCTYPE html>" + b"<p>404</p>" * 10, "is not WAV"),
        "a Python file": (b"import evil\n", "is not WAV"),
        "sample dump": (b"\xf0\x7e\x00\x01" + bytes(200), "is not WAV"),
        "zeros": (bytes(10_000), "is not WAV"),
        "an MP3 of zeros": (b"\xff\xfb\x90\x64" + bytes(413) * 3, "cannot be decoded"),
        "an endless tag": (b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + mp3, "cannot be decoded"),
    }


def mutants(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Mutated files of every container and codec, without end."""
    seeds = {f"{kind}-{encoding}": written(kind=kind, encoding=encoding) for kind, encoding in available()}
    names = sorted(seeds)
    while True:
        name = rng.choice(names)
        data = bytearray(seeds[name])
        for _ in range(rng.choice((1, 1, 2, 5, 20))):
            _CHANGES[rng.randrange(len(_CHANGES))](data, rng)
        yield name, bytes(data)


def available() -> list[tuple[str, str]]:
    """Of the kinds, those that libsndfile writes here, at this sample rate."""
    found = []
    for kind, encoding in KINDS:
        if soundfile.check_format(kind, encoding):
            try:
                written(kind=kind, encoding=encoding)
            except soundfile.LibsndfileError:
                continue
            found.append((kind, encoding))
    return found


def _place(data: bytearray, rng: random.Random) -> int:
    return rng.randrange(max(min(rng.choice((64, 128, len(data))), len(data)), 1))


def _byte(data: bytearray, rng: random.Random) -> None:
    if data:
        data[_place(data, rng)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _word(data: bytearray, rng: random.Random) -> None:
    place, width = _place(data, rng), rng.choice((2, 4, 8))
    value = rng.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, rng.randrange(2**32)))
    data[place : place + width] = value.to_bytes(8, rng.choice(("little", "big")))[:width]


def _cut(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(data) + 1)
    del data[place : place + rng.choice((1, 4, 100, len(data)))]


def _doubled(data: bytearray, rng: random.Random) -> None:
    place, length = rng.randrange(len(data) + 1), rng.choice((4, 64, 500))
    data[place:place] = data[max(place - length, 0) : place] * rng.choice((1, 3))


def _noise(data: bytearray, rng: random.Random) -> None:
    place = _place(data, rng)
    data[place : place + 16] = rng.randbytes(16)


_CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (_byte, _byte, _word, _word, _cut, _doubled, _noise)


def read_all(folder: str, count: int, seed: int) -> dict[str, Any]:
    """A1: that many mutants through the decoder, and the same through a plain one; runs in a child."""
    from mixkit.audio.read import read
    from mixkit.errors import DataError

    found: dict[str, Any] = {"ok": 0, "refused": 0, "garbage": 0, "plain garbage": 0, "reasons": {}, "odd": []}
    path = Path(folder) / "x.wav"
    rng = random.Random(seed)
    for number, (name, content) in zip(range(count), mutants(rng), strict=False):
        path.write_bytes(content)
        (Path(folder) / "number").write_text(f"{seed} {number} {name}")
        found["plain garbage"] += plain_is_garbage(path)
        try:
            waveform = read(path, RATE, longest=60.0)
        except DataError as error:
            reason = str(error).removeprefix(f"{path}: ")
            found["refused"] += 1
            words = " ".join(reason.split(" ")[:4])
            found["reasons"][words] = found["reasons"].get(words, 0) + 1
            if reason == str(error) or not reason.endswith(".") or not reason.replace("\n", "").isprintable():
                found["odd"].append(f"{seed} {number} {name}: {error}")
        except Exception as error:
            found["odd"].append(f"{seed} {number} {name}: {type(error).__name__}: {error}")
        else:
            found["ok"] += 1
            # A resampler overshoots a square wave by a fifth; nothing that is over the limit comes near it by chance.
            bad = not waveform.isfinite().all() or not len(waveform) or float(waveform.abs().max()) > 1.5 * LOUDEST
            found["garbage"] += bad
    return found


def plain_is_garbage(path: Path) -> bool:
    """Whether soundfile alone hands over what is no sound, or less than the file says, without a word."""
    try:
        with soundfile.SoundFile(path) as file:
            samples, said = file.read(frames=200_000, dtype="float32"), file.frames
    except (soundfile.LibsndfileError, ValueError, TypeError, MemoryError):
        return False
    return not bool(np.all(np.abs(samples) <= LOUDEST)) or len(samples) < min(said, 200_000)


def read_one(path: str, rate: int) -> str:
    """What the decoder makes of a file: the reason for which it is refused, or `N samples`."""
    from mixkit.audio.read import read
    from mixkit.errors import DataError

    try:
        return f"{len(read(path, rate))} samples"
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")


def pitch_error(path: str, true: int, rate: int) -> float:
    """How far a tone of 1 kHz comes out from where it was, as a share of it."""
    from mixkit.audio.read import read

    time = np.arange(true) / true
    soundfile.write(path, np.sin(2 * np.pi * 1000.0 * time), true, format="WAV", subtype="FLOAT")
    heard = read(path, rate).numpy().astype(np.float64)
    # The phase between two windows half a second apart gives the frequency more finely than any spectrum.
    half, width = rate // 2, rate // 4
    wave = np.hanning(width) * np.exp(-2j * np.pi * 1000.0 * np.arange(width) / rate)
    begin, end = (np.dot(heard[start : start + width], wave) for start in (rate // 8, rate // 8 + half))
    return abs(float(np.angle(end / begin))) / (2 * np.pi) / 0.5 / 1000.0


def plain_resample(path: str, rate: int) -> int:
    """The control: what torchaudio does with the rate that a file says."""
    import torch
    import torchaudio

    samples, true = soundfile.read(path, dtype="float32")
    return len(torchaudio.functional.resample(torch.from_numpy(samples), true, rate))
