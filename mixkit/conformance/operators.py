"""Checks of what an operator does to a batch of tokens."""

from dataclasses import replace

import torch

from mixkit.conformance.harness import SITES, Case, ConformanceError, cases, close, seeded
from mixkit.errors import MixkitError
from mixkit.operators.axes import mixes_of
from mixkit.registry import Spec, operator
from mixkit.values import Rate


def check_stands(spec: Spec) -> None:
    """It can be built somewhere, and refuses other sites with an error that a user can act on."""
    cases(spec)


def check_shape(spec: Spec) -> None:
    """Out comes what went in: as many tokens and channels, of the same type."""
    for case in cases(spec):
        for dtype in (torch.float32, torch.float64):
            x = case.input(dtype=dtype)
            out = case.run(x, module=case.module.to(dtype))
            came = f"{list(x.shape)} {x.dtype} came out as {list(out.shape)} {out.dtype}"
            case.expect((out.shape, out.dtype) == (x.shape, x.dtype), f"{came}. Return the shape and type of the input")


def check_input(spec: Spec) -> None:
    """The input is left as it was: the residual still needs it."""
    for case in cases(spec):
        x = case.input()
        before = x.clone()
        case.run(x, module=case.module.train())
        case.expect(torch.equal(x, before), "the input was changed in place. Work on a new tensor")


def check_batch(spec: Spec) -> None:
    """In evaluation the clips of a batch do not touch: each comes out as it does alone."""
    for case in cases(spec):
        x = case.input()
        alone = torch.cat([case.run(clip[None]) for clip in x])
        message = "a clip comes out otherwise in a batch than alone. Leave the first axis alone"
        case.expect(close(case.run(x), alone, 1e-5), message)


def check_mixing(spec: Spec) -> None:
    """Information moves only along the axes in `mixes`, and along each of them on some site."""
    try:
        declared = mixes_of(spec)
    except MixkitError as error:
        raise ConformanceError(str(error)) from None
    layers = [replace(site, layer=layer) for site in SITES for layer in range(site.depth)]
    seen: set[str] = set()
    for case in cases(spec, layers):
        moved = _moved(case)
        hidden = sorted(moved - declared)
        along, missing = " and ".join(hidden), " and ".join(map(repr, hidden))
        case.expect(not hidden, f"values move along {along}. Add {missing} to mixes in the decorator")
        seen |= moved
    for axis in sorted(declared - seen):
        raise ConformanceError(f"{spec.name}: nothing moves along {axis}. Take {axis!r} out of mixes in the decorator.")


def check_gradient(spec: Spec) -> None:
    """The input gets a gradient on every site, every parameter on some, and all of it is finite."""
    silent: list[set[str]] = []
    for case in cases(spec):
        leaf = case.input().requires_grad_()
        out = case.run(leaf.clone(), learning=True)
        case.expect(out.requires_grad, "no gradient passes through. Do not detach the output")
        with case.saying("fails going backward"):
            (out * torch.randn(out.shape, generator=seeded(1))).sum().backward()
        found = {name: parameter.grad for name, parameter in case.module.named_parameters() if parameter.requires_grad}
        for name, gradient in {"the input": leaf.grad, **found}.items():
            finite = gradient is None or gradient.isfinite().all()
            case.expect(finite, f"the gradient of {name} is not finite. Guard divisions, logarithms and roots")
        case.expect(leaf.grad is not None and leaf.grad.any(), "the input gets no gradient. Use it")
        silent.append({name for name, gradient in found.items() if gradient is None or not gradient.any()})
    for name in sorted(set.intersection(*silent)):
        raise ConformanceError(f"{spec.name}: parameter {name} gets no gradient. Use it in forward, or leave it out.")


def check_repeats(spec: Spec) -> None:
    """It gives the same twice in evaluation; in training too, unless a setting is a probability above 0."""
    for case in cases(spec):
        x = case.input()
        for training in (False,) if _is_random(spec) else (False, True):
            case.module.train(training)
            mode = "training, where no setting is a probability above 0" if training else "evaluation"
            same = torch.equal(case.run(x), case.run(x))
            case.expect(same, f"the same input comes out otherwise the second time in {mode}. Draw nothing there")


def check_autocast(spec: Spec) -> None:
    """With bf16 autocast it comes out close to float32."""
    for case in cases(spec):
        exact = case.run(case.input())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = case.run(case.input()).float()
        error = float((rough - exact).norm() / exact.norm().clamp_min(1e-12))
        remedy = "Compute its delicate part in float32, with autocast off"
        case.expect(error < 0.05, f"bf16 autocast is {error:.0%} away from float32. {remedy}")


def _moved(case: Case) -> set[str]:
    """Along which axes a nudge of one value, each in turn, moves other values."""
    site = case.site
    base = case.input(batch=1, dtype=torch.float64)
    nudges = torch.eye(base.numel(), dtype=base.dtype).view(-1, site.tokens, site.width)
    out = case.run(torch.cat([base, base + nudges]), module=case.module.double())
    change = (out[1:] - out[:1]).abs() > 1e-9 * out.abs().max().clamp_min(1.0)
    change = change.view(site.tokens, site.width, site.tokens, site.width)
    channels, tokens = change.any(2).any(0), change.any(3).any(1)
    place = torch.arange(site.tokens) - site.prefix
    places = {  # a prefix token stands in a row and a column of its own
        "frequency": torch.where(place < 0, place, place.clamp_min(0) // site.grid.time),
        "time": torch.where(place < 0, place, place.clamp_min(0) % site.grid.time),
    }
    moved = {axis for axis, index in places.items() if (tokens & (index[:, None] != index)).any()}
    return moved | ({"channel"} if (channels & ~torch.eye(site.width, dtype=torch.bool)).any() else set())


def _is_random(spec: Spec) -> bool:
    rates = {setting.name for setting in operator.entry(spec.name).settings if setting.annotation == Rate}
    inner = [item for value in spec.params.values() if isinstance(value, tuple) for item in value]
    return any(spec.params[name] > 0 for name in rates) or any(_is_random(s) for s in inner if isinstance(s, Spec))
