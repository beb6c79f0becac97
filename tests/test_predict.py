"""Predictions: any length, rate and channel count; the same whatever else is heard in the same batch."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

import mixkit
from mixkit.audio.length import window_starts
from mixkit.audio.waveform import OpenSound, Waveform, sound_opener
from mixkit.errors import DataError, MixkitError
from mixkit.model.classifier import Classifier, embed_all, predict_all
from mixkit.model.windows import Prediction


@pytest.fixture
def model(small_run: Path) -> Classifier:
    """A network with large logits around 0: what differs a little in it shows."""
    model = mixkit.load(small_run)
    linear = model.mixer.head.linear
    with torch.no_grad():
        linear.weight.mul_(20)
        middle = model.mixer.embed(model.features(torch.stack([noise(8000, seed) for seed in range(16)]))).mean(0)
        linear.bias.copy_(-linear.weight @ middle)
    return model


def noise(samples: int, seed: int = 0) -> Tensor:
    """Hiss with a tone that wanders, so that no two stretches sound alike."""
    rng = torch.Generator().manual_seed(seed)
    pitch = torch.rand(samples // 2000 + 1, generator=rng).repeat_interleave(2000)[:samples]
    return 0.02 * torch.randn(samples, generator=rng) + 0.3 * torch.sin(torch.cumsum(0.05 + pitch, 0))


def expected(model: Classifier, windows: Tensor) -> Tensor:
    with torch.no_grad():
        return model(windows).softmax(-1)


def test_a_clip_of_the_right_length_is_heard_as_in_evaluation(model: Classifier) -> None:
    sound = noise(8000)
    found = model.predict(sound, 16_000)
    assert torch.equal(found.probabilities, expected(model, sound[None])[0])
    assert found.labels == model.labels
    assert found.label == model.labels[int(found.probabilities.argmax())]
    assert found.probability == float(found.probabilities.max())
    assert (found.seconds, found.window_seconds, found.starts) == (0.5, 0.5, (0.0,))
    assert str(found) == f"{found.label} {found.probability:.1%} (0.50 s, 1 window)"


def test_a_short_sound_is_followed_by_silence(model: Classifier) -> None:
    sound = noise(1000)
    found = model.predict(sound, 16_000)
    assert torch.equal(found.probabilities, expected(model, torch.nn.functional.pad(sound, (0, 7000))[None])[0])
    assert found.span(0) == (0.0, 1000 / 16_000)


def test_a_long_sound_is_heard_in_windows_and_averaged(model: Classifier) -> None:
    sound = noise(18_000)
    found = model.predict(sound, 16_000)
    starts = [0, 3333, 6666, 10_000]
    assert found.starts == tuple(start / 16_000 for start in starts)
    windows = expected(model, torch.stack([sound[start : start + 8000] for start in starts]))
    torch.testing.assert_close(found.windows, windows, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.probabilities, windows.mean(0), atol=1e-6, rtol=0)
    assert (windows - windows.mean(0)).abs().max() > 1e-3  # else averaging would not show
    assert found.top(2, window=1)[0][1] == float(found.windows[1].max())
    assert [label for label, _ in found.top(99)] == sorted(
        found.labels, key=lambda label: -float(found.probabilities[found.labels.index(label)])
    )


@pytest.mark.parametrize(
    ("samples", "overlap", "starts"),
    [
        (1, 0.5, [0]),
        (100, 0.5, [0]),
        (101, 0.5, [0, 1]),
        (200, 0.5, [0, 50, 100]),
        (210, 0.5, [0, 36, 73, 110]),
        (200, 0.0, [0, 100]),
        (250, 0.0, [0, 75, 150]),
        (104, 0.95, [0, 4]),
    ],
)
def test_windows_cover_the_sound_evenly(samples: int, overlap: float, starts: list[int]) -> None:
    assert window_starts(samples, 100, overlap) == starts


@pytest.mark.parametrize("overlap", [-0.1, 0.96, 1.0, float("nan"), "0.5", None, [0.5]])
def test_an_overlap_that_cannot_be(overlap: Any) -> None:
    with pytest.raises(MixkitError) as caught:
        window_starts(200, 100, overlap)
    assert str(caught.value) == f"overlap is {overlap!r}. It takes a share of a window, from 0 to 0.95."


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000])
def test_any_sample_rate_and_channel_count(model: Classifier, rate: int, tmp_path: Path) -> None:
    time = np.arange(rate) / rate
    tone = (0.4 * np.sin(2 * np.pi * 440 * time)).astype("float32")
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.stack([tone, 0 * tone, tone], axis=1), rate, subtype="FLOAT")
    from_file = model.predict(path)
    assert from_file.seconds == pytest.approx(1.0, abs=1e-3)
    from_array = model.predict(np.stack([tone, 0 * tone, tone]), rate)
    assert torch.equal(from_file.probabilities, from_array.probabilities)
    mono = model.predict(torch.from_numpy(2 / 3 * tone).double(), rate)
    torch.testing.assert_close(mono.probabilities, from_file.probabilities, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("sound", "rate", "message"),
    [
        (torch.zeros(9), None, "sample_rate is missing. Say how many samples of the waveform make a second."),
        (torch.zeros(9), 7, "sample_rate is 7. Recordings have 1000 to 384000 Hz."),
        ("clip.wav", 16_000, "sample_rate is 16000, but a file says its own. Leave it out."),
        (np.zeros((99, 2)), 16_000, "the waveform is 99 x 2. It takes samples, or channels x samples. Transpose it."),
        (torch.zeros(1, 1, 9), 16_000, "the waveform is 1 x 1 x 9. It takes samples, or channels x samples."),
        (torch.zeros(0), 16_000, "the waveform is empty. It takes at least one sample."),
        (
            torch.tensor([0.0, float("nan")]),
            16_000,
            "the waveform has samples that are not numbers. Mend or scale it.",
        ),
        (torch.full((9,), -99.0), 16_000, "the waveform has samples up to 99, far outside -1 to 1. Mend or scale it."),
        ("no.wav", None, "no.wav: no such file. Check the path, or the folder that the task names."),
    ],
)
def test_what_is_no_sound(model: Classifier, sound: object, rate: int | None, message: str) -> None:
    for ask in (model.predict, model.embed):
        with pytest.raises(MixkitError) as caught:
            ask(sound, rate)
        assert str(caught.value) == message


def test_a_network_without_labels_cannot_answer(model: Classifier) -> None:
    model.labels = ()
    with pytest.raises(MixkitError) as caught:
        model.predict(noise(9), 16_000)
    assert str(caught.value) == (
        "a network that was only built knows no labels to predict. Load a trained one: mixkit.load."
    )


def test_classes_on_their_own_under_bce(model: Classifier) -> None:
    sound = noise(8000)
    model.recipe = replace(model.recipe, train=replace(model.recipe.train, loss=mixkit.loss.spec("bce")))
    with torch.no_grad():
        logits = model(sound[None])[0]
    assert torch.equal(model.predict(sound, 16_000).probabilities, logits.sigmoid())
    assert not torch.allclose(logits.sigmoid(), logits.softmax(-1))


def test_an_embedding_is_the_mean_of_the_pooled_tokens(model: Classifier) -> None:
    sound = noise(12_000)
    found = model.embed(sound, 16_000)
    with torch.no_grad():
        wanted = model.mixer.embed(model.features(torch.stack([sound[:8000], sound[4000:]]))).mean(0)
    assert found.shape == (16,)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(model.mixer.head(found[None]), model.mixer.head(wanted[None]), atol=1e-4, rtol=0)


def test_the_network_is_left_as_it_was(model: Classifier) -> None:
    model.train()
    first = model.predict(noise(20_000), 16_000)
    assert model.training
    model.eval()
    assert torch.equal(first.probabilities, model.predict(noise(20_000), 16_000).probabilities)
    with pytest.raises(DataError):
        model.predict("missing.wav")
    assert not model.training


def some_sounds() -> list[tuple[Tensor, int]]:
    """100 sounds of 0.05 to 1.5 s at four sample rates."""
    rng = np.random.default_rng(3)
    rates = [8000, 16_000, 22_050, 44_100]
    return [
        (noise(int(rng.uniform(0.05, 1.5) * rate), seed), rate)
        for seed, rate in enumerate(rng.choice(rates, 100).tolist())
    ]


def predicted(model: Classifier, sounds: list[tuple[Tensor, int]], batch_size: int) -> list[Tensor]:
    with ExitStack() as stack:
        ask = [stack.enter_context(sound_opener(*sound, model.sample_rate)) for sound in sounds]
        found = list(predict_all(model, ask, 0.5, batch_size))
    return [one.probabilities for one in found if isinstance(one, Prediction)]


ROUNDING = 1e-5
"""A product of another shape adds up in another order, or is another library's: quiet bands beside loud ones tell."""


def differences(model: Classifier) -> dict[str, float]:
    """How far predictions are from those one window at a time, by what was done otherwise."""
    sounds = some_sounds()
    alone = torch.stack([model.predict(*sound).probabilities for sound in sounds[:10]])
    one = torch.stack(predicted(model, sounds, 1))
    others = {str(size): torch.stack(predicted(model, sounds, size)) for size in (8, 64)}
    others["backwards"] = torch.stack(predicted(model, sounds[::-1], 8)[::-1])
    return {
        "alone": float((alone - one[:10]).abs().max()),
        **{name: float((other - one).abs().max()) for name, other in others.items()},
        "again": float((torch.stack(predicted(model, sounds, 8)) - others["8"]).abs().max()),
    }


def test_predictions_do_not_depend_on_batches_and_order(model: Classifier) -> None:
    found = differences(model)
    assert found.pop("again") == 0.0
    assert all(difference <= ROUNDING for difference in found.values()), found


def test_a_network_whose_batch_mixes_is_seen(model: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = model.features.forward
    monkeypatch.setattr(model.features, "forward", lambda x: heard(x) - 0.1 * heard(x).mean(0, keepdim=True))
    found = differences(model)
    assert all(found[name] > 10 * ROUNDING for name in ("8", "64", "backwards")), found


def test_a_fault_stands_in_its_place(model: Classifier) -> None:
    @contextmanager
    def broken(good: int, samples: int | None) -> Iterator[Waveform]:
        def blocks() -> Iterator[Tensor]:
            yield noise(good)
            raise DataError("x.wav: is broken.")

        yield Waveform(samples, blocks())

    @contextmanager
    def missing() -> Iterator[Waveform]:
        raise DataError("x.wav: is missing.")
        yield

    def whole(samples: int) -> OpenSound:
        return lambda: nullcontext(Waveform(samples, iter([noise(samples)])))

    ask: list[OpenSound] = [whole(20_000), missing, whole(8000), partial(broken, 17_000, 90_000)]
    for batch_size in (1, 3, 64):
        for found in (list(predict_all(model, ask, 0.5, batch_size)), list(embed_all(model, ask, 0.5, batch_size))):
            assert [isinstance(one, DataError) for one in found] == [False, True, False, True]
