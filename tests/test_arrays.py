"""What Python programs hand over as a sound: heard the same where it is sure what is meant, refused where it is not."""

import array
import io
import tempfile
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import mixkit
import mixkit.hear
from mixkit.audio.arrays import samples_of
from mixkit.audio.features import LogMel
from mixkit.audio.waveform import sound_opener
from mixkit.errors import MixkitError

RATE = 16_000
SOUND = np.random.default_rng(0).uniform(-0.9, 0.9, 400).astype(np.float32)
STEPS = np.round(SOUND * 2**15).astype(np.int16)
LEFT_RIGHT = np.stack([SOUND, SOUND])
PLAIN = "Give floats from -1 to 1, or the integers of a recording: uint8, int8, int16 or int32."
SOUNDS = (
    "Give a path, an open file or a waveform (an array, a tensor or a list of floats from -1 to 1) and its sample_rate."
)


def waveform_of(sound: Any, rate: Any, wanted: int) -> torch.Tensor:
    with sound_opener(sound, rate, wanted) as open_sound, open_sound() as waveform:
        found = torch.cat(list(waveform.blocks))
        assert waveform.samples == len(found)
        return found


def conjugate() -> torch.Tensor:
    """A view whose sign is flipped when it is read."""
    return torch.imag(torch.complex(torch.zeros(400), torch.from_numpy(-SOUND)).conj())


@pytest.mark.parametrize(
    ("waveform", "atol"),
    [
        (SOUND, 0),
        (SOUND[::-1].copy()[::-1], 0),
        (LEFT_RIGHT[:, ::-1].copy()[:, ::-1], 1e-7),
        (np.repeat(SOUND, 2)[::2], 0),
        (np.asfortranarray(LEFT_RIGHT), 1e-7),
        (np.frombuffer(SOUND.tobytes(), np.float32), 0),
        (SOUND.astype(">f4"), 0),
        (SOUND.astype(">f8"), 0),
        (SOUND.astype(np.longdouble), 0),
        (SOUND.astype(np.float16), 1e-3),
        (STEPS, 2e-5),
        (STEPS.astype(">i2"), 2e-5),
        (STEPS.astype(np.int32) * 2**16, 2e-5),
        (np.round(SOUND * 2**7).astype(np.int8), 5e-3),
        (np.round(SOUND * 2**7 + 2**7).astype(np.uint8), 5e-3),
        (SOUND.tolist(), 0),
        (tuple(SOUND.tolist()), 0),
        ([SOUND, SOUND], 1e-7),
        ([torch.from_numpy(SOUND), torch.from_numpy(SOUND)], 1e-7),
        (array.array("f", SOUND), 0),
        (memoryview(SOUND), 0),
        (np.ma.masked_array(SOUND, mask=False), 0),
        (torch.from_numpy(SOUND), 0),
        (torch.from_numpy(SOUND)[None], 0),
        (torch.nn.Parameter(torch.from_numpy(SOUND)), 0),
        (torch.from_numpy(SOUND).double(), 0),
        (torch.from_numpy(SOUND).half(), 1e-3),
        (torch.from_numpy(SOUND).bfloat16(), 5e-3),
        (torch.from_numpy(STEPS), 2e-5),
        (conjugate(), 0),
        ({"array": SOUND, "sampling_rate": RATE}, 0),
        ({"path": "x.wav", "array": SOUND.tolist(), "sampling_rate": float(RATE)}, 0),
        (
            SimpleNamespace(
                get_all_samples=lambda: SimpleNamespace(data=torch.from_numpy(SOUND)[None], sample_rate=RATE)
            ),
            0,
        ),
    ],
)
def test_what_is_sure_is_heard_the_same(waveform: Any, atol: float) -> None:
    found = waveform_of(waveform, None if hasattr(waveform, "keys") else RATE, RATE)
    assert (found.dtype, found.ndim) == (torch.float32, 1)
    torch.testing.assert_close(found, torch.from_numpy(SOUND), atol=atol, rtol=0)


def test_integers_are_shares_of_full_scale() -> None:
    """As in the files that they are read from."""
    for dtype, low, high in (("int16", -(2**15), 2**15 - 1), ("int32", -(2**31), 2**31 - 1), ("uint8", 0, 255)):
        found = samples_of(np.array([low, high], dtype))
        assert found[0] == -1.0
        assert 0.99 < float(found[1]) <= 1.0
    assert samples_of(np.zeros(3, np.int32)).tolist() == [0.0, 0.0, 0.0]
    path = io.BytesIO()
    soundfile.write(path, STEPS, RATE, format="WAV")
    assert torch.equal(waveform_of(STEPS, RATE, RATE), waveform_of(path.getvalue(), None, RATE))


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (STEPS.astype(np.int64), f"the waveform is int64. {PLAIN}"),
        ([0, 1, 0, -1], f"the waveform is int64. {PLAIN}"),
        (STEPS.astype(np.uint16), f"the waveform is uint16. {PLAIN}"),
        (STEPS > 0, f"the waveform is bool. {PLAIN}"),
        (SOUND.astype(complex), f"the waveform is complex128. {PLAIN}"),
        (torch.from_numpy(SOUND).to(torch.complex64), f"the waveform is complex64. {PLAIN}"),
        (
            STEPS.clip(-9, 9).astype(np.int32),
            "the waveform is int32 with samples up to 9 only. If it has 16 bits, give it as int16.",
        ),
        (SOUND.astype(object), f"the sound is of the type ndarray and holds no plain numbers. {SOUNDS}"),
        (np.array(["0.1"]), f"the sound is of the type ndarray and holds no plain numbers. {SOUNDS}"),
        (np.zeros(5, "M8[s]"), f"the sound is of the type ndarray and holds no plain numbers. {SOUNDS}"),
        (np.zeros(5, [("l", "f4")]), f"the sound is of the type ndarray and holds no plain numbers. {SOUNDS}"),
        (None, f"the sound is of the type NoneType and holds no plain numbers. {SOUNDS}"),
        (["x.wav"], f"the sound is of the type list and holds no plain numbers. {SOUNDS}"),
        ([[0.1, 0.2], [0.1]], f"the sound is of the type list and holds no plain numbers. {SOUNDS}"),
        ((SOUND, RATE), f"the sound is of the type tuple and holds no plain numbers. {SOUNDS}"),
        ((value for value in SOUND), f"the sound is of the type generator and holds no plain numbers. {SOUNDS}"),
        (0.5, "the waveform is a single number. It takes samples, or channels x samples."),
        (LEFT_RIGHT.T, "the waveform is 400 x 2. It takes samples, or channels x samples. Transpose it."),
        (np.zeros(0), "the waveform is empty. It takes at least one sample."),
        (np.array([0.0, np.nan, 0.1]), "the waveform has samples that are not numbers. Mend or scale it."),
        (np.array([0.0, -np.inf]), "the waveform has samples that are not numbers. Mend or scale it."),
        (STEPS.astype(float), "the waveform has samples up to 29473, far outside -1 to 1. Mend or scale it."),
        (np.ma.masked_array(SOUND, SOUND > 0), "the waveform has masked samples. Fill them: waveform.filled(0)."),
        (
            torch.zeros(9).to_sparse(),
            "the waveform is a tensor that is sparse, nested, quantized or meta. Give a dense one.",
        ),
        (
            torch.zeros(9, device="meta"),
            "the waveform is a tensor that is sparse, nested, quantized or meta. Give a dense one.",
        ),
        (
            {"sampling_rate": 8000},
            "the dict holds no sound; its keys: 'sampling_rate'. It takes 'array' and 'sampling_rate'.",
        ),
        (
            {"array": SOUND, "sampling_rate": 8000},
            "sample_rate is 16000, but the sound says 8000. Leave it out.",
        ),
        (b"RIFF", "sample_rate is 16000, but a file says its own. Leave it out."),
    ],
)
def test_what_is_not_sure_is_refused(waveform: Any, message: str) -> None:
    with pytest.raises(MixkitError) as caught:
        waveform_of(waveform, RATE, RATE)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "rate",
    [
        16_000.0,
        np.int64(RATE),
        np.float32(RATE),
        np.array(RATE),
        np.array([RATE]),
        torch.tensor(RATE),
        Decimal(RATE),
        Fraction(RATE),
    ],
)
def test_a_whole_number_of_any_type_is_a_sample_rate(rate: Any) -> None:
    assert torch.equal(waveform_of(SOUND, rate, RATE), torch.from_numpy(SOUND))


@pytest.mark.parametrize(
    "rate", ["16000", b"16000", 22_050.5, np.float64(0.5), float("nan"), [RATE], np.array([RATE, RATE]), 16_000j]
)
def test_what_is_no_whole_number_is_none(rate: Any) -> None:
    with pytest.raises(MixkitError) as caught:
        waveform_of(SOUND, rate, RATE)
    assert str(caught.value) == f"sample_rate is {rate!r}. It takes a whole number of Hz, such as 16000."


@pytest.mark.parametrize("rate", [True, 0, -1, float("inf"), 10**30])
def test_a_sample_rate_out_of_range(rate: Any) -> None:
    with pytest.raises(MixkitError) as caught:
        waveform_of(SOUND, rate, RATE)
    assert str(caught.value) == f"sample_rate is {rate}. Recordings have 1000 to 384000 Hz."


class Trickle(io.RawIOBase):
    """A stream that cannot seek, and gives a few bytes at a time."""

    def __init__(self, content: bytes):
        self.rest = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self.rest.read(min(size, 1000))


def test_open_files_are_read_as_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, spool = tmp_path / "sound.flac", tmp_path / "spool"
    soundfile.write(path, SOUND, RATE)
    spool.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spool))
    wanted, content = waveform_of(path, None, 8000), path.read_bytes()
    with path.open("rb") as file:
        sounds = [file, io.BytesIO(content), content, bytearray(content), Trickle(content)]
        sounds += [{"path": None, "bytes": content}, {"path": str(path), "bytes": None}]
        for sound in sounds:
            assert torch.equal(waveform_of(sound, None, 8000), wanted)
    assert not list(spool.iterdir())


def test_open_files_that_hold_no_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("words and more words")
    with path.open("rb") as binary, path.open() as text:
        for sound, message in (
            (binary, f"{path}: is not WAV, FLAC, OGG, MP3 or AIFF."),
            (text, f"{path} reads as str, not bytes. Open it with 'rb'."),
            (b"words and more words", "the bytes: is not WAV, FLAC, OGG, MP3 or AIFF."),
            (
                SimpleNamespace(read=lambda size: SOUND),
                "the SimpleNamespace reads as ndarray, not bytes. Open it with 'rb'.",
            ),
        ):
            with pytest.raises(MixkitError) as caught:
                waveform_of(sound, None, RATE)
            assert str(caught.value) == message
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(MixkitError) as caught:
        waveform_of(b"RIFF", None, RATE)
    assert str(caught.value) == (
        "the bytes cannot be kept in a temporary file (No such file or directory). Name a file instead, or set "
        "TMPDIR to a folder that can be written to and has room."
    )


def test_the_network_itself_takes_floats_alone(small_run: Path) -> None:
    """It is not told what its integers mean, and would hear them 32,768 times too loud."""
    features = LogMel(RATE, 0.5)
    with pytest.raises(MixkitError) as caught:
        features(torch.zeros(1, 8000, dtype=torch.int16))
    assert str(caught.value) == "log_mel takes waveforms of floats from -1 to 1, not torch.int16. Scale them."
    model = mixkit.hear.load_model(str(small_run))
    steps = torch.from_numpy(STEPS)[None]
    for embed in (mixkit.hear.get_scene_embeddings, lambda *sound: mixkit.hear.get_timestamp_embeddings(*sound)[0]):
        assert torch.equal(embed(steps, model), embed(steps / 2**15, model))
        with pytest.raises(MixkitError, match="not numbers"):
            embed(torch.full((1, 9), torch.nan), model)
