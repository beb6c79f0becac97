import math
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torchaudio.compliance import kaldi

from mixkit.audio.features import LogMel, Mfcc, Pcen
from mixkit.audio.features.mel import MelFeatures
from mixkit.audio.read import read
from mixkit.errors import DataError, MixkitError, SettingError
from mixkit.registry import features

DATA = Path(__file__).parents[1].parent / "shared" / "data"
FLOOR = math.log(2**-23)
RATES = (8_000, 16_000, 44_100)


def noise(samples: int, *, clips: int = 1, level: float = 0.1) -> torch.Tensor:
    return level * torch.randn(clips, samples, generator=torch.Generator().manual_seed(0))


def tone(hz: float, sample_rate: int, seconds: float = 1.0) -> torch.Tensor:
    return 0.9 * torch.sin(2 * torch.pi * hz * torch.arange(int(sample_rate * seconds)) / sample_rate)


def fbank(waveform: torch.Tensor, sample_rate: int) -> torch.Tensor:
    return kaldi.fbank(
        waveform[None],
        htk_compat=True,
        sample_frequency=sample_rate,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=128,
        dither=0.0,
        frame_shift=10,
    ).T


def values(features: MelFeatures, waveform: torch.Tensor) -> torch.Tensor:
    """Before they are spread around 0."""
    return features.values(features.power(waveform))


def assert_kaldi(waveform: torch.Tensor, sample_rate: int) -> None:
    mine = values(LogMel(sample_rate, len(waveform) / sample_rate), waveform[None])[0]
    theirs = fbank(waveform, sample_rate)
    exact = fbank(waveform.double(), sample_rate).float()
    loud = exact > exact.max() - 6.5 * math.log(10)
    torch.testing.assert_close(mine[loud], theirs[loud], atol=1e-3, rtol=0)
    # Further than 65 dB below the loudest band, kaldi in float32 is itself up to 0.02 from kaldi in float64.
    assert (mine - exact).abs().max() < max(1e-3, 2 * (theirs - exact).abs().max())


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("level", [1.0, 0.1, 1e-3, 1e-5])
def test_noise_as_kaldi_has_it(sample_rate, level):
    waveform = noise(sample_rate, level=level)
    mine = values(LogMel(sample_rate, 1.0), waveform)[0]
    torch.testing.assert_close(mine, fbank(waveform[0], sample_rate), atol=1e-3, rtol=0)


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("hz", [50, 440, 1000, 3000])
def test_tones_as_kaldi_has_them(sample_rate, hz):
    assert_kaldi(tone(hz, sample_rate), sample_rate)


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("offset", [0.0, 0.5, -1.0])
def test_silence_is_the_floor_whatever_its_offset(sample_rate, offset):
    waveform = torch.full((1, sample_rate), offset)
    levels = values(LogMel(sample_rate, 1.0), waveform)
    assert levels.max() == levels.min() == pytest.approx(FLOOR)
    torch.testing.assert_close(levels[0], fbank(waveform[0], sample_rate), atol=1e-3, rtol=0)


@pytest.mark.parametrize("sample_rate", RATES)
def test_recordings_as_kaldi_has_them(sample_rate):
    speech = sorted((DATA / "fsdd" / "recordings").glob("*.wav"))[::300]
    if not speech:
        pytest.skip("the recordings of shared/data are not here")
    for path in speech:
        assert_kaldi(read(path, sample_rate), sample_rate)


@pytest.mark.parametrize(
    ("sample_rate", "seconds", "settings", "frames"),
    [
        (16_000, 1.0, {}, 98),
        (16_000, 5.0, {}, 498),
        (16_000, 0.025, {}, 1),
        (16_000, 0.0349, {}, 1),
        (16_000, 0.035, {}, 2),
        (44_100, 1.0, {}, 98),
        (11_025, 1.0, {}, 98),
        (16_000, 5.0, {"frames": 512}, 512),
        (16_000, 0.001, {"frames": 7}, 7),
        (16_000, 1.0, {"window_ms": 50.0, "hop_ms": 20.0}, 48),
    ],
)
def test_frames(sample_rate, seconds, settings, frames):
    log_mel = LogMel(sample_rate, seconds, **settings)
    assert log_mel.frames == frames
    assert log_mel.samples - ((frames - 1) * log_mel.hop + log_mel.window) in range(
        1 if "frames" in settings else log_mel.hop
    )
    assert log_mel(noise(log_mel.samples, clips=2)).shape == (2, 128, frames)


def test_settings_of_the_bands():
    log_mel = LogMel(16_000, 1.0, bins=40, low_hz=1000.0, high_hz=4000.0)
    theirs = kaldi.fbank(
        noise(16_000),
        htk_compat=True,
        window_type="hanning",
        num_mel_bins=40,
        low_freq=1000.0,
        high_freq=4000.0,
    ).T
    torch.testing.assert_close(values(log_mel, noise(16_000))[0], theirs, atol=1e-3, rtol=0)


def test_a_batch_is_its_clips():
    log_mel = LogMel(16_000, 1.0, mean=-6.0, std=4.0)
    clips = noise(16_000, clips=5) * torch.tensor([1.0, 1e-4, 0.0, 5.0, 0.1])[:, None]
    torch.testing.assert_close(log_mel(clips), torch.cat([log_mel(clip[None]) for clip in clips]), atol=1e-4, rtol=0)


def test_normalised_as_ast_does():
    log_mel = LogMel(16_000, 1.0, mean=-4.2677393, std=4.5689974)
    clip = noise(16_000)
    expected = (fbank(clip[0], 16_000) + 4.2677393) / (2 * 4.5689974)
    torch.testing.assert_close(log_mel(clip)[0], expected, atol=1e-3, rtol=0)
    assert float(log_mel(torch.zeros(1, 16_000)).max()) == pytest.approx(-1.278, abs=1e-3)


def test_measured_over_the_frames_that_clips_have():
    log_mel = LogMel(16_000, 1.0)
    assert log_mel.needs_measuring
    clips = [noise(16_000)[0], noise(5_000, level=0.01)[0], noise(399)[0]]
    log_mel.measure(iter(clips))
    assert not log_mel.needs_measuring
    levels = torch.cat([fbank(clip, 16_000) for clip in clips[:2]], 1).double()
    assert levels.shape[1] == 98 + 29
    assert float(log_mel.mean) == pytest.approx(float(levels.mean()), abs=1e-4)
    assert float(log_mel.std) == pytest.approx(float(levels.std(correction=0)), abs=1e-4)
    normal = log_mel(clips[0][None])
    assert normal.isfinite().all()


def test_mean_and_std_travel_with_the_weights_and_nothing_else_does():
    log_mel, other = LogMel(16_000, 1.0), LogMel(16_000, 1.0)
    log_mel.measure([noise(16_000)[0]])
    state = log_mel.state_dict()
    assert {name: (value.dtype, value.shape) for name, value in state.items()} == {
        "mean": (torch.float32, ()),
        "std": (torch.float32, ()),
    }
    torch.nn.Sequential(other).load_state_dict({f"0.{name}": value for name, value in state.items()})
    assert not other.needs_measuring
    assert torch.equal(other(noise(16_000)), log_mel(noise(16_000)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"window_ms": 0.1},
            "features.log_mel.window_ms is 0.1, or 1 samples at 16000 Hz; it takes 2. Use 0.125 or more.",
        ),
        ({"hop_ms": 0.01}, "features.log_mel.hop_ms is 0.01, or 0 samples at 16000 Hz; it takes 1. Use 0.063 or more."),
        (
            {"window_ms": 1200.0},
            "features.log_mel.window_ms is 1200, longer than a clip of 1 s. Use 1000 or less.",
        ),
        (
            {"high_hz": 8001.0},
            "features.log_mel.high_hz is 8001, above half the sample rate of 16000 Hz. Use 8000 or less.",
        ),
        (
            {"low_hz": 4000.0, "high_hz": 4000.0},
            "features.log_mel.low_hz is 4000, not below the 4000 Hz where the bands end. Use less.",
        ),
        ({"low_hz": 8000.0}, "features.log_mel.low_hz is 8000, not below the 8000 Hz where the bands end. Use less."),
        ({"mean": -4.0}, "features.log_mel.std is None, but mean is not. Set both or neither."),
        ({"std": 4.0}, "features.log_mel.mean is None, but std is not. Set both or neither."),
        (
            {"mean": -4.0, "std": 4.0, "norm": "bin"},
            "features.log_mel.mean is -4, but norm = 'bin' has one for each row. Leave mean and std out.",
        ),
    ],
)
def test_settings_that_cannot_work(settings, message):
    with pytest.raises(SettingError) as caught:
        features.build(features.spec("log_mel", **settings), 16_000, 1.0)
    assert str(caught.value) == message


def test_the_shortest_window_and_hop_that_the_errors_name_do_work():
    assert LogMel(22_050, 1.0, window_ms=0.091, hop_ms=0.046).window == 2


@pytest.mark.parametrize(
    ("clips", "kind", "message"),
    [
        ([], DataError, "log_mel has nothing to measure: no clip has the 400 samples of a window."),
        ([torch.ones(399)], DataError, "log_mel has nothing to measure: no clip has the 400 samples of a window."),
        ([torch.zeros(16_000)], DataError, "log_mel measured a std of 0: the clips are silent. Use others."),
        (
            [noise(16_000)[0], torch.full((16_000,), math.nan)],
            DataError,
            "log_mel cannot measure clip 2: it has samples that are not numbers. Remove it.",
        ),
        (
            [noise(16_000, clips=2)],
            MixkitError,
            "log_mel measures waveforms of the shape s, not [2, 16000]. Give one by one.",
        ),
    ],
)
def test_clips_that_cannot_be_measured(clips, kind, message):
    log_mel = LogMel(16_000, 1.0)
    with pytest.raises(kind) as caught:
        log_mel.measure(clips)
    assert str(caught.value) == message
    assert log_mel.needs_measuring


def test_calls_that_cannot_work():
    for waveform, message in (
        (noise(16_000)[0], "the shape b s, not [16000]. Add the batch."),
        (noise(8_000), "16000 samples, not 8000. Cut or pad them."),
    ):
        with pytest.raises(MixkitError) as caught:
            LogMel(16_000, 1.0)(waveform)
        assert str(caught.value) == f"log_mel takes waveforms of {message}"


@pytest.mark.parametrize("convert", [torch.nn.Module.double, torch.nn.Module.bfloat16, torch.nn.Module.half])
def test_float32_whatever_surrounds_it(convert):
    log_mel, waveform = LogMel(16_000, 1.0, mean=-4.0, std=4.0), noise(16_000)
    expected = values(log_mel, waveform)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(values(log_mel, waveform), expected)
    assert torch.equal(values(convert(log_mel), waveform.double()), expected)


def test_built_without_memory_and_filled_later():
    with torch.device("meta"):
        log_mel = LogMel(16_000, 1.0, mean=-4.0, std=4.0)
        unmeasured = LogMel(16_000, 1.0)
        assert log_mel(torch.empty(2, 16_000)).shape == (2, 128, 98)
    assert log_mel.mel.is_meta
    log_mel.to_empty(device="cpu")
    assert torch.equal(log_mel(noise(16_000)), LogMel(16_000, 1.0, mean=-4.0, std=4.0)(noise(16_000)))
    unmeasured.to_empty(device="cpu")
    assert unmeasured.needs_measuring
    assert unmeasured.mean.item() == pytest.approx(-4.2677393)


def test_everything_moves_to_another_device():
    with FakeTensorMode():
        spectrogram = LogMel(16_000, 1.0, mean=-4.0, std=4.0).to("cuda")(torch.randn(2, 16_000, device="cuda"))
    assert spectrogram.device.type == "cuda"
    assert spectrogram.shape == (2, 128, 98)


def test_it_exports_without_complex_numbers():
    log_mel = LogMel(16_000, 1.0, mean=-4.0, std=4.0)
    waveform = noise(log_mel.samples, clips=2)
    exported = torch.export.export(log_mel, (waveform,), dynamic_shapes=({0: torch.export.Dim("b")},))
    three = noise(log_mel.samples, clips=3)
    torch.testing.assert_close(exported.module()(three), log_mel(three), atol=1e-4, rtol=0)
    values = [node.meta.get("val") for node in exported.graph.nodes]
    assert any(isinstance(value, torch.Tensor) for value in values)
    assert not any(value.is_complex() for value in values if isinstance(value, torch.Tensor))


def test_a_level_set_apart_makes_loud_and_soft_alike():
    clips = noise(16_000, clips=3)
    loud = clips * torch.tensor([1.0, 0.1, 1e-3])[:, None]
    for level in ("max", "mean"):
        log_mel = LogMel(16_000, 1.0, level=level, floor_db=60.0)
        power = LogMel(16_000, 1.0).power(clips).double()
        reference = power.amax((1, 2), keepdim=True) if level == "max" else power.mean((1, 2), keepdim=True)
        expected = (10 * (power / reference).log10()).clamp(min=-60.0) * math.log(10) / 10
        torch.testing.assert_close(values(log_mel, loud).double(), expected, atol=1e-3, rtol=0)
        silent = values(log_mel, torch.zeros(1, 16_000))
        assert silent.max() == silent.min() == pytest.approx(-6 * math.log(10))
    plain = values(LogMel(16_000, 1.0), loud)
    assert (plain[0] - plain[2]).mean() > 10, "the control: without, a factor of 1000 shows"


def test_silence_behind_a_clip_does_not_count_for_its_mean_level():
    clip = noise(16_000)
    clip[:, 8000:] = 0.0
    half, whole = LogMel(16_000, 0.5, level="mean"), LogMel(16_000, 1.0, level="mean")
    short = values(half, clip[:, :8000])
    long = values(whole, clip)[..., : short.shape[-1]]
    assert (short - long).abs().median() < 0.05
    assert (short - long).abs().median() < 0.1 * math.log(2), "the control: half of the frames would take log 2 away"


def test_a_mean_and_std_for_each_bin():
    log_mel, plain = LogMel(16_000, 1.0, bins=20, norm="bin"), LogMel(16_000, 1.0, bins=20)
    clips = [noise(16_000)[0], 0.1 * noise(16_000)[0].cumsum(0) / 30, noise(9_000, level=0.01)[0]]
    log_mel.measure(clips)
    levels = torch.cat([values(plain, clip[None])[0] for clip in clips], 1).double()
    assert (log_mel.mean.shape, log_mel.std.shape) == ((20, 1), (20, 1))
    torch.testing.assert_close(log_mel.mean[:, 0].double(), levels.mean(1), atol=1e-4, rtol=0)
    torch.testing.assert_close(log_mel.std[:, 0].double(), levels.std(1, correction=0), atol=1e-4, rtol=0)
    spread = torch.cat([log_mel.from_power(plain.power(clip[None]))[0] for clip in clips], 1)
    torch.testing.assert_close(spread.mean(1), torch.zeros(20), atol=1e-4, rtol=0)
    torch.testing.assert_close(spread.std(1, correction=0), torch.full((20,), 0.5), atol=1e-4, rtol=0)
    again = LogMel(16_000, 1.0, bins=20, norm="bin")
    again.load_state_dict(log_mel.state_dict())
    assert torch.equal(again(clips[0][None]), log_mel(clips[0][None]))


def test_a_band_that_is_silent_in_the_training_set_is_not_blown_up():
    """Recordings of a telephone, upsampled: above 4 kHz there is nothing to measure."""
    wave = torch.fft.rfft(noise(16_000))
    wave[:, 4000:] = 0
    log_mel = LogMel(16_000, 1.0, bins=40, norm="bin", level="max")
    log_mel.measure(list(torch.fft.irfft(wave)))
    alone = values(log_mel, torch.fft.irfft(wave)).std(2)
    assert alone.min() < 0.01 * alone.max(), "the control: there is such a band"
    assert log_mel(noise(16_000)).abs().max() < 20


def test_cepstral_coefficients_as_kaldi_has_them():
    waveform = noise(16_000)
    mfcc = Mfcc(16_000, 1.0, bins=13, bands=40)
    theirs = kaldi.mfcc(
        waveform,
        window_type="hanning",
        num_mel_bins=40,
        num_ceps=13,
        cepstral_lifter=0.0,
    ).T
    assert (mfcc.bins, mfcc.frames) == (13, 98)
    torch.testing.assert_close(values(mfcc, waveform)[0], theirs, atol=2e-3, rtol=0)
    assert not torch.allclose(values(mfcc, waveform)[0].flip(0), theirs, atol=1.0), "the control"


@pytest.mark.parametrize("smoothing", [0.0, 0.025, 0.4, 1.0])
def test_energy_normalised_by_its_recent_mean_as_the_equations_say(smoothing):
    pcen = Pcen(16_000, 1.0, bins=8, smoothing=smoothing, gain=0.9, bias=1.5, exponent=0.4)
    waveform = noise(16_000) * torch.linspace(0, 1, 16_000)
    power = pcen.power(waveform)[0].double()
    expected = torch.empty_like(power)
    for band in range(8):
        recent = power[band, 0].item()
        for frame in range(pcen.frames):
            energy = power[band, frame].item()
            recent = (1 - smoothing) * recent + smoothing * energy
            expected[band, frame] = (energy / (1e-6 + recent) ** 0.9 + 1.5) ** 0.4 - 1.5**0.4
    torch.testing.assert_close(values(pcen, waveform)[0].double(), expected, atol=1e-4, rtol=1e-4)


def test_energy_normalisation_sees_beginnings_and_not_steady_noise():
    waveform = noise(32_000)
    waveform[:, :16_000] *= 0.01
    pcen = Pcen(16_000, 2.0)
    seen = values(pcen, waveform)[0].mean(0)
    assert seen[100:105].mean() > 2 * seen[:80].mean()
    assert seen[160:].mean() < 1.5 * seen[:80].mean()


def test_more_coefficients_than_bands():
    with pytest.raises(SettingError) as caught:
        features.build(features.spec("mfcc", bins=41, bands=40), 16_000, 1.0)
    assert str(caught.value) == ("features.mfcc.bins is 41, and 40 bands have no more than 40. Use 40 or fewer.")


@pytest.mark.parametrize("name", [name for name in features.names() if name != "waveform"])
@pytest.mark.parametrize("settings", [{"bins": 64, "hop_ms": 20.0, "window_ms": 40.0}, {"bins": 64, "hop_ms": 5.0}])
def test_other_bins_windows_and_hops(name, settings):
    made = features.build(features.spec(name, **settings), 22_050, 1.5)
    made.measure([noise(33_075)[0]])
    found = made(noise(33_075, clips=2))
    assert found.shape == (2, 64, made.frames)
    assert found.isfinite().all()
