"""What a network costs: parameters and floating-point operations, operator by operator."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, register_flop_formula

from mixkit.linear import OPERATION
from mixkit.model.mixer import Mixer
from mixkit.recipe.schema import Model


# Here and not beside the product, because importing the counter takes long, and brings triton along.
@register_flop_formula(OPERATION)
def _operations(x_shape: torch.Size, weight_shape: torch.Size, *_: object, **__: object) -> int:
    return 2 * x_shape.numel() * weight_shape[0]


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


def costs(model: Model, bins: int, frames: int, classes: int) -> list[Cost]:
    """The parts in the order of the data flow: patches, each operator with its branch's norm, norm, head.

    Nothing is computed and no memory is taken: the network is built and run on the meta device.
    """
    with torch.device("meta"):
        mixer = Mixer(model, bins, frames, classes).eval()
        tokens = (mixer.grid.tokens + model.prefix, model.width)
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            mixer(torch.empty(1, bins, frames))
    flops = {name: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}

    def cost(name: str, path: str, shape: tuple[int, ...]) -> Cost:
        return Cost(name, shape, _count(mixer.get_submodule(path)), flops.get(f"Mixer.{path}", 0))

    rows = [cost("patches", "patches", tokens)]
    embeddings = sum(part.numel() for part in (mixer.prefix, mixer.position) if part is not None)
    if embeddings:
        rows.append(Cost("prefix and position", tokens, embeddings, 0))
    for layer in range(model.depth):
        for index, branch in enumerate(model.pattern[layer % len(model.pattern)].branches):
            names = ", ".join(spec.name for spec in branch.operators)
            rows.append(cost(f"{layer}.{index} {names}", f"blocks.{layer}.branches.{index}", tokens))
    rows.append(cost("norm", "norm", tokens))
    rows.append(cost("head", "head", (classes,)))
    return rows


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
