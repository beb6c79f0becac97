"""Numbers of features and augmentations, as large and as small as they may be: finite values come out, or an error."""

import typing
from collections.abc import Iterator
from typing import Annotated

import pytest
import torch
from torch import Tensor

from mixkit.audio.features import LogMel
from mixkit.conformance.tasks_and_features import SHAPES
from mixkit.draw import Draw
from mixkit.errors import MixkitError, SettingError
from mixkit.registry import REGISTRIES, Registry, augmentation, features
from mixkit.values import Range
from tests.test_estimate import large

MORE = {"log_mel": ({"level": "max"}, {"level": "mean"}), "pcen": ({"learned": True},)}
"""Settings beside which others have an effect."""


def numbers(annotation: object) -> Iterator[object]:
    """What `large` has, and the bounds themselves."""
    yield from (typing.cast(object, eval(value)) for value in large(annotation))
    for part in typing.get_args(annotation) if typing.get_origin(annotation) is Annotated else ():
        if isinstance(part, Range):
            yield from (bound for bound in (part.least, part.most) if bound is not None)


def settings(registry: "Registry[object]") -> Iterator[tuple[str, dict[str, object]]]:
    """Every number of every entry of ours, by name."""
    for name in registry.names():
        if registry.entry(name).target.__module__.startswith("mixkit."):
            for setting in registry.entry(name).settings:
                for number in numbers(setting.annotation):
                    yield from ((name, {setting.name: number, **more}) for more in ({}, *MORE.get(name, ())))


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def spectrograms(name: str, params: dict[str, object]) -> Iterator[Tensor]:
    """Of noise, silence, full scale and a beginning, and the gradients of what learns."""
    with torch.device("cpu"):
        made = features.build(features.spec(name, **params), 8000, 0.2)
    sound = noise(2, made.samples)
    half = torch.arange(made.samples) > made.samples // 2
    for waveform in (0.1 * sound, 0 * sound, sound.sign(), 1e-6 * sound, sound * half):
        yield made(waveform)
    weights = [weight for _, weight in made.named_parameters()]
    yield from torch.autograd.grad(made(0.1 * sound).square().mean(), weights) if weights else ()


def varied(name: str, params: dict[str, object]) -> Iterator[Tensor]:
    """Clips and targets behind an augmentation, thrice."""
    made = augmentation.build(augmentation.spec(name, **params), 16_000).train()
    on = augmentation.entry(name).facts["on"]
    x = noise(*SHAPES[on]) if on != "power" else noise(*SHAPES[on]).square()
    for epoch in range(3):
        yield from made(x.clone(), torch.eye(3)[torch.arange(6) % 3], Draw(0, epoch, torch.arange(6), 0))


@pytest.mark.parametrize(("kind", "make", "least"), [("features", spectrograms, 60), ("augmentation", varied, 60)])
def test_every_number_gives_numbers_or_an_error(kind: str, make: typing.Any, least: int) -> None:
    tried, faults = 0, []
    for name, params in settings(REGISTRIES[kind]):
        tried += 1
        try:
            if not all(found.isfinite().all() for found in make(name, params)):
                faults.append(f"{name} {params}: not finite")
        except MixkitError:
            continue
        except Exception as error:
            faults.append(f"{name} {params}: {type(error).__name__} {error}"[:200])
    assert not faults
    assert tried >= least


def test_the_control() -> None:
    """Without its bound, what is a number for Python is none for float32."""
    silence = LogMel(8000, 0.2, level="max", floor_db=1000.0)(torch.zeros(1, 1600))
    assert not silence.isfinite().any()


def test_what_is_too_much_is_said() -> None:
    for kind, name, setting, number, bounds in (
        ("features", "log_mel", "floor_db", 1e308, "at most 300 and above 0"),
        ("features", "pcen", "exponent", 1e308, "at most 2 and above 0"),
        ("augmentation", "equalizer", "bands", 2**40, "at least 1 and at most 1000"),
        ("augmentation", "mixup", "alpha", 1e308, "at most 1e+06 and above 0"),
    ):
        with pytest.raises(SettingError) as caught:
            REGISTRIES[kind].spec(name, **{setting: number})
        assert str(caught.value).startswith(f"{kind}.{name}.{setting} is {number}. It takes ")
        assert str(caught.value).endswith(f", {bounds}.")
