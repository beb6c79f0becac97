import copy
import math
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from scipy import stats
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from mixkit.audio.augment import Gain, Mixup, Noise, SpecAugment, TimeRoll, TimeShift
from mixkit.audio.augment.strength import scaled
from mixkit.draw import Draw
from mixkit.errors import SettingError
from mixkit.registry import Spec, augmentation

RATE = 16_000
ROOM: dict[str, str] = {}
NAMES = augmentation.names()
MIXING = [name for name in NAMES if augmentation.entry(name).facts["mixes"]]
SHAPES = {"waveform": (4000,), "power": (32, 50), "features": (32, 50)}


def example(name: str, clips: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    """Clips, their targets and their items."""
    generator = torch.Generator().manual_seed(0)
    on = augmentation.entry(name).facts["on"]
    x = torch.randn(clips, *SHAPES[on], generator=generator)
    x = x.square() if on == "power" else x
    return x, torch.eye(10)[torch.arange(clips) % 10], 7 * torch.arange(clips)


@pytest.fixture(scope="session", autouse=True)
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder with an impulse response, for the augmentation that does nothing without."""
    folder = tmp_path_factory.mktemp("rooms")
    decay = np.exp(-np.arange(400) / 80) * np.random.default_rng(0).standard_normal(400)
    for number in range(50):
        soundfile.write(folder / f"{number}.wav", np.r_[1.0, 0.01 * number * decay], RATE, subtype="FLOAT")
    ROOM["folder"] = str(folder)
    yield
    ROOM.clear()


def spec(name: str) -> Spec:
    """With certainty, where there is a rate."""
    settings = {setting.name for setting in augmentation.entry(name).settings}
    certain = {"rate": 1.0} if "rate" in settings else {}
    return augmentation.spec(name, **certain, **(ROOM if name == "impulse_response" else {}))


def build(name: str) -> torch.nn.Module:
    return augmentation.build(spec(name), RATE)


def test_the_list_is_not_short():
    assert set(NAMES) >= {"gain", "mixup", "noise", "spec_augment", "time_roll", "time_shift"}
    assert set(NAMES) >= {"equalizer", "warp", "frequency_shift", "power_mixup", "impulse_response", "pitch"}
    assert MIXING == ["cutmix", "freq_mixstyle", "mixup", "power_mixup"]


@pytest.mark.parametrize("name", NAMES)
def test_it_changes_the_clips_and_says_on_what_it_works(name):
    x, target, items = example(name)
    before, wanted = x.clone(), target.clone()
    changed, asked = build(name)(x, target, Draw(0, 0, items, 0))
    assert (changed.shape, changed.dtype) == (x.shape, x.dtype)
    assert (asked.shape, asked.dtype) == (target.shape, target.dtype)
    assert not torch.equal(changed, x)
    assert torch.equal(x, before), "the input was written to"
    assert torch.equal(target, wanted), "the targets were written to"
    torch.testing.assert_close(asked.sum(1), torch.ones(len(x)))


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_leaves_clips_alone(name):
    x, target, items = example(name)
    augmented, asked = build(name).eval()(x, target, Draw(0, 0, items, 0))
    assert augmented is x
    assert asked is target


@pytest.mark.parametrize("name", NAMES)
def test_same_words_same_variation_and_no_other_randomness(name):
    x, target, items = example(name)
    state = torch.get_rng_state()
    first, again = (build(name)(x, target, Draw(1, 2, items, 3)) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert torch.equal(torch.get_rng_state(), state)
    for seed, epoch, stream in ((0, 2, 3), (1, 0, 3), (1, 2, 0)):
        assert not torch.equal(build(name)(x, target, Draw(seed, epoch, items, stream))[0], first[0])


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MIXING])  # whose partner is in the batch
def test_a_clip_is_varied_alike_in_any_batch(name):
    x, target, items = example(name)
    whole, _ = build(name)(x, target, Draw(1, 2, items, 3))
    order = torch.tensor([5, 0, 6])
    part, _ = build(name)(x[order], target[order], Draw(1, 2, items[order], 3))
    assert torch.equal(part, whole[order])


@pytest.mark.parametrize("name", NAMES)
def test_silence_stays_finite(name):
    x, target, items = example(name)
    changed, asked = build(name)(torch.zeros_like(x), target, Draw(0, 0, items, 0))
    assert torch.equal(changed, torch.zeros_like(x))
    assert asked.isfinite().all()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "impulse_response"])  # see test_augment_spectra
def test_everything_stays_on_the_device(name):
    with FakeTensorMode():
        x, target, items = (torch.empty(part.shape, dtype=part.dtype, device="cuda") for part in example(name))
        for module in (build(name), build(name).to("cuda")):
            changed, asked = module(x, target, Draw(0, 0, items, 0))
            assert (changed.device.type, asked.device.type) == ("cuda", "cuda")
            assert changed.shape == x.shape


@pytest.mark.parametrize("name", NAMES)
def test_a_strength_of_nothing_turns_it_off_and_one_leaves_it_as_it_is(name):
    x, target, items = example(name)
    assert augmentation.entry(name).facts["scales"]
    assert scaled(spec(name), 1.0) is spec(name) or scaled(spec(name), 1.0) == spec(name)
    off, half = (augmentation.build(scaled(spec(name), strength), RATE) for strength in (0.0, 0.5))
    unchanged, asked = off(x, target, Draw(0, 0, items, 0))
    assert torch.equal(unchanged, x)
    torch.testing.assert_close(asked, target)
    assert not torch.equal(half(x, target, Draw(0, 0, items, 0))[0], build(name)(x, target, Draw(0, 0, items, 0))[0])


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_copied(name):
    x, target, items = example(name)
    module = build(name)
    assert torch.equal(
        copy.deepcopy(module)(x, target, Draw(0, 0, items, 0))[0], module(x, target, Draw(0, 0, items, 0))[0]
    )
    assert not module.state_dict(), "an augmentation has nothing to save"


@pytest.mark.parametrize("alpha", [0.2, 1.0, 10.0])
def test_mixup_mixes_sound_and_target_alike(alpha):
    clips = 4000
    one_hot = torch.eye(clips)
    mixed, target = Mixup(RATE, rate=1.0, alpha=alpha)(one_hot, one_hot, Draw(0, 0, torch.arange(clips), 0))
    assert torch.equal(mixed, target)
    torch.testing.assert_close(target.sum(1), torch.ones(clips))
    assert ((target > 0).sum(1) <= 2).all()
    share = target.diagonal()
    strangers = share[share < 1]
    assert stats.kstest(strangers.double().numpy(), stats.beta(alpha, alpha).cdf).pvalue > 1e-3
    partners = (target - share.diag()).argmax(1)[share < 1]
    assert stats.kstest(partners.double().numpy() / clips, "uniform").pvalue > 1e-3


def test_mixup_at_its_rate():
    one_hot = torch.eye(4000)
    _, target = Mixup(RATE, rate=0.3)(one_hot, one_hot, Draw(0, 0, torch.arange(4000), 0))
    alone = target.diagonal() == 1
    assert alone.float().mean() == pytest.approx(0.7, abs=0.03)
    assert torch.equal(target[alone], one_hot[alone])
    _, target = Mixup(RATE, rate=0.0)(one_hot, one_hot, Draw(0, 0, torch.arange(4000), 0))
    assert torch.equal(target, one_hot)


def test_gain_is_even_in_decibels():
    x, items = torch.ones(4000, 3), torch.arange(4000)
    louder, _ = Gain(RATE, low_db=-12.0, high_db=3.0)(x, x, Draw(0, 0, items, 0))
    decibels = 20 * louder.log10()
    assert (decibels == decibels[:, :1]).all(), "a clip is turned as a whole"
    assert stats.kstest(decibels[:, 0].numpy(), stats.uniform(-12, 15).cdf).pvalue > 1e-3


def test_noise_is_as_soft_as_asked_and_white():
    clips, samples = 500, 4000
    x = torch.zeros(clips, samples)
    x[:, : samples // 2] = torch.randn(clips, samples // 2, generator=torch.Generator().manual_seed(0))
    x *= torch.logspace(-3, 1, clips)[:, None]
    noisy, _ = Noise(RATE, rate=1.0, low_db=5.0, high_db=25.0)(x, x, Draw(0, 0, torch.arange(clips), 0))
    hiss = noisy - x
    level = x[:, : samples // 2].square().mean(1)
    ratio = 10 * (level / hiss.square().mean(1)).log10()
    assert ratio.min() > 4.7
    assert ratio.max() < 25.3
    assert stats.kstest(ratio.numpy(), stats.uniform(5, 20).cdf).pvalue > 1e-3
    white = hiss / hiss.std(1, keepdim=True)
    spectrum = torch.fft.rfft(white).abs().square().mean(0)[1:-1] / samples
    assert spectrum.min() > 0.7
    assert spectrum.max() < 1.3
    assert abs(float((white[1:] * white[:-1]).mean())) < 4 / math.sqrt(white.numel())


def test_noise_at_its_rate():
    x = torch.ones(2000, 50)
    noisy, _ = Noise(RATE, rate=0.25)(x, x, Draw(0, 0, torch.arange(2000), 0))
    assert (noisy != x).any(1).float().mean() == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize(
    ("module", "shape", "most"),
    [
        (TimeShift(RATE, share=0.1), (100,), 10),
        (TimeShift(RATE, share=1.0), (20,), 20),
        (TimeRoll(RATE, frames=4), (3, 100), 4),
    ],
)
def test_shifts_are_rolls_of_any_size_up_to_the_most(module, shape, most):
    clips = 3000
    x = torch.arange(math.prod(shape)).float().reshape(shape).expand(clips, *shape)
    rolled, _ = module(x, x, Draw(0, 0, torch.arange(clips), 0))
    by_hand = torch.stack([x[0].roll(step, -1) for step in range(-most, most + 1)])
    found = (rolled[:, None] == by_hand[None]).flatten(2).all(2)
    assert found.any(1).all()
    expected = torch.unique(by_hand, dim=0)
    assert len(torch.unique(rolled, dim=0)) == len(expected)
    if most < 20:  # a full turn is no turn, and would be counted twice
        assert stats.chisquare(found.sum(0).numpy()).pvalue > 1e-3


@pytest.mark.parametrize(
    "module", [TimeShift(RATE, share=0.0), TimeRoll(RATE, frames=0), SpecAugment(RATE, frequency=0, time=0)]
)
def test_nothing_asked_nothing_done(module):
    x = torch.randn(20, 30, 40) if not isinstance(module, TimeShift) else torch.randn(20, 40)
    assert torch.equal(module(x, x, Draw(0, 0, torch.arange(20), 0))[0], x)


def test_stripes_as_torchaudio_hides_them(monkeypatch):
    """With the numbers that we draw, torchaudio hides as many bands and frames, at most two earlier."""
    x = torch.ones(50, 32, 40)
    hidden = SpecAugment(RATE, frequency=24, time=30)(x, x, Draw(0, 0, torch.arange(50), 0))[0] == 0
    numbers = Draw(0, 0, torch.arange(50), 0).uniform(4)
    for item in range(50):
        throws = iter(numbers[item])
        monkeypatch.setattr(torch, "rand", lambda *_, throws=throws, **__: next(throws)[None])
        theirs = torchaudio.functional.mask_along_axis(x[item][None], 24, 0.0, axis=1)
        theirs = torchaudio.functional.mask_along_axis(theirs, 30, 0.0, axis=2)[0] == 0
        for axis in (0, 1):
            mine, yours = hidden[item].all(axis).nonzero()[:, 0], theirs.all(axis).nonzero()[:, 0]
            assert len(mine) == len(yours)
            assert not len(mine) or 0 <= mine[0] - yours[0] <= 2


def test_stripes_have_the_widths_asked():
    x = torch.ones(4000, 32, 40)
    hidden, _ = SpecAugment(RATE, frequency=8, time=16)(x, x, Draw(0, 0, torch.arange(4000), 0))
    bands, frames = (hidden == 0).all(2).sum(1), (hidden == 0).all(1).sum(1)
    for widths, limit in ((bands, 8), (frames, 16)):
        assert stats.chisquare(widths.bincount(minlength=limit).numpy()).pvalue > 1e-3
    assert (hidden == 0).any(0).all(), "the last ones are hidden now and then, too"
    starts = (hidden == 0).all(2).float().argmax(1)[bands == 7]
    assert stats.chisquare(starts.bincount(minlength=26).numpy()).pvalue > 1e-3


def test_several_stripes():
    x = torch.ones(500, 64, 64)
    module = SpecAugment(RATE, frequency=10, time=0, frequency_masks=3)
    bands = (module(x, x, Draw(0, 0, torch.arange(500), 0))[0] == 0).all(2)
    edges = (bands[:, 1:] & ~bands[:, :-1]).sum(1) + bands[:, 0]
    assert edges.max() == 3
    assert bands.sum(1).max() > 10
    assert bands.sum(1).max() <= 27


def test_stripes_wider_than_the_spectrogram_fit():
    x = torch.ones(500, 8, 8)
    hidden, _ = SpecAugment(RATE, frequency=100, time=0)(x, x, Draw(0, 0, torch.arange(500), 0))
    assert (hidden == 0).all(2).sum(1).max() == 7


def test_what_stripes_show():
    x = torch.randn(50, 32, 40, generator=torch.Generator().manual_seed(0))
    drawn = [SpecAugment(RATE, fill=fill)(x, x, Draw(0, 0, torch.arange(50), 0))[0] for fill in ("mean", "silence")]
    hidden = drawn[0] != x
    assert torch.equal(hidden, (drawn[1] != x) | (hidden & (x == x.amin((1, 2), keepdim=True))))
    assert (drawn[0][hidden] == 0).all()
    lowest = x.amin((1, 2), keepdim=True).expand_as(x)
    assert torch.equal(drawn[1][hidden], lowest[hidden])


@pytest.mark.parametrize("name", ["gain", "noise"])
def test_decibels_the_wrong_way_round(name):
    with pytest.raises(SettingError) as caught:
        augmentation.build(augmentation.spec(name, low_db=50.0, high_db=40.0), RATE)
    assert str(caught.value) == f"augmentation.{name}.low_db is 50, above high_db = 40. Use 40 or less."
