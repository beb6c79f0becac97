"""Augmentations of spectra, rooms and pitch, each against what its words say in closed form."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy import stats
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

import mixkit
from mixkit.audio.augment import (
    CutMix,
    Equalizer,
    FreqMixStyle,
    FrequencyShift,
    ImpulseResponse,
    Mixup,
    Pitch,
    PowerMixup,
    Warp,
)
from mixkit.audio.augment.strength import scaled
from mixkit.audio.features import LogMel
from mixkit.draw import Draw
from mixkit.errors import SettingError
from mixkit.registry import augmentation, features
from mixkit.training.prepare import prepare

RATE = 16_000


def varied(module: torch.nn.Module, x: Tensor, target: Tensor | None = None) -> tuple[Tensor, Tensor]:
    found: tuple[Tensor, Tensor] = module(x, x if target is None else target, Draw(0, 0, torch.arange(len(x)), 0))
    return found


def test_an_equalizer_is_a_curve_of_straight_lines_in_decibels() -> None:
    x = torch.rand(400, 64, 5, generator=torch.Generator().manual_seed(0)) + 0.1
    curve = 10 * (varied(Equalizer(RATE, decibels=6.0, bands=3), x)[0] / x).log10()
    torch.testing.assert_close(curve, curve[:, :, :1].expand_as(curve), atol=1e-4, rtol=0)
    curve = curve[:, :, 0]
    assert curve.abs().max() <= 6.001
    bends = (curve.diff(n=2, dim=1).abs() > 1e-3).sum(1)
    assert bends.max() <= 4, "two inner points, each seen by two neighbours"
    assert bends.float().mean() > 1, "the control: it is no single line"
    for end in (curve[:, 0], curve[:, -1]):
        assert stats.kstest(end.numpy(), stats.uniform(-6, 12).cdf).pvalue > 1e-3


def test_an_equalizer_raises_a_log_mel_by_its_decibels() -> None:
    """In the features that a network is given: the power is what it works on."""
    log_mel = LogMel(RATE, 1.0)
    power = log_mel.power(0.1 * torch.randn(4, RATE, generator=torch.Generator().manual_seed(0)))
    louder, _ = varied(Equalizer(RATE, decibels=9.0), power)
    raised = log_mel.values(louder) - log_mel.values(power)
    raised = torch.where(power > 1e-4, raised, raised.median(2, keepdim=True).values)  # the floor of a log-mel is far
    torch.testing.assert_close(raised, raised[..., :1].expand_as(raised), atol=1e-3, rtol=0)
    assert raised.abs().amax() > 0.5
    assert raised.abs().max() <= 9.01 * math.log(10) / 10


def test_a_warp_is_a_stretch_from_the_lowest_band_and_about_the_middle_frame() -> None:
    """A spectrogram that counts its bands and frames tells where each came from."""
    bands, frames = torch.arange(20.0), torch.arange(30.0)
    x = (bands[:, None] + 1000 * frames).expand(200, 20, 30)
    found, _ = varied(Warp(RATE, frequency=0.2, time=0.1), x)
    higher, slower = (2 * Draw(0, 0, torch.arange(200), 0).uniform(2) - 1).double().split(1, dim=1)
    band = (bands / (1 + 0.2 * higher)).clamp(0, 19)
    frame = (14.5 + (frames - 14.5) / (1 + 0.1 * slower)).clamp(0, 29)
    torch.testing.assert_close(found.double(), band[:, :, None] + 1000 * frame[:, None, :], atol=0.02, rtol=1e-5)
    assert higher.max() > 0.9
    assert higher.min() < -0.9


def test_a_frequency_shift_moves_all_bands_alike() -> None:
    x = torch.arange(10.0)[:, None].expand(3000, 10, 2)
    found = varied(FrequencyShift(RATE, bins=2), x)[0][:, :, 0]
    by_hand = torch.stack([(torch.arange(10) - step).clamp(0, 9) for step in range(-2, 3)])
    same = (found[:, None] == by_hand[None]).all(2)
    assert same.any(1).all()
    assert stats.chisquare(same.sum(0).numpy()).pvalue > 1e-3


def test_power_mixup_mixes_powers_as_mixup_mixes_waveforms() -> None:
    x = torch.rand(50, 8, 6, generator=torch.Generator().manual_seed(0))
    target = torch.eye(50)
    mixed, asked = varied(PowerMixup(RATE, rate=0.7, alpha=1.0), x, target)
    torch.testing.assert_close(mixed, torch.einsum("ab,bml->aml", asked, x))
    flat, same = varied(Mixup(RATE, rate=0.7, alpha=1.0), x.flatten(1), target)
    torch.testing.assert_close(flat, mixed.flatten(1))
    assert torch.equal(same, asked)


@pytest.mark.parametrize("axes", ["both", "time"])
def test_cutmix_asks_for_each_name_by_its_share(axes: str) -> None:
    count = 600
    x = torch.arange(float(count))[:, None, None].expand(count, 16, 40)
    found, target = varied(CutMix(RATE, rate=0.5, alpha=1.0, axes=axes), x, torch.eye(count))  # type: ignore[arg-type]
    foreign = found != x
    share = foreign.float().mean((1, 2))
    torch.testing.assert_close(1 - target.diagonal(), share, atol=1e-5, rtol=0)
    assert (
        (foreign.any(1).float() * foreign.any(2).float().mean(1, keepdim=True))
        .sum(1)
        .allclose(foreign.float().mean(1).sum(1))
    ), "a box"
    assert (share > 0).float().mean().item() == pytest.approx(0.47, abs=0.07)
    if axes == "time":
        assert foreign.any(1).eq(foreign.all(1)).all(), "all bands"
    for row, names in zip(found, target, strict=True):
        assert set(row.unique().long().tolist()) == set(names.nonzero()[:, 0].tolist())
    starts = foreign.any(1).float().argmax(1)[share > 0]
    assert len(starts.unique()) > 15


def test_mixstyle_gives_each_band_a_mean_and_deviation_between_two_clips() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 6, 300, generator=generator) * torch.rand(40, 6, 1, generator=generator) * 3
    x = x + torch.randn(40, 6, 1, generator=generator)
    target = torch.eye(40)
    found, asked = varied(FreqMixStyle(RATE, rate=1.0, alpha=1.0), x, target)
    assert asked is target
    draw = Draw(0, 0, torch.arange(40), 0)
    share, partner = draw.uniform(2)[:, 1:], draw.integer(1, 40)[:, 0]
    for measure in (lambda x: x.mean(2), lambda x: x.std(2, correction=0)):
        expected = share * measure(x) + (1 - share) * measure(x[partner])
        torch.testing.assert_close(measure(found), expected, atol=1e-3, rtol=1e-3)
    shape = [(y - y.mean(2, keepdim=True)) / y.std(2, keepdim=True) for y in (found, x)]
    torch.testing.assert_close(*shape, atol=1e-3, rtol=1e-3)
    some, _ = varied(FreqMixStyle(RATE, rate=0.3), x.repeat(20, 1, 1))
    assert (some != x.repeat(20, 1, 1)).any(2).any(1).float().mean().item() == pytest.approx(0.3, abs=0.06)


def test_an_impulse_response_is_a_convolution_from_its_loudest_sample_on(tmp_path: Path) -> None:
    response = np.zeros(60)
    response[[20, 23, 50]] = 0.8, -0.4, 0.2
    soundfile.write(tmp_path / "room.wav", response, RATE, subtype="FLOAT")
    x = torch.randn(30, 500, generator=torch.Generator().manual_seed(0))
    found, _ = varied(ImpulseResponse(RATE, rate=0.5, folder=str(tmp_path)), x)
    kernel = response[20:] / np.sqrt(np.square(response).sum())
    expected = torch.tensor(np.stack([np.convolve(clip, kernel)[:500] for clip in x.numpy()]), dtype=torch.float32)
    chosen = (found != x).any(1)
    assert 5 < chosen.sum() < 25
    torch.testing.assert_close(found[chosen], expected[chosen], atol=1e-5, rtol=0)
    short, _ = varied(ImpulseResponse(RATE, rate=1.0, folder=str(tmp_path), seconds=10 / RATE), x)
    assert not torch.allclose(short[chosen], found[chosen]), "the echo after 30 samples is cut off"


def test_impulse_responses_go_to_the_device_of_the_clips(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "room.wav", np.r_[1.0, np.zeros(20), 0.5], RATE, subtype="FLOAT")
    module = ImpulseResponse(RATE, folder=str(tmp_path))
    with FakeTensorMode(allow_non_fake_inputs=True):
        x, items = torch.empty(3, 400, device="cuda"), torch.empty(3, dtype=torch.int64, device="cuda")
        assert module(x, x, Draw(0, 0, items, 0))[0].device.type == "cuda"


def test_any_impulse_response_of_the_folder(tmp_path: Path) -> None:
    for number, gap in enumerate((3, 5, 9)):
        response = np.zeros(12)
        response[[0, gap]] = 0.6, 0.3
        soundfile.write(tmp_path / f"{number}.wav", response, RATE, subtype="FLOAT")
    x = torch.zeros(3000, 20)
    x[:, 0] = 1.0
    found, _ = varied(ImpulseResponse(RATE, rate=1.0, folder=str(tmp_path)), x)
    echoes = found[:, 1:].argmax(1).bincount(minlength=9)[[2, 4, 8]]
    assert echoes.sum() == 3000
    assert stats.chisquare(echoes.numpy()).pvalue > 1e-3


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        (None, "is None. Name a folder of impulse responses."),
        ("/nowhere", "is '/nowhere': /nowhere, and there is no such folder. Name a folder of recordings."),
    ],
)
def test_no_impulse_responses(folder: str | None, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        augmentation.build(augmentation.spec("impulse_response", folder=folder), RATE)
    assert str(caught.value) == f"augmentation.impulse_response.folder {message}"


def test_pitch_turns_a_tone_higher_by_its_semitones() -> None:
    tone = torch.sin(2 * math.pi * 500 * torch.arange(8000) / RATE).expand(200, 8000)
    found, _ = varied(Pitch(RATE, semitones=3.0), tone)
    heard = found[:, :6500]  # a faster one has ended after that
    spectrum = torch.fft.rfft(heard * torch.hann_window(6500), 2**17).abs()
    semitones = 12 * (spectrum.argmax(1) * RATE / 2**17 / 500).log2()
    assert stats.kstest(semitones.numpy(), stats.uniform(-3, 6).cdf).pvalue > 1e-3
    power = found[:, :6000].square().mean(1)
    torch.testing.assert_close(power, torch.full((200,), 0.5), atol=0.02, rtol=0)
    faster = semitones > 1
    assert (found[faster, -100:] == 0).all()
    assert found[~faster & (semitones < 0), -100:].abs().amax(1).min() > 0.9


def test_strength_scales_what_an_augmentation_says_and_stays_within_bounds() -> None:
    specs = {name: augmentation.spec(name) for name in ("gain", "mixup", "spec_augment")}
    assert scaled(specs["gain"], 0.5).params == {"low_db": -3.0, "high_db": 3.0}
    assert scaled(specs["gain"], 30.0).params == {"low_db": -120.0, "high_db": 120.0}
    assert scaled(specs["mixup"], 3.0).params == {"rate": 1.0, "alpha": 10.0}
    found = scaled(specs["spec_augment"], 0.25).params
    assert (found["frequency"], found["time"], found["time_masks"]) == (12, 12, 1)
    assert scaled(specs["gain"], 1.0) is specs["gain"]


class Unscaled(torch.nn.Module):
    """Says nothing of its strength."""

    def forward(self, x: Tensor, target: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        return -x, target


class Powerless(torch.nn.Module):
    """Features without a power."""

    def __init__(self, sample_rate: int, seconds: float):
        super().__init__()
        self.samples = round(sample_rate * seconds)
        self.bins, self.frames, self.needs_measuring = 96, self.samples // 96, False

    def forward(self, x: Tensor) -> Tensor:
        return x[:, : self.bins * self.frames].unflatten(1, (self.frames, self.bins)).mT


def test_what_cannot_be_scaled_or_has_no_power_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry, name, made, facts in (
        (augmentation, "unscaled", Unscaled, {"on": "waveform"}),
        (features, "powerless", Powerless, {}),
    ):
        registry.names()
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
        registry(name, **facts)(made)
    small = ["model.width = 16", "model.depth = 1", "task.demo.clips = 4"]
    for lines, message in (
        (
            ["train.augmentations = [@augmentation.unscaled()]", "train.augment_strength = 0.5"],
            "train.augment_strength is 0.5, and augmentation 'unscaled' does not say which of its settings that "
            "scales. Name them in its decorator, scales=('rate',), or leave it out.",
        ),
        (
            ["train.augmentations = [@augmentation.equalizer()]", "recipe.features = @features.powerless()"],
            "train.augmentations names equalizer, which varies power spectra, and features 'powerless' have none. "
            "Leave it out, or take features such as log_mel.",
        ),
    ):
        with pytest.raises(SettingError) as caught:
            prepare(mixkit.load_recipe("asm_rh", settings=[*small, *lines]))
        assert str(caught.value) == message
