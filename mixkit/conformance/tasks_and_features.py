"""Checks of what stands ahead of the network: tasks, features, augmentations."""

import torch
from torch import Tensor

from mixkit.audio.augment.strength import scaled
from mixkit.conformance.harness import Checked, ConformanceError, NotTried, close, seeded
from mixkit.conformance.portability import expect_on_cuda
from mixkit.draw import Draw
from mixkit.errors import MixkitError
from mixkit.registry import Features, PowerFeatures, Spec, augmentation, features, lacks, task
from mixkit.tasks.clip import SPLITS, expect_whole
from mixkit.tasks.leakage import check_splits

RATE, SECONDS = 16_000, 1.0
SHAPES = {"waveform": (6, RATE), "power": (6, 32, 98), "features": (6, 32, 98)}


def check_task(spec: Spec) -> None:
    """It lists its clips, in the same order every time, and no group stands in two splits."""
    part = Checked(spec)
    for setting in ("sample_rate", "seconds"):
        part.expect(setting in spec.params, f"it has no setting {setting!r}. Add it, with a default")
    with part.saying("cannot list its clips"):
        try:
            made = task.build(spec)
            expect_whole(made)
            listed = {split: made.clips(split) for split in SPLITS}
        except MixkitError as error:
            raise NotTried(f"{spec.name} lists nothing with its defaults: {error}") from None
        try:
            check_splits(made)
        except MixkitError as error:
            raise ConformanceError(f"{spec.name}: {error}") from None
        again = {split: task.build(spec).clips(split) for split in SPLITS}
    part.expect(listed == again, "its clips come otherwise the second time. Sort them")


def check_features(spec: Spec) -> None:
    """Waveforms come out as `b m l`, as many bins and frames as it says, each clip for itself."""
    part = Checked(spec)
    with part.saying("cannot be built"), torch.random.fork_rng(devices=[]):
        made = features.build(spec, RATE, SECONDS).eval()
    missing = lacks(made, Features)
    part.expect(missing is None, f"it has no {missing!r}. Set it in __init__, as mixkit.audio.features does")
    x = 0.1 * torch.randn(3, made.samples, generator=seeded(0))
    wanted = [3, made.bins, made.frames]
    with part.saying(f"fails on waveforms of {made.samples} samples"), torch.no_grad():
        found = list(part.tensor(made(x)).shape)
    part.expect(found == wanted, f"waveforms of {made.samples} samples came out as {found}. It says {wanted}")
    with torch.no_grad():
        for name, sound in (("noise", x), ("silence", torch.zeros_like(x))):
            finite = made(sound).isfinite().all()
            part.expect(finite, f"{name} comes out as numbers that are not finite. Guard logarithms")
        alone = torch.cat([made(clip[None]) for clip in x])
        part.expect(close(made(x), alone, 1e-5), "a clip comes out otherwise in a batch than alone")
        part.expect(torch.equal(made(x), made(x)), "the same waveform comes out otherwise the second time")
        if isinstance(made, PowerFeatures):
            same = torch.equal(made(x), made.from_power(made.power(x)))
            part.expect(same, "`from_power(power(x))` is not what a call gives. Make the call of the two")
    _expect_gradients(part, made, x)
    expect_on_cuda(part, made, (3, made.samples))


def _expect_gradients(part: Checked, made: Features, x: Tensor) -> None:
    """What features learn gets gradients, of sound and of silence, and these are finite."""
    learned = {name: weight for name, weight in made.named_parameters() if weight.requires_grad}
    for name, sound in (("noise", x), ("silence", torch.zeros_like(x))) if learned else ():
        out = made(sound)
        part.expect(out.requires_grad, "it has parameters and its output has no gradient. Do not detach it")
        gradients = torch.autograd.grad(out.square().sum(), [*learned.values()], allow_unused=True)
        for weight, gradient in zip(learned, gradients, strict=True):
            part.expect(gradient is not None, f"parameter {weight} gets no gradient. Use it, or leave it out")
            finite = gradient is None or gradient.isfinite().all()
            part.expect(finite, f"of {name} the gradient of {weight} is not finite. Guard logarithms and roots")


def check_augmentation(spec: Spec) -> None:
    """It keeps shapes, draws from the generator it is given and no other, and does nothing in evaluation."""
    part = Checked(spec)
    on = augmentation.entry(spec.name).facts["on"]
    part.expect(on in SHAPES, f"on is {on!r}. Write on='waveform', on='power' or on='features'")
    with part.saying("cannot be built"):
        try:
            made = augmentation.build(spec, RATE)
        except MixkitError as error:
            raise NotTried(f"{spec.name} cannot be tried with its defaults: {error}") from None
    x = torch.randn(SHAPES[on], generator=seeded(0))
    x = x.square() if on == "power" else x
    target = torch.eye(3)[torch.arange(6) % 3]
    tried = []
    for training in (False, True, True):
        made.train(training)
        with part.saying("fails"), torch.no_grad():
            tried.append(made(x.clone(), target.clone(), Draw(0, 0, torch.arange(6), 0)))
        _expect_like(part, tried[-1], x, target)
    (still, same), (once, labels), (again, alike) = tried
    quiet = torch.equal(still, x) and torch.equal(same, target)
    part.expect(quiet, "it changes clips in evaluation. Hand back what came where self.training is False")
    equal = torch.equal(once, again) and torch.equal(labels, alike)
    part.expect(equal, "the same dice give something else the second time. Draw from `draw` alone")
    if augmentation.entry(spec.name).facts["scales"]:
        with part.saying("cannot be scaled"):
            off = augmentation.build(scaled(spec, 0.0), RATE)
        with torch.no_grad():
            unchanged, _ = off(x.clone(), target.clone(), Draw(0, 0, torch.arange(6), 0))
        part.expect(
            torch.equal(unchanged, x),
            "it changes clips at a strength of 0. Name in `scales` all settings that vary them",
        )


def _expect_like(part: Checked, found: object, x: Tensor, target: Tensor) -> None:
    whole = isinstance(found, tuple) and len(found) == 2 and all(isinstance(part, Tensor) for part in found)
    part.expect(whole, "it does not give (x, target). Return both")
    for name, ours, theirs in zip(("x", "target"), found, (x, target), strict=True):  # type: ignore[call-overload]
        came = f"{name} of the shape {list(theirs.shape)} came out as {list(ours.shape)}"
        part.expect(ours.shape == theirs.shape, f"{came}. Return the shape of the input")
        part.expect(ours.isfinite().all(), f"{name} came out with numbers that are not finite")
