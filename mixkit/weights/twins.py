"""Networks of timm that have a twin here: how to tell them by their tensors, and what each of these is called here."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from mixkit.model.mixer import Mixer

TOKENS = {"cls_token": "class", "dist_token": "distillation", "pos_embed": "positions"}
"""What a ViT has beside its blocks, which is taken to where this network has it."""


@dataclass(frozen=True)
class Family:
    """Networks of timm of one kind.

    Args:
        recipe: that builds the same.
        sign: what is in the name of a tensor of these, and of none that comes behind them in `FAMILIES`.
        operators: of a block, branch by branch.
        names: of its tensors, as patterns, and ours in their place, one after the other.
    """

    recipe: str
    sign: str
    operators: tuple[tuple[str, ...], ...]
    names: Mapping[str, str] = field(default_factory=dict)


_ENDS = {
    r"^(?:stem|patch_embed)\.proj\.": "stem.projection.",
    r"^patch_embed\.norm\.": "stem.norm.",
    r"^head\.(?:fc\.)?(?=weight|bias)": "head.linear.",
}
_STAGES = {r"^(?:layers|stages)\.(\d+)\.downsample\.(?:reduction|conv)\.": r"downsamples.\1.projection."} | {
    r"^(?:layers|stages)\.(\d+)\.downsample\.norm\.": r"downsamples.\1.norm.",
    r"^(?:layers|stages)\.(\d+)\.blocks\.(\d+)\.": r"stages.\1.blocks.\2.",
    r"^blocks\.(\d+)\.": r"stages.0.blocks.\1.",
}
_BRANCHES = {
    r"\.norm1\.": ".branches.0.norm.",
    r"\.norm2\.": ".branches.1.norm.",
    r"\.(?:ls1(?:\.gamma)?|layer_scale1\.scale)$": ".branches.0.scale.gain",
    r"\.(?:ls2(?:\.gamma)?|layer_scale2\.scale)$": ".branches.1.scale.gain",
    r"\.mlp(?:_channels)?\.fc1\.": ".branches.1.operators.0.feed_forward.expand.",
    r"\.mlp(?:_channels)?\.fc2\.": ".branches.1.operators.0.feed_forward.contract.",
}
_ATTENTION = {
    r"\.attn\.proj\.": ".branches.0.operators.0.projection.",
    r"\.attn\.relative_position_bias_table$": ".branches.0.operators.0.table",
    r"\.attn\.([qv])_bias$": r".branches.0.operators.0.\1_bias",
    r"\.q_bias$": ".query_bias",
    r"\.v_bias$": ".value_bias",
    r"\.attn\.cpb_mlp\.0\.": ".branches.0.operators.0.expand.",
    r"\.attn\.cpb_mlp\.2\.": ".branches.0.operators.0.contract.",
    r"\.attn\.logit_scale$": ".branches.0.operators.0.scale",
    r"\.attn\.qkv\.": ".branches.0.operators.0.qkv.",
}
_AFFINE = {r"\.alpha$": ".weight", r"\.beta$": ".bias"}
_BATCH = {r"\.running_mean$": ".mean", r"\.running_var$": ".variance"}

FAMILIES = (
    Family(
        "gmlp",
        ".mlp_channels.gate.proj.",
        (("spatial_gate",),),
        {
            r"\.mlp_channels\.gate\.norm\.": ".branches.0.operators.0.norm.",
            r"\.mlp_channels\.gate\.proj\.": ".branches.0.operators.0.spatial.",
            r"\.mlp_channels\.fc1\.": ".branches.0.operators.0.expand.",
            r"\.mlp_channels\.fc2\.": ".branches.0.operators.0.contract.",
            r"(\.blocks\.\d+)\.norm\.": r"\1.branches.0.norm.",
        },
    ),
    Family(
        "mlp_mixer",
        ".mlp_tokens.fc1.",
        (("token",), ("channel",)),
        {
            r"\.mlp_tokens\.fc1\.": ".branches.0.operators.0.feed_forward.expand.",
            r"\.mlp_tokens\.fc2\.": ".branches.0.operators.0.feed_forward.contract.",
        },
    ),
    Family(
        "resmlp",
        ".linear_tokens.",
        (("cross_patch",), ("channel",)),
        {r"\.linear_tokens\.": ".branches.0.operators.0.tokens.", **_AFFINE},
    ),
    Family(
        "convmixer",
        ".0.fn.0.",
        (("convolution", "activation"), ("pointwise", "activation")),
        {
            r"^stem\.0\.": "stem.projection.",
            r"^stem\.2\.": "stem.norm.",
            r"(\.blocks\.\d+)\.0\.fn\.0\.": r"\1.branches.0.operators.0.depthwise.",
            r"(\.blocks\.\d+)\.0\.fn\.2\.": r"\1.branches.0.norm.",
            r"(\.blocks\.\d+)\.1\.": r"\1.branches.1.operators.0.channels.",
            r"(\.blocks\.\d+)\.3\.": r"\1.branches.1.norm.",
            **_BATCH,
        },
    ),
    Family(
        "poolformer",
        ".layer_scale1.scale",
        (("pooling",), ("channel",)),
        {r"^stem\.conv\.": "stem.layers.0.", r"^head\.norm\.": "norm."},
    ),
    Family("swin_v2", ".attn.logit_scale", (("window_attention_v2",), ("channel",)), _ATTENTION),
    Family("swin", ".attn.relative_position_bias_table", (("window_attention",), ("channel",)), _ATTENTION),
    Family("ast", ".attn.qkv.", (("attention",), ("channel",)), _ATTENTION | TOKENS),
)


def family_of(names: Collection[str]) -> Family | None:
    """What kind of network has tensors of these names; None for one that has no twin here."""
    return next((family for family in FAMILIES if any(family.sign in name for name in names)), None)


def ours(name: str, family: Family, mixer: Mixer) -> str:
    """What a tensor of timm's network is called in this one, which may have none of that name.

    Args:
        name: in timm.
        family: of the network.
        mixer: this one; blocks of a stage of timm's are those of the same stage of this one.
    """
    for pattern, instead in {**_ENDS, **_STAGES, **family.names, **_BRANCHES}.items():
        name = re.sub(pattern, instead, name)
    if found := re.match(r"stages\.(\d+)\.blocks\.(\d+)(?=\.)", name):
        layer = _layer(mixer, int(found[1]), int(found[2]))
        return f"blocks.{layer}{name[found.end() :]}" if layer is not None else ""
    if found := re.match(r"downsamples\.(\d+)(?=\.)", name):
        layer = _layer(mixer, int(found[1]), 0)
        return f"downsamples.{layer}{name[found.end() :]}" if layer is not None else ""
    return name


def _layer(mixer: Mixer, stage: int, block: int) -> int | None:
    """Which layer a block of a stage is; None where the stage, or its block, is not there."""
    bounds = [*sorted({site.first for site in mixer.sites}), len(mixer.sites)]
    stages = [*pairwise(bounds)]
    if stage >= len(stages) or block >= stages[stage][1] - stages[stage][0]:
        return None
    return stages[stage][0] + block
