"""The `ast` recipe is transformers' AST: with its weights, the same logits."""

import re
import warnings

import pytest
import torch

import mixkit
from mixkit.model.mixer import Mixer

transformers = pytest.importorskip("transformers", reason="extra mixkit[parity] is not installed")

RENAMED = [
    (r"^audio_spectrogram_transformer\.embeddings\.cls_token$", "cls"),
    (r"^audio_spectrogram_transformer\.embeddings\.distillation_token$", "dist"),
    (r"^audio_spectrogram_transformer\.embeddings\.position_embeddings$", "position"),
    (r"^audio_spectrogram_transformer\.embeddings\.patch_embeddings\.projection\.", "stem.projection."),
    (r"^audio_spectrogram_transformer\.(?:encoder\.layer|layers)\.(\d+)\.", r"blocks.\1."),
    (r"^audio_spectrogram_transformer\.layernorm\.", "norm."),
    (r"^classifier\.layernorm\.", "head.norm."),
    (r"^classifier\.dense\.", "head.linear."),
    (r"\.layernorm_before\.", ".branches.0.norm."),
    (r"\.layernorm_after\.", ".branches.1.norm."),
    (r"\.attention\.(?:attention\.)?(?:query|q_proj)\.", ".q."),
    (r"\.attention\.(?:attention\.)?(?:key|k_proj)\.", ".k."),
    (r"\.attention\.(?:attention\.)?(?:value|v_proj)\.", ".v."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".branches.0.operators.0.projection."),
    (r"\.(?:intermediate\.dense|mlp\.fc1)\.", ".branches.1.operators.0.feed_forward.expand."),
    (r"\.(?:output\.dense|mlp\.fc2)\.", ".branches.1.operators.0.feed_forward.contract."),
]


def renamed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of transformers' model under the names of ours."""
    found: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        for pattern, replacement in RENAMED:
            name = re.sub(pattern, replacement, name)
        found[name] = tensor
    found["prefix"] = torch.cat([found.pop("cls"), found.pop("dist")], dim=1)
    joined = {}
    for name, tensor in found.items():
        if (match := re.match(r"(blocks\.\d+)\.q\.(weight|bias)$", name)) is not None:
            parts = [found[f"{match[1]}.{part}.{match[2]}"] for part in "qkv"]
            joined[f"{match[1]}.branches.0.operators.0.qkv.{match[2]}"] = torch.cat(parts)
        elif not re.match(r"blocks\.\d+\.[kv]\.", name):
            joined[name] = tensor
    return joined


def test_logits_agree_with_transformers() -> None:
    config = transformers.ASTConfig(
        hidden_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=384,
        max_length=128,
        num_mel_bins=64,
        layer_norm_eps=1e-6,
        num_labels=7,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        theirs = transformers.ASTForAudioClassification(config).eval()
    for parameter in theirs.parameters():  # fresh biases and tokens are zero: give every number a part
        torch.nn.init.normal_(parameter, std=0.1)
    settings = ["model.width = 96", "model.depth = 3", "operator.attention.head_width = 24"]
    patches = ["stem.patches.size = (16, 16)", "stem.patches.stride = (10, 10)"]
    loaded = mixkit.load_recipe("ast", settings=[*settings, *patches])
    ours = Mixer(loaded.model, bins=64, frames=128, classes=7).eval()
    # The head of transformers' AST keeps PyTorch's eps only in the original; here it is the configured one.
    ours.head.norm.eps = theirs.classifier.layernorm.eps  # type: ignore[union-attr]
    state = renamed(theirs.state_dict())
    assert sorted(state) == sorted(ours.state_dict())
    ours.load_state_dict(state)
    spectrogram = torch.randn(2, 64, 128)
    with torch.no_grad():
        expected = theirs(spectrogram.transpose(1, 2)).logits
        found = ours(spectrogram)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
