"""The matrix product behind every linear map, by the library that is fastest on this machine."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

WORTH_IT = 2**24
"""Multiply-adds from which on the other library's product is faster than its call is dear."""


class Linear(nn.Linear):
    """`torch.nn.Linear` by way of `linear`."""

    def forward(self, input: Tensor) -> Tensor:
        """Multiply."""
        return linear(input, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`torch.nn.functional.linear`, with the same results to rounding.

    In float32 on a CPU, torch asks MKL, which on processors of other makers than Intel leaves the 512-bit instructions
    alone; there oneDNN, which torch asks in bfloat16 anyway, is asked in float32 too: a layer of ASM-RH then takes
    between half and two thirds of the time.

    Shape:
        `... n -> ... m`

    Args:
        x: values.
        weight: `m n`.
        bias: `m`.
    """
    if _pays(x, weight):
        product: Tensor = torch.ops.mixkit.linear(x, weight, bias)
        return product
    return functional.linear(x, weight, bias)


def _pays(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_exporting()
        and x.numel() * weight.shape[0] >= WORTH_IT
        and LIBRARY == "oneDNN"
    )


def _choose() -> str:
    # By what the processor is, not by a clock: the same machine must always come to the same bits.
    wide = torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"
    other = _maker() not in ("", "GenuineIntel")
    return "oneDNN" if wide and other and hasattr(torch.ops.mkldnn, "_linear_pointwise") else "torch"


def _maker() -> str:
    facts = Path("/proc/cpuinfo")
    if not facts.exists():
        return ""
    with facts.open() as lines:  # to the first processor: a large machine takes long to write of them all
        return next((line.split(":")[1].strip() for line in lines if line.startswith("vendor_id")), "")


LIBRARY = _choose()  # here, because a compiler could not look into it
"""Which computes large float32 products on this machine's CPU: "torch" for its own choice, or "oneDNN"."""


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    # A weight with gaps between its rows would be multiplied by a slow stand-in.
    dense = weight if weight.is_contiguous() or weight.t().is_contiguous() else weight.contiguous()
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x.contiguous(), dense, bias, "none", [], "")
    return product


def _like(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


def _remember(ctx: object, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
    x, weight, bias = inputs
    ctx.save_for_backward(x, weight)  # type: ignore[attr-defined]
    ctx.biased = bias is not None  # type: ignore[attr-defined]


def _gradients(ctx: object, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    x, weight = ctx.saved_tensors  # type: ignore[attr-defined]
    for_x, for_weight, for_bias = ctx.needs_input_grad  # type: ignore[attr-defined]
    rows, columns = gradient.flatten(0, -2), x.flatten(0, -2)
    return (
        torch.ops.mixkit.linear(gradient, weight.t(), None) if for_x else None,
        torch.ops.mixkit.linear(rows.t(), columns.t(), None) if for_weight else None,
        rows.sum(0) if for_bias else None,
    )


# By hand, because torch.library.custom_op loads the compiler at the first call, which takes most of a second.
_DEFINED = torch.library.Library("mixkit", "DEF")
_DEFINED.define("linear(Tensor x, Tensor weight, Tensor? bias) -> Tensor")
_DEFINED.impl("linear", _product, "CPU")
torch.library.register_fake("mixkit::linear", _like, lib=_DEFINED)
torch.library.register_autograd("mixkit::linear", _gradients, setup_context=_remember, lib=_DEFINED)

OPERATION = torch.ops.mixkit.linear
"""What a counter of operations sees of it."""
