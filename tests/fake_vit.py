"""State dicts of ViTs with random numbers, made without timm or transformers."""

import torch
from torch import Tensor


def timm_state(
    width: int = 16, blocks: int = 2, colours: int = 3, grid: tuple[int, int] = (4, 4), tokens: int = 2
) -> dict[str, Tensor]:
    """By the names of timm's `vit_*` and `deit_*`."""
    dice = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=dice)

    hidden, places = 4 * width, tokens + grid[0] * grid[1]
    state = {"cls_token": draw(1, 1, width), "dist_token": draw(1, 1, width)}
    state = dict(list(state.items())[:tokens])
    state |= {"pos_embed": draw(1, places, width), "patch_embed.proj.weight": draw(width, colours, 16, 16)}
    state |= {"patch_embed.proj.bias": draw(width)}
    for layer in range(blocks):
        for name, *shape in (
            ("norm1", width),
            ("attn.qkv", 3 * width, width),
            ("attn.proj", width, width),
            ("norm2", width),
            ("mlp.fc1", hidden, width),
            ("mlp.fc2", width, hidden),
        ):
            state |= {f"blocks.{layer}.{name}.weight": draw(*shape), f"blocks.{layer}.{name}.bias": draw(shape[0])}
    return {**state, "norm.weight": draw(width), "norm.bias": draw(width), "head.weight": draw(5, width)}
