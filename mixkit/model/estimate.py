"""What a network would take, known before it is built: too much is refused with the number.

Operators say by their formulas what they hold. Other parts, and operators without formulas, are built once for each
place on the meta device, where weights have shapes and take no memory.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from mixkit.errors import MixkitError
from mixkit.model.activations import ACTIVATIONS
from mixkit.model.formulas import cost
from mixkit.model.norms import BatchNorm
from mixkit.recipe.schema import Model, Recipe
from mixkit.registry import Grid, Site, Spec, downsample, head, network, operator, pool, stem
from mixkit.storage.capacity import count, expect, memory

FLOAT = 4  # bytes
FIX_WHOLE = "Make it smaller, or take shorter clips."
FIX = "Make it smaller, or set a smaller model.width or model.depth."


class Demand(NamedTuple):
    """Parameters of a part of a network, and the key that asks for them."""

    setting: str
    parameters: float


def expect_clip(recipe: Recipe) -> None:
    """Refuses clips that are too long to be taken whole.

    Raises:
        SettingError: the rate, or the samples, are too many.
    """
    rate, seconds, key = recipe.task.params["sample_rate"], recipe.task.params["seconds"], f"task.{recipe.task.name}"
    expect(f"{key}.sample_rate", "Hz", rate, "Use 16000, or what the recordings have.")
    expect(f"{key}.seconds", "samples of a clip", rate * seconds, "Use less; long ones are cut.")


def expect_network(model: Model, bins: int, frames: int, classes: int) -> None:
    """Refuses a network that is too large to be built; one on the meta device, which takes no memory, may be larger.

    Args:
        model: the network as data.
        bins: mel bins of the input.
        frames: frames of the input.
        classes: how many there are to tell apart.

    Raises:
        SettingError: its operators, its parameters or what it keeps of a clip are too many.
        MixkitError: a part that cannot be built at all.
    """
    blocks = [(stage.depth / len(stage.pattern), block) for stage in model.pyramid for block in stage.pattern]
    operators = sum(times * sum(len(branch.operators) for branch in block.branches) for times, block in blocks)
    expect("stage.depth" if model.stages else "model.depth", "operators", operators, "Use fewer blocks.")
    parts = _parts(model, bins, frames, classes)
    needed, largest = sum(part.parameters for part in parts), max(parts, key=lambda part: part.parameters).setting
    expect(largest, "parameters", needed, FIX)
    if torch.get_default_device().type != "meta":
        expect(largest, "bytes of memory for parameters", FLOAT * needed, FIX, memory())


def expect_whole(spec: Spec, bins: int, frames: int, classes: int) -> None:
    """The same of a whole network in the place of a model.

    Args:
        spec: its name and settings.
        bins: mel bins of the input.
        frames: frames of the input.
        classes: how many there are to tell apart.

    Raises:
        SettingError: its parameters or what it keeps of a clip are too many.
        MixkitError: it cannot be built at all.
    """
    made, (setting, needed) = _measured(spec, lambda: network.build(spec, bins, frames, classes))
    expect(setting, "parameters", needed, FIX_WHOLE)
    if torch.get_default_device().type != "meta":
        expect(setting, "bytes of memory for parameters", FLOAT * needed, FIX_WHOLE, memory())
    if made is not None:
        expect(setting, "values of a clip in a layer", _values(made.eval(), bins, frames), FIX_WHOLE)


def _parts(model: Model, bins: int, frames: int, classes: int) -> list[Demand]:
    """All parts in the order of the data flow, but for norms and gains, which are small beside them."""
    stages = model.pyramid
    made, first = _measured(model.stem, lambda: stem.build(model.stem, bins, frames, stages[0].width))
    parts = [first]
    if made is None:
        return parts
    grid, before = made.grid, stages[0].width
    expect(f"stem.{model.stem.name}", "values of a clip in a layer", _values(made, bins, frames), "Use less.")
    parts.append(Demand("model.prefix", (model.prefix + grid.tokens * (model.positional != "none")) * before))
    for stage in stages:
        if stage.downsample is not None:
            made, part = _downsample(stage.downsample, grid, before, stage.width)
            parts.append(part)
            if made is None:
                return parts
            grid = made.grid
        site, before = Site(grid, stage.width, 0, model.depth, model.prefix), stage.width
        section = "stage" if model.stages else "model"
        where = "model.prefix" if model.prefix > grid.tokens else f"{section}.width"
        expect(where, "values of a clip in a layer", site.tokens * site.width, "Use less.")
        repeats = -(-stage.depth // len(stage.pattern))
        for block in stage.pattern:
            for spec in (spec for branch in block.branches for spec in branch.operators):
                parts.append(Demand(f"operator.{spec.name}", repeats * _parameters(spec, site)))
    pooling = model.pool
    assert pooling is not None  # the model has filled it in
    parts.append(_measured(pooling, lambda: pool.build(pooling, site))[1])
    parts.append(_measured(model.head, lambda: head.build(model.head, model.width, classes))[1])
    return parts


def _downsample(spec: Spec, grid: Grid, before: int, width: int) -> tuple[Any, Demand]:
    return _measured(spec, lambda: downsample.build(spec, grid, before, width))


def _parameters(spec: Spec, site: Site) -> float:
    """Of one operator; 0 where it cannot stand here, which is found out when it is built."""
    try:
        return count(lambda: cost(spec, site)["parameters"])
    except MixkitError as error:
        if isinstance(error.__cause__, OverflowError):
            return float("inf")
    try:
        return _measured(spec, lambda: operator.build(spec, site))[1].parameters
    except MixkitError:
        return 0


def _measured(spec: Spec, build: Callable[[], object]) -> tuple[Any, Demand]:
    """A part on the meta device, and its parameters; None for one that has more than can be counted, or none there."""
    setting = f"{spec.kind}.{spec.name}"
    try:
        with torch.device("meta"):
            made = cast(nn.Module, build())
    except MixkitError:
        raise
    except Exception as error:
        return None, Demand(setting, float("inf") if _overflows(error) else 0)
    return made, Demand(setting, sum(parameter.numel() for parameter in made.parameters()))


def _values(made: nn.Module, bins: int, frames: int) -> float:
    """The most that a layer of a stem on the meta device puts out for a clip."""
    found: list[int] = [0]

    def note(_: nn.Module, __: object, out: object) -> None:
        found.append(out.numel() if isinstance(out, torch.Tensor) else 0)

    for part in made.modules():
        if isinstance(part, (BatchNorm, *ACTIVATIONS.values())):  # on this device torch loads its compiler for them
            part.forward = torch.clone
    handles = [part.register_forward_hook(note) for part in made.modules()]
    try:
        with torch.device("meta"), torch.no_grad():
            made(torch.empty(1, bins, frames))
    except Exception as error:
        return float("inf") if _overflows(error) else max(found)
    finally:
        for handle in handles:
            handle.remove()
    return max(found)


def _overflows(error: Exception) -> bool:
    """Whether a number did not fit: torch says so in a class of its own only here and there."""
    return isinstance(error, OverflowError) or "overflow" in str(error).lower()
