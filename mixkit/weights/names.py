"""What the tensors of a ViT are called, in timm, in transformers and in the files of AST's authors."""

import re
from collections.abc import Iterable, Mapping

PATCHES = re.compile(r"(?P<prefix>(?:\w+\.)*?)(?:patch_embed\.proj|embeddings\.patch_embeddings\.projection)\.weight")

# Below the prefix: timm (and AST's authors), files of transformers, and modules of transformers since version 5.
PARTS = [
    (r"(?:patch_embed\.proj|embeddings\.patch_embeddings\.projection)\.(weight|bias)", r"patches.\1"),
    (r"(?:embeddings\.)?cls_token", "class"),
    (r"dist_token|embeddings\.distillation_token", "distillation"),
    (r"pos_embed|embeddings\.position_embeddings", "positions"),
    (r"blocks\.(\d+)\.norm2\.(weight|bias)", r"\1.norm.\2"),
    (r"(?:encoder\.layer|layers)\.(\d+)\.layernorm_after\.(weight|bias)", r"\1.norm.\2"),
    (r"(?:blocks|layers)\.(\d+)\.mlp\.fc1\.(weight|bias)", r"\1.expand.\2"),
    (r"(?:blocks|layers)\.(\d+)\.mlp\.fc2\.(weight|bias)", r"\1.contract.\2"),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense\.(weight|bias)", r"\1.expand.\2"),
    (r"encoder\.layer\.(\d+)\.output\.dense\.(weight|bias)", r"\1.contract.\2"),
]
_PARTS = [(re.compile(pattern), meaning) for pattern, meaning in PARTS]


def recognise(names: Iterable[str]) -> Mapping[str, str]:
    """From what a tensor is (`patches.weight`, `positions`, `3.expand.bias`) to its name; empty where it is no ViT."""
    short = [name for name in names if len(name) <= 200]
    prefixes = {match["prefix"] for name in short if (match := PATCHES.fullmatch(name))}
    if len(prefixes) != 1:
        return {}
    (prefix,) = prefixes
    found: dict[str, str] = {}
    for name in short:
        if name.startswith(prefix):
            for pattern, meaning in _PARTS:
                if match := pattern.fullmatch(name.removeprefix(prefix)):
                    found.setdefault(match.expand(meaning), name)
    return found
