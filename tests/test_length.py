"""How clips come to one length: what of a longer one is heard, what fills a shorter one, the same everywhere."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

import mixkit
from mixkit.audio.length import Length
from mixkit.data.batches import Batches, ClipAudio, Order
from mixkit.data.waveforms import Waveforms
from mixkit.export.package import facts_of
from mixkit.recipe.writer import to_gin
from mixkit.registry import Clip, loss
from mixkit.training.evaluate import score

RAMP = torch.arange(1.0, 11.0)
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (Length(4, crop="centre"), [4, 5, 6, 7]),
        (Length(4, crop="start"), [1, 2, 3, 4]),
        (Length(4, crop="loudest"), [7, 8, 9, 10]),
        (Length(14), [*range(1, 11), 0, 0, 0, 0]),
        (Length(14, pad="centre"), [0, 0, *range(1, 11), 0, 0]),
        (Length(15, pad="centre"), [0, 0, *range(1, 11), 0, 0, 0]),
        (Length(23, pad="repeat"), [*range(1, 11), *range(1, 11), 1, 2, 3]),
        (Length(10, pad="repeat", crop="loudest"), [*range(1, 11)]),
    ],
)
def test_a_clip_comes_to_the_one_length(length: Length, expected: list[int]) -> None:
    wanted = torch.tensor(expected, dtype=torch.float32)
    assert torch.equal(length(RAMP), wanted)
    both = torch.stack([RAMP, -RAMP])
    assert torch.equal(length(both), torch.stack([wanted, -wanted])), "a batch is its clips"


def test_the_loudest_stretch_is_found_for_each_clip_of_a_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    clips = 0.1 * torch.randn(20, 1000, generator=generator)
    places = torch.arange(20) * 40
    for clip, place in zip(clips, places, strict=True):
        clip[place : place + 100] += 1.0
    found = Length(100, crop="loudest")(clips)
    energies = clips.unfold(1, 100, 1).square().sum(2)
    assert torch.equal(found, torch.stack([clip[e.argmax() :][:100] for clip, e in zip(clips, energies, strict=True)]))


def test_windows_cover_a_longer_clip_and_a_shorter_one_is_filled_up() -> None:
    assert Length(4).windows(RAMP).tolist() == [[1, 2, 3, 4], [3, 4, 5, 6], [5, 6, 7, 8], [7, 8, 9, 10]]
    assert Length(12, pad="repeat").windows(RAMP).tolist() == [[*range(1, 11), 1, 2]]


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    """Six recordings of 0.05 to 0.55 s whose samples count up."""
    made = []
    for number in range(6):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, np.arange(1, 401 + 800 * number) / 32768, 8000, subtype="PCM_16")
        made.append(Clip(path, "ab"[number % 2], f"g{number}"))
    return made


def audio(clips: list[Clip], *, seed: int | None = None, windows: bool = False) -> ClipAudio:
    return ClipAudio(clips, ("a", "b"), Waveforms(8000), Length(1200, crop="start"), seed, windows)


class Straight(nn.Module):
    """Its first logit is the first sample, so that each window says something else."""

    def forward(self, waveform: Tensor) -> Tensor:
        return 100 * waveform[:, :1] * torch.tensor([1.0, 0.0])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_clip_in_several_windows_is_scored_by_their_mean(clips: list[Clip], workers: int) -> None:
    objective = loss.build(loss.spec("cross_entropy"), None)
    batches = Batches(audio(clips, windows=True), Order(6, 4), CPU, workers)
    found = score(Straight(), batches.epoch(0), objective, "float32")  # type: ignore[arg-type]
    losses = []
    for item, clip in enumerate(clips):
        rows = Length(1200).windows(audio(clips).waveform(item))
        logits = Straight()(rows)
        target = torch.eye(2)["ab".index(clip.label)].expand(len(rows), -1)
        assert torch.equal(found.targets[item], target[0])
        torch.testing.assert_close(found.scores[item], objective.scores(logits).mean(0))
        losses.append(objective(logits, target))
    assert found.loss == pytest.approx(float(torch.stack(losses).mean()))
    one = score(Straight(), Batches(audio(clips), Order(6, 4), CPU).epoch(0), objective, "float32")  # type: ignore[arg-type]
    assert torch.equal(one.scores[:2], found.scores[:2]), "short clips are one window"
    assert not torch.allclose(one.scores[2:], found.scores[2:]), "the control"


def test_what_is_measured_is_cut_and_not_padded(clips: list[Clip]) -> None:
    assert [len(audio(clips).unpadded(item)) for item in (0, 1, 5)] == [400, 1200, 1200]


def test_a_recipe_says_it_for_every_task() -> None:
    lines = ("task.pad = 'repeat'", "task.crop = 'loudest'", "task.training_crop = 'same'", "task.windows = 'all'")
    recipe = mixkit.load_recipe("asm_rh", settings=[*lines, "model.width = 16", "model.depth = 1"])
    assert all(f"\n{line}\n" in to_gin(recipe) for line in lines)
    model = mixkit.build(recipe, 3).eval()
    assert model.length == Length(model.features.samples, "repeat", "loudest")
    assert facts_of(model)["input"].endswith("shorter sounds are repeated until they are as long")
    sound = 0.1 * torch.randn(1, model.length.samples // 2, generator=torch.Generator().manual_seed(0))
    model.labels = ("a", "b", "c")
    with torch.no_grad():
        twice = model(torch.cat([sound, sound], 1))
        assert torch.equal(model(sound), twice)
    told = model.predict(sound, model.sample_rate).probabilities
    torch.testing.assert_close(told, twice[0].softmax(0))
