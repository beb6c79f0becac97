"""Checks of the parts of a network beside its operators: stems, downsamples, pools, heads."""

import pickle
from typing import Any

import torch
from torch import nn

from mixkit.conformance.harness import Checked, close, seeded
from mixkit.conformance.portability import expect_on_cuda
from mixkit.errors import MixkitError
from mixkit.registry import Downsample, Grid, Registry, Site, Spec, Stem, downsample, head, pool, stem

WIDTH, WIDER, CLASSES = 16, 24, 3
SPECTROGRAMS = ((64, 96), (65, 99))
GRID = Grid(5, 7)
SITES = (Site(GRID, WIDTH), Site(GRID, WIDTH, prefix=2))


def check_stem(spec: Spec) -> None:
    """A spectrogram comes out as the tokens of the grid that it says, each clip for itself; all of it learns."""
    for bins, frames in SPECTROGRAMS:
        part, made = _built(spec, stem, bins, frames, WIDTH)
        _expect_grid(part, made)
        _expect_sound(part, made, (bins, frames), (made.grid.tokens, WIDTH))


def check_downsample(spec: Spec) -> None:
    """Tokens come out as those of a coarser grid and another width, each clip for itself; all of it learns."""
    for wider in (WIDTH, WIDER):
        part, made = _built(spec, downsample, GRID, WIDTH, wider)
        _expect_grid(part, made)
        part.expect(made.grid.tokens < GRID.tokens, f"the grid is {made.grid}, no coarser than {GRID}")
        _expect_sound(part, made, (GRID.tokens, WIDTH), (made.grid.tokens, wider))


def check_pool(spec: Spec) -> None:
    """Tokens come out as one vector, with a prefix or without, each clip for itself; all of it learns."""
    refused = []
    for site in SITES:
        try:
            part, made = _built(spec, pool, site)
        except MixkitError as error:
            refused.append(str(error))
            continue
        _expect_sound(part, made, (site.tokens, WIDTH), (WIDTH,))
    Checked(spec).expect(len(refused) < len(SITES), f"it refuses every site: {' '.join(refused)}")


def check_head(spec: Spec) -> None:
    """A pooled vector comes out as one number a class, each clip for itself; all of it learns."""
    part, made = _built(spec, head, WIDTH, CLASSES)
    _expect_sound(part, made, (WIDTH,), (CLASSES,))


def _built(spec: Spec, registry: Registry[Any], *context: object) -> tuple[Checked, Any]:
    part = Checked(spec)
    with part.saying("cannot be built"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return part, part.as_module(registry.build(spec, *context)).eval()


def _expect_grid(part: Checked, made: Stem | Downsample) -> None:
    for name, kind in (("grid", Grid), ("step", tuple), ("first", tuple)):
        found = getattr(made, name, None)
        part.expect(isinstance(found, kind), f"its {name} is {found!r}. Set a {kind.__name__}, as the protocol says")


def _expect_sound(part: Checked, made: nn.Module, given: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """What every part of a network holds, for a batch of 5."""
    x = torch.randn(5, *given, generator=seeded(0), requires_grad=True)
    with part.saying("fails in forward"):
        out = part.tensor(made(x))
    shapes = f"{[5, *given]} came out as {list(out.shape)}. It should be {[5, *wanted]}"
    part.expect(out.shape == (5, *wanted), shapes)
    part.expect(torch.equal(out, made(x)), "the same input comes out otherwise the second time in evaluation")
    alone = torch.cat([made(row[None]) for row in x])
    part.expect(close(out, alone, 1e-5), "a clip comes out otherwise in a batch than alone")
    with part.saying("fails going backward"):
        (out * torch.randn(out.shape, generator=seeded(1))).sum().backward()
    for name, parameter in made.named_parameters():
        alive = parameter.grad is not None and bool(parameter.grad.any())
        part.expect(alive, f"parameter {name} gets no gradient. Use it in forward, or leave it out")
    with part.saying("cannot be pickled"):
        pickle.loads(pickle.dumps(made))
    expect_on_cuda(part, made, (5, *given))
