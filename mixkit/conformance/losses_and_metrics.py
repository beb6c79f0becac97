"""Checks of what stands behind the network: losses, distillations, metrics, optimizers, schedules."""

import math
from numbers import Real

import torch
from torch import nn

from mixkit.conformance.harness import Checked, seeded
from mixkit.conformance.portability import expect_on_cuda
from mixkit.registry import Spec, distillation, loss, metric, optimizer, schedule

CLASSES = 3


def check_loss(spec: Spec) -> None:
    """Logits and targets give one finite number with a gradient, and `scores` gives a share from 0 to 1 a class."""
    part = Checked(spec)
    for weights in (None, torch.ones(CLASSES)):
        with part.saying("cannot be built"):
            made = loss.build(spec, weights)
        target = torch.eye(CLASSES)[torch.arange(6) % CLASSES]
        for scale in (1.0, 1000.0):
            logits = (scale * torch.randn(6, CLASSES, generator=seeded(0))).requires_grad_()
            with part.saying("fails in forward"):
                found = part.tensor(made(logits, target))
            part.expect(found.shape == (), f"it gives the shape {list(found.shape)}. Return one number, the mean")
            part.expect(found.isfinite(), f"it is not finite for logits of about {scale:g}. Guard logarithms")
            with part.saying("fails going backward"):
                found.backward()
            sound = logits.grad is not None and bool(logits.grad.isfinite().all())
            part.expect(sound, "the gradient of the logits is missing or not finite")
            with part.saying("fails in scores"), torch.no_grad():
                scores = part.tensor(made.scores(logits))
            part.expect(scores.shape == logits.shape, f"scores have the shape {list(scores.shape)}. It should be b k")
            inside = bool(((scores >= 0) & (scores <= 1)).all())
            part.expect(inside, "scores lie outside 0 to 1. Return probabilities")
        expect_on_cuda(part, made, (6, CLASSES), (6, CLASSES))


def check_distillation(spec: Spec) -> None:
    """Each clip has a finite number with a gradient, which a step along it makes smaller, and the weight is a share."""
    part = Checked(spec)
    for multi_label in (False, True):
        with part.saying("cannot be built"):
            made = distillation.build(spec, multi_label)
        part.expect(0 < made.weight <= 1, f"its weight is {made.weight:g}. It is a share of the loss, above 0 to 1")
        for scale in (1.0, 1000.0):
            taught = scale * torch.randn(6, CLASSES, generator=seeded(1))
            logits = (scale * torch.randn(6, CLASSES, generator=seeded(0))).requires_grad_()
            with part.saying("fails in forward"):
                found = part.tensor(made(logits, taught))
            part.expect(found.shape == (6,), f"it gives the shape {list(found.shape)}. Return a number a clip, b")
            part.expect(found.isfinite().all(), f"it is not finite for logits of about {scale:g}. Guard logarithms")
            with part.saying("fails going backward"):
                (gradient,) = torch.autograd.grad(found.sum(), logits)
            part.expect(gradient.isfinite().all(), "the gradient of the logits is not finite")
            with torch.no_grad():
                nearer = made(logits - 1e-2 * gradient, taught).sum()
            part.expect(nearer < found.sum(), "a step against the gradient does not come nearer to the teacher")


def check_metric(spec: Spec) -> None:
    """Scores and targets of a split, however small or one-sided, give a number, or one a class, the same every time."""
    part = Checked(spec)
    with part.saying("cannot be built"):
        made = metric.build(spec)
    each = metric.entry(spec.name).facts["per_class"]
    several = torch.eye(CLASSES, dtype=torch.long)[torch.arange(12) % CLASSES]
    splits = {
        "12 clips of 3 classes": several,
        "clips of one class": several[[0, 0, 0]],
        "a single clip": several[:1],
        "clips with several labels, or none": several | torch.eye(CLASSES, dtype=torch.long)[torch.arange(12) // 4],
    }
    for name, target in splits.items():
        scores = torch.rand(target.shape, generator=seeded(0))
        kept = scores.clone()
        with part.saying(f"fails for {name}"):
            found, again = (_plain(made(scores, target)) for _ in range(2))
        if each:
            fits = isinstance(found, torch.Tensor) and found.shape == (CLASSES,)
            part.expect(fits, f"it gives {found!r} for {name}. Return a tensor of {CLASSES} numbers, one a class")
        else:
            part.expect(isinstance(found, Real), f"it gives {found!r} for {name}. Return a number, or float('nan')")
        same = torch.equal(torch.as_tensor(found).nan_to_num(), torch.as_tensor(again).nan_to_num())
        part.expect(same, f"it gives another number the second time for {name}")
        part.expect(torch.equal(scores, kept), "the scores were changed in place. Work on new tensors")


def check_optimizer(spec: Spec) -> None:
    """It takes steps downhill, at the learning rate that it is given."""
    part = Checked(spec)
    weight = nn.Parameter(torch.tensor([[1.0, -2.0]]))
    with part.saying("fails"):
        made = optimizer.build(spec, iter([weight]), 0.01)
        rate = made.param_groups[0]["lr"]
        part.expect(rate == 0.01, f"its learning rate is {rate} and not the given 0.01. Pass it on")
        before = float(weight.detach().square().sum())
        for _ in range(20):
            made.zero_grad()
            weight.square().sum().backward()
            made.step()
        after = float(weight.detach().square().sum())
        made.load_state_dict(made.state_dict())
    part.expect(after < before, f"20 steps took x² from {before:g} to {after:g}. They should go down")


def check_schedule(spec: Spec) -> None:
    """It gives a factor, not below 0, at any time of a run of any length."""
    part = Checked(spec)
    for steps, steps_per_epoch in ((1, 1), (2, 1), (3, 7), (50, 7)):  # the third ends within an epoch
        with part.saying(f"fails for a run of {steps} updates"):
            made = schedule.build(spec, steps, steps_per_epoch)
            found: list[object] = [made(step) for step in range(steps + 1)]
        for factor in found:
            sound = isinstance(factor, Real) and math.isfinite(factor) and float(factor) >= 0
            part.expect(sound, f"it gives {factor!r} in a run of {steps} updates. Return a number, 0 or more")


def _plain(found: object) -> object:
    """A number that came as a tensor, as Python has it."""
    return found.item() if isinstance(found, torch.Tensor) and found.numel() == 1 else found
