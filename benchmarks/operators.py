"""Operators one by one, forward and backward, against timm's, transformers' and torch's: 12 x 50 tokens, 768 wide.

    python benchmarks/operators.py
    python benchmarks/operators.py --names window_attention fourier
    OMP_NUM_THREADS=1 taskset -c 1 python benchmarks/operators.py --own-time     where others use the machine, too

Both have the same weights, and each gets its input in the layout that it works in. Of operators that no library has,
plain.py writes the closed form in plain torch, and says so in the row. Needs the extra mixkit[parity].
"""

from collections.abc import Callable, Mapping
from time import process_time
from typing import Any, NamedTuple

import torch
from comparing import Row, against, arguments, place, report, same
from plain import ActiveShift, ActiveToken, AxialShift, Cycle, FactorizedToken, Hire, Shift, SpatialShift, Wave
from timm.layers import Mlp
from timm.models.metaformer import Pooling
from timm.models.mlp_mixer import SpatialGatingBlock
from timm.models.swin_transformer import SwinTransformerBlock
from timm.models.swin_transformer_v2 import SwinTransformerV2Block
from timm.models.vision_transformer import Attention
from torch import Tensor, nn
from transformers.models.fnet.modeling_fnet import FNetBasicFourierTransform, FNetConfig
from transformers.models.mamba.modeling_mamba import MambaConfig, MambaMixer

import mixkit
from mixkit.bench.timing import Pass, Stopwatch
from mixkit.registry import operator
from mixkit.training.precision import autocast

GRID, WIDTH = (12, 50), 768
TOKENS = GRID[0] * GRID[1]


class OverTokens(nn.Module):
    """A map of tokens, as timm's mixer blocks call it."""

    def __init__(self, inside: nn.Module):
        super().__init__()
        self.inside = inside

    def forward(self, x: Tensor) -> Tensor:
        """Map."""
        return self.inside(x.transpose(1, 2)).transpose(1, 2)


class InWindows(nn.Module):
    """The attention of a block of Swin, without its norms, feed-forward and residuals."""

    def __init__(self, block: Any):
        super().__init__()
        block.mlp = block.norm1 = block.norm2 = nn.Identity()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """Attend."""
        return self.block._attn(x)


class First(nn.Module):
    """The first of what another gives back."""

    def __init__(self, inside: nn.Module):
        super().__init__()
        self.inside = inside

    def forward(self, x: Tensor) -> Tensor:
        """The first."""
        return self.inside(x)[0]


class Reference(NamedTuple):
    """An operator of others.

    Who made it, how, the layout that it works in, our settings that make it the same, the layer, and the largest batch.
    """

    made_by: str
    build: Callable[[], nn.Module]
    layout: str = "tokens"
    settings: Mapping[str, Any] = {}
    layer: int = 0
    clips: int | None = None


def swin(window: tuple[int, int], shift: bool) -> nn.Module:
    """Timm's, version 1."""
    moved = tuple(side // 2 * shift for side in window)
    return InWindows(SwinTransformerBlock(WIDTH, GRID, num_heads=24, window_size=window, shift_size=moved))


def swin_v2(window: tuple[int, int], shift: bool) -> nn.Module:
    """Timm's, version 2."""
    moved = tuple(side // 2 * shift for side in window)
    return InWindows(SwinTransformerV2Block(WIDTH, GRID, 24, window_size=window, shift_size=moved))


DIVIDING = (6, 10)  # windows that divide the grid: elsewhere timm's hear what is not there
FORWARD = {"axis": "token", "directions": "forward"}
PLAIN = "plain torch"
REFERENCES: dict[str, Reference] = {
    "active_shift": Reference("torch's grid_sample", lambda: ActiveShift(WIDTH), "picture"),
    "active_token": Reference("torchvision's deform_conv2d", lambda: ActiveToken(WIDTH, share=4), "grid"),
    "attention": Reference("timm", lambda: Attention(WIDTH, 12, qkv_bias=True)),
    "axial_shift": Reference(PLAIN, lambda: AxialShift(WIDTH, 5), "picture"),
    "channel": Reference("timm", lambda: Mlp(WIDTH, 4 * WIDTH)),
    "convolution": Reference("torch", lambda: nn.Conv2d(WIDTH, WIDTH, 5, padding=2, groups=WIDTH), "picture"),
    "cross_patch": Reference("timm", lambda: OverTokens(nn.Linear(TOKENS, TOKENS))),
    "cycle": Reference("torchvision's deform_conv2d", lambda: Cycle(WIDTH, 3), "grid"),
    "factorized_channel": Reference("timm", lambda: Mlp(WIDTH, WIDTH // 4)),
    "factorized_token": Reference(PLAIN, lambda: FactorizedToken(TOKENS, WIDTH // 2, parts=2)),
    "fourier": Reference(
        "transformers", lambda: First(FNetBasicFourierTransform(FNetConfig())), settings={"norm": "backward"}
    ),
    "hire": Reference(PLAIN, lambda: Hire(WIDTH, 2, 1), "picture", layer=1),
    "pointwise": Reference("torch", lambda: nn.Conv2d(WIDTH, WIDTH, 1), "picture"),
    "pooling": Reference("timm", Pooling, "picture"),
    "shift": Reference(PLAIN, lambda: Shift(parts=12), "picture"),
    "shift, eight neighbours": Reference(
        PLAIN, lambda: Shift(parts=9, eight=True), "picture", {"parts": 9, "groups": (3, 3)}
    ),
    "shift, edges kept": Reference(PLAIN, lambda: Shift(parts=12, mode="replicate"), "picture", {"edges": "keep"}),
    "shift, around": Reference(PLAIN, lambda: Shift(parts=12, mode="circular"), "picture", {"edges": "wrap"}),
    "spatial_gate": Reference("timm", lambda: SpatialGatingBlock(WIDTH, TOKENS, mlp_ratio=6).mlp_channels),
    "spatial_shift": Reference(PLAIN, lambda: SpatialShift(WIDTH), "picture"),
    "state_space": Reference(
        "transformers",
        lambda: MambaMixer(MambaConfig(hidden_size=WIDTH, use_bias=False), 0),
        settings=FORWARD,
        clips=1,  # token by token, it takes half a minute for each
    ),
    "token": Reference("timm", lambda: OverTokens(Mlp(TOKENS, WIDTH // 2))),
    "wave": Reference(PLAIN, lambda: Wave(WIDTH, 7), "picture"),
    "window_attention": Reference("timm", lambda: swin(DIVIDING, False), "grid", {"window": DIVIDING}),
    "window_attention, shifted": Reference("timm", lambda: swin(DIVIDING, True), "grid", {"window": DIVIDING}, 1),
    "window_attention_v2": Reference("timm", lambda: swin_v2(DIVIDING, False), "grid", {"window": DIVIDING}),
    "window_attention_v2, shifted": Reference("timm", lambda: swin_v2(DIVIDING, True), "grid", {"window": DIVIDING}, 1),
}


def laid_out(x: Tensor, layout: str) -> Tensor:
    """Tokens as an operator of others takes them."""
    if layout == "tokens":
        return x
    cube = x.unflatten(1, GRID)
    return (cube if layout == "grid" else cube.permute(0, 3, 1, 2)).contiguous()


def as_tokens(y: Tensor, layout: str) -> Tensor:
    """What it gives back, as tokens."""
    return y if layout == "tokens" else (y if layout == "grid" else y.permute(0, 2, 3, 1)).flatten(1, 2)


def take(ours: nn.Module, theirs: nn.Module) -> None:
    """Gives ours the weights of theirs: those of one shape stand in the same order in both."""

    def by_shape(module: nn.Module) -> list[nn.Parameter]:
        return sorted(module.parameters(), key=lambda weight: [side for side in weight.shape if side > 1])

    with torch.no_grad():
        for own, other in zip(by_shape(ours), by_shape(theirs), strict=True):
            nn.init.normal_(other, std=0.05)
            own.copy_(other.view_as(own))


class OwnTime(Stopwatch):
    """Seconds that a processor worked for this process, all threads together: others who use the machine take none."""

    def _now(self) -> float:
        return process_time()


def passing(module: nn.Module, x: Tensor, precision: str, own_time: bool) -> Pass:
    """One pass forward and back."""

    def once() -> Mapping[str, float]:
        leaf = x.detach().requires_grad_()
        watch = (OwnTime if own_time else Stopwatch)(x.device)
        with watch.phase("step"):
            with autocast(x.device, precision):
                out = module(leaf)
            out.backward(torch.ones_like(out))
        module.zero_grad(set_to_none=True)
        return watch.read()

    return once


def main() -> None:
    """Measures and prints a table."""
    parser = arguments(__doc__, rounds=9)
    parser.add_argument("--names", nargs="*", default=sorted({name.partition(",")[0] for name in REFERENCES}))
    parser.add_argument("--precisions", nargs="*", default=["float32"])
    parser.add_argument("--own-time", action="store_true", help="count seconds of this process, not of the clock")
    chosen = parser.parse_args()
    device = place(chosen)
    torch.manual_seed(0)
    rows: list[Row] = []
    for name, reference in REFERENCES.items():
        kind = name.partition(",")[0]
        if kind not in chosen.names:
            continue
        site = mixkit.Site(mixkit.Grid(*GRID), WIDTH, reference.layer, depth=12)
        ours, theirs = operator.build(operator.spec(kind, **reference.settings), site), reference.build()
        take(ours, theirs)
        ours, theirs = ours.to(device), theirs.to(device)
        clips = min(chosen.batch, reference.clips or chosen.batch)
        x = torch.randn(clips, TOKENS, WIDTH, device=device)
        other = laid_out(x, reference.layout)
        with torch.no_grad():
            same(name, ours(x), as_tokens(theirs(other), reference.layout))
        for precision in chosen.precisions:
            size = "" if clips == chosen.batch else ", a clip"
            measure = f"{name}: {reference.made_by} / mixkit, {precision}{size}"
            pair = (theirs, other), (ours, x)
            passes = (passing(module, given, precision, chosen.own_time) for module, given in pair)
            rows.append(against(measure, *passes, chosen.rounds, 0.9))
    report(rows, device, chosen.json)


if __name__ == "__main__":
    main()
