"""What a network costs: parameters and floating-point operations, operator by operator."""

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, register_flop_formula

from mixkit.linear import OPERATION
from mixkit.model.formulas import fft
from mixkit.model.mixer import Mixer
from mixkit.model.whole import build_whole, parts_of
from mixkit.recipe.schema import Model
from mixkit.registry import Features, Spec


# Here and not beside the product, because importing the counter takes long, and brings triton along.
@register_flop_formula(OPERATION)
def _operations(x_shape: torch.Size, weight_shape: torch.Size, *_: object, **__: object) -> int:
    return 2 * x_shape.numel() * weight_shape[0]


@register_flop_formula([torch.ops.aten._fft_r2c, torch.ops.aten._fft_c2r])
def _transforms(
    x_shape: torch.Size, axes: list[int], *_: object, out_shape: torch.Size | None = None, **__: object
) -> int:
    real = max(x_shape, out_shape or x_shape, key=torch.Size.numel)  # half of the frequencies are kept
    lengths = [real[axis] for axis in axes]
    return torch.Size(real).numel() // math.prod(lengths) * fft(*lengths)


@dataclass(frozen=True)
class Cost:
    """One part of a network, for one clip in a forward pass.

    Args:
        name: the part, such as `0.1 roll_time` for layer 0, branch 1.
        shape: of what it puts out, without the batch.
        parameters: trained numbers.
        flops: floating-point operations (a multiply-add counts two).
    """

    name: str
    shape: tuple[int, ...]
    parameters: int
    flops: int


def costs(architecture: Model | Spec, bins: int, frames: int, classes: int) -> list[Cost]:
    """The parts in the order of the data flow; of a model stem, each operator with its branch's norm, norm, pool, head.

    Nothing is computed and no memory is taken: the network is built and run on the meta device.
    """
    mixer = without_memory(architecture, bins, frames, classes).eval()
    if not isinstance(mixer, Mixer):
        return _costs_of_whole(mixer, bins, frames)
    flops = _flops(mixer, bins, frames)

    def cost(name: str, path: str, shape: tuple[int, ...]) -> Cost:
        return Cost(name, shape, _count(mixer.get_submodule(path)), flops.get(path, 0))

    shapes = [(site.tokens, site.width) for site in mixer.sites]
    rows = [cost("stem", "stem", (mixer.stem.grid.tokens, shapes[0][1]))]
    embeddings = sum(_count(part) for part in (mixer.prefix, mixer.position, mixer.frequencies, mixer.times))
    if embeddings:
        rows.append(Cost("prefix and position", shapes[0], embeddings, 0))
    for layer, (block, shape) in enumerate(zip(mixer.layers, shapes, strict=True)):
        if str(layer) in mixer.downsamples:
            rows.append(cost(f"{layer} downsample", f"downsamples.{layer}", shape))
        for index, names in enumerate(block.names):
            rows.append(cost(f"{layer}.{index} {', '.join(names)}", f"blocks.{layer}.branches.{index}", shape))
    rows.append(cost("norm", "norm", shapes[-1]))
    rows.append(cost("pool", "pool", shapes[-1][1:]))
    rows.append(cost("head", "head", (classes,)))
    return rows


def learned_features(features: Features) -> list[Cost]:
    """What features learn, as a part ahead of the others; none of features that learn nothing."""
    parameters = sum(weight.numel() for _, weight in features.named_parameters())
    return [Cost("features", (features.bins, features.frames), parameters, 0)] if parameters else []


def without_memory(architecture: Model | Spec, bins: int, frames: int, classes: int) -> nn.Module:
    """The network with the shapes of its weights alone, on the meta device."""
    build = build_whole if isinstance(architecture, Spec) else Mixer
    with torch.device("meta"):
        return build(architecture, bins, frames, classes)  # type: ignore[arg-type]


def _costs_of_whole(module: nn.Module, bins: int, frames: int) -> list[Cost]:
    """Parts that have parameters or take operations, and what is in none of them."""
    parts, shapes = parts_of(module), dict[str, tuple[int, ...]]()

    def note(name: str, _: nn.Module, __: object, out: object) -> None:
        shapes[name] = tuple(out.shape[1:]) if isinstance(out, torch.Tensor) else ()

    for name, part in parts.items():
        part.register_forward_hook(partial(note, name))
    flops = _flops(module, bins, frames)
    rows = [Cost(name, shapes.get(name, ()), _count(part), flops.get(name, 0)) for name, part in parts.items()]
    inside = {id(weight) for part in parts.values() for weight in part.parameters()}
    own = {name: weight.numel() for name, weight in module.named_parameters() if id(weight) not in inside}
    between = flops[WHOLE] - sum(row.flops for row in rows)
    rows.append(Cost(", ".join(own) or "between them", (), sum(own.values()), between))
    return [row for row in rows if row.parameters or row.flops]


WHOLE = ""


def _flops(module: nn.Module, bins: int, frames: int) -> dict[str, int]:
    """Of each part for one clip, by its path; of all of it under the name of none."""
    counter = FlopCounterMode(display=False)
    with torch.device("meta"), counter, torch.no_grad():
        module(torch.empty(1, bins, frames))
    root = type(module).__name__
    found = {name: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    parts = {name.removeprefix(f"{root}."): flops for name, flops in found.items()}
    return {**parts, WHOLE: found.get("Global", 0)}


def _count(part: nn.Module | nn.Parameter | None) -> int:
    if isinstance(part, nn.Module):
        return sum(parameter.numel() for parameter in part.parameters())
    return 0 if part is None else part.numel()
