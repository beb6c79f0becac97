"""What is checked, how a fault of it is reported, and an operator on each of the sites that it is tried on."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from mixkit.errors import MixkitError
from mixkit.registry import Grid, Site, Spec, operator

# A square, an odd grid with an odd width, one row, and one with a class token: an operator may refuse some, not all.
SITES = (
    Site(Grid(6, 6), width=16, layer=2, depth=4),
    Site(Grid(3, 5), width=15, layer=0, depth=1),
    Site(Grid(1, 8), width=24, layer=1, depth=4),
    Site(Grid(3, 5), width=16, layer=1, depth=4, prefix=1),
)


class ConformanceError(MixkitError, AssertionError):
    """An operator does not hold what every operator has to hold."""


class NotTried(MixkitError):
    """A check needs what is not here, such as recordings."""


@dataclass(frozen=True)
class Checked:
    """Something registered that is checked, and the errors that name it.

    Args:
        spec: its name and settings.
    """

    spec: Spec

    def expect(self, holds: bool | Tensor, message: str) -> None:
        """Raise the message, with the name in front, unless it holds."""
        if not holds:
            raise ConformanceError(f"{self}: {message}.")

    @contextmanager
    def saying(self, message: str) -> Iterator[None]:
        """Raise any error that is not ours with the name and the message in front."""
        try:
            yield
        except MixkitError:
            raise
        except Exception as error:
            line = next(iter(str(error).strip().splitlines()), "")
            raise ConformanceError(f"{self}: {message}: {type(error).__name__}: {line}") from error

    def tensor(self, out: object) -> Tensor:
        """What forward gave back, which has to be a tensor."""
        self.expect(isinstance(out, Tensor), f"forward gives {_kind(out)}. Return the tensor")
        return cast(Tensor, out)

    def as_module(self, made: object) -> nn.Module:
        """What was built, which has to be a module of torch."""
        self.expect(isinstance(made, nn.Module), f"it is {_kind(made)}. Derive it from torch.nn.Module")
        return cast(nn.Module, made)

    def __str__(self) -> str:
        return self.spec.name


@dataclass(frozen=True)
class Case(Checked):
    """An operator in evaluation mode, with weights that are the same every time.

    Args:
        spec: the operator and its settings.
        site: where it stands.
        module: the operator itself.
    """

    site: Site
    module: nn.Module

    def input(self, batch: int = 3, dtype: torch.dtype = torch.float32) -> Tensor:
        """Random tokens, the same every time: `b n c`."""
        return torch.randn(batch, self.site.tokens, self.site.width, generator=seeded(0), dtype=dtype)

    def run(self, x: Tensor, *, module: nn.Module | None = None, learning: bool = False) -> Tensor:
        """What the operator, or another module in its place, makes of x."""
        with torch.set_grad_enabled(learning), self.saying("fails in forward"):
            out = (module or self.module)(x)
        return self.tensor(out)

    def __str__(self) -> str:
        return f"{self.spec.name} ({_place(self.site)})"


def cases(spec: Spec, sites: Iterable[Site] = SITES) -> list[Case]:
    """The operator on every site that it does not refuse.

    Raises:
        ConformanceError: it refuses them all, or fails on one otherwise than by refusing.
    """
    found, refusals = [], []
    for site in sites:
        try:
            found.append(Case(spec, site, built(spec, site)))
        except ConformanceError:
            raise
        except MixkitError as error:
            refusals.append(f"{_place(site)}: {error}")
    if not found:
        raise ConformanceError("\n  ".join([f"{spec.name} refuses every site that it was tried on.", *refusals]))
    return found


def built(spec: Spec, site: Site, seed: int = 0) -> nn.Module:
    """The operator in evaluation mode, its weights a little off their start: a gain of 0 must not hide what it does."""
    case = Case(spec, site, nn.Identity())
    with torch.random.fork_rng(devices=[]), torch.no_grad(), case.saying("cannot be built"):
        torch.manual_seed(seed)
        module = Checked(spec).as_module(operator.build(spec, site))
        for parameter in module.parameters():
            if parameter.is_floating_point():
                parameter.add_(0.1 * torch.randn_like(parameter))
        return module.eval()


def seeded(seed: int) -> torch.Generator:
    """A generator of its own, so that a check leaves the caller's as it was."""
    return torch.Generator().manual_seed(seed)


def close(ours: Tensor, theirs: Tensor, share: float) -> bool:
    """Whether two results differ by no more than a share of the largest value."""
    return ours.shape == theirs.shape and bool((ours - theirs).abs().max() <= share * theirs.abs().max().clamp_min(1.0))


def _kind(out: object) -> str:
    return "nothing" if out is None else f"a {type(out).__name__}"


def _place(site: Site) -> str:
    prefix = f", {site.prefix} prefix token" if site.prefix else ""
    return f"{site.grid.frequency} x {site.grid.time} tokens{prefix}, width {site.width}, layer {site.layer}"
