"""Files that timm and transformers write, for networks of random numbers: what is taken behaves as it did there."""

import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import mixkit
from mixkit.model.mixer import Mixer
from mixkit.registry import weights
from mixkit.weights.start import Start

timm = pytest.importorskip("timm", reason="extra mixkit[parity] is not installed")
transformers = pytest.importorskip("transformers", reason="extra mixkit[parity] is not installed")

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
LINES = ["model.width = 32", "model.depth = 2", "stem.patches.size = (16, 16)", "stem.patches.stride = (10, 10)"]
LINES += ["features.log_mel.bins = 128", "features.log_mel.window_ms = 25.0", "features.log_mel.hop_ms = 10.0"]


def deit_of_timm(folder: Path) -> tuple[nn.Module, Path]:
    model = timm.create_model("deit_tiny_distilled_patch16_224", img_size=64, embed_dim=32, depth=2, num_heads=2)
    save_file(randomised(model).state_dict(), folder / "timm.safetensors")
    return model, folder / "timm.safetensors"


def randomised(model: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.2)
    return model.eval()


def saved(model: nn.Module, folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)  # type: ignore[operator]
    return folder / "model.safetensors"


def started(recipe: str, kind: str, file: Path, *lines: str) -> tuple[Mixer, Start]:
    mixer = mixkit.build(mixkit.load_recipe(recipe, ["stem/patches"], [*LINES, *lines]), classes=3).mixer
    settings: dict[str, object] = {"path": str(file), "position": mixer.position is not None}
    start: Start = weights.build(weights.spec(kind, **settings), mixer)
    return mixer.eval(), start


def branch(mixer: Mixer, layer: int, x: Tensor) -> Tensor:
    """What the second branch of a block adds."""
    out: Tensor = mixer.blocks[layer].branches[1](x) - x  # type: ignore[union-attr,index,operator]
    return out


@pytest.mark.parametrize(("colour", "shares"), [("sum", (1, 1, 1)), ("gray", (0.299, 0.587, 0.114))])
def test_patches_as_timm_makes_them_of_a_gray_picture(tmp_path: Path, colour: str, shares: tuple[float, ...]) -> None:
    """`sum` of a picture with the same value in all colours, as AST has it; `gray` of one with those shares."""
    model, file = deit_of_timm(tmp_path)
    spec = weights.spec("deit", path=str(file), colour=colour)
    mixer = mixkit.build(mixkit.load_recipe("mlp_mixer", settings=[*LINES, "stem.patches.stride = (16, 16)"]), 3).mixer
    weights.build(spec, mixer)
    x = torch.randn(2, 64, 64)
    picture = torch.stack([x * share for share in shares], dim=1)
    torch.testing.assert_close(mixer.stem(x), model.patch_embed(picture), rtol=1e-5, atol=1e-5)  # type: ignore[operator]


def test_the_feed_forward_of_timm(tmp_path: Path) -> None:
    model, file = deit_of_timm(tmp_path)
    mixer, start = started("mlp_mixer", "deit", file)
    for layer in range(2):
        x = torch.randn(2, mixer.stem.grid.tokens, 32)
        theirs = model.blocks[layer]  # type: ignore[index]
        torch.testing.assert_close(branch(mixer, layer, x), theirs.mlp(theirs.norm2(x)), rtol=1e-5, atol=1e-5)
    assert start.left == (
        *("blocks.*.attn.proj", "blocks.*.attn.qkv", "blocks.*.norm1", "cls_token", "dist_token", "head"),
        *("head_dist", "norm", "pos_embed"),
    )


def test_timm_and_transformers_agree_on_deit(tmp_path: Path) -> None:
    """The same numbers under both libraries' names, in files and in modules."""
    config = transformers.DeiTConfig(image_size=64, **SIZE)
    model = randomised(transformers.DeiTForImageClassificationWithTeacher(config))
    file = saved(model, tmp_path)
    torch.save(model.state_dict(), tmp_path / "module.pth")
    first, start = started("asm", "deit", file, "model.positional = 'whole'")
    second, _ = started("asm", "deit", tmp_path / "module.pth", "model.positional = 'whole'")
    state = model.state_dict()
    assert all(torch.equal(one, second.state_dict()[name]) for name, one in first.state_dict().items())
    assert torch.equal(first.prefix[0, 0], state["deit.embeddings.cls_token"][0, 0])  # type: ignore[index]
    assert torch.equal(first.prefix[0, 1], state["deit.embeddings.distillation_token"][0, 0])  # type: ignore[index]
    assert torch.equal(first.position[0, :2], state["deit.embeddings.position_embeddings"][0, :2])  # type: ignore[index]
    assert len(start.taken) == 4
    ours = first.state_dict()["blocks.1.branches.1.operators.0.feed_forward.contract.weight"]
    assert torch.equal(ours, next(v for n, v in state.items() if n.endswith("layers.1.mlp.fc2.weight")))


def test_ast_of_transformers_on_its_own_grid(tmp_path: Path) -> None:
    """Embeddings, class tokens and positions as a whole, and feed-forwards, behave as they did there."""
    config = transformers.ASTConfig(max_length=1024, num_mel_bins=128, layer_norm_eps=1e-6, **SIZE)
    model = randomised(transformers.ASTForAudioClassification(config))
    file = saved(model, tmp_path)
    lines = ("features.log_mel.frames = 1024", "model.positional = 'whole'")
    mixer, start = started("asm", "ast", file, *lines)
    x = torch.randn(2, 128, 1024)
    theirs = model.audio_spectrogram_transformer.embeddings(x.transpose(1, 2))  # type: ignore[union-attr,operator]
    prefix = mixer.prefix.expand(2, -1, -1)  # type: ignore[union-attr]
    ours = torch.cat([prefix, mixer.stem(x)], dim=1) + mixer.position
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert start.resized == ()
    block = model.audio_spectrogram_transformer.layers[1]  # type: ignore[union-attr,index]
    tokens = torch.randn(2, 2 + mixer.stem.grid.tokens, 32)
    torch.testing.assert_close(branch(mixer, 1, tokens), block.mlp(block.layernorm_after(tokens)), rtol=1e-5, atol=1e-5)


def test_ast_cut_to_shorter_clips(tmp_path: Path) -> None:
    """The middle 50 of 101 columns, from 50 - 25 on, as AST's authors cut them for ESC-50."""
    config = transformers.ASTConfig(max_length=1024, num_mel_bins=128, **SIZE)
    model = randomised(transformers.ASTForAudioClassification(config))
    mixer, start = started("asm", "ast", saved(model, tmp_path), "features.log_mel.frames = 512")
    state = model.state_dict()["audio_spectrogram_transformer.embeddings.position_embeddings"]
    wanted = state[0, 2:].reshape(12, 101, 32)[:, 25:75].reshape(600, 32)
    assert torch.equal(mixer.position[0, 2:], wanted)  # type: ignore[index]
    assert start.resized == ("positions 12 x 101 to 12 x 50 (frequency x time)",)


def test_a_vit_without_distillation(tmp_path: Path) -> None:
    model = randomised(timm.create_model("vit_tiny_patch16_224", img_size=64, embed_dim=32, depth=2, num_heads=2))
    torch.save(model.state_dict(), tmp_path / "vit.pth")
    mixer, start = started("asm", "deit", tmp_path / "vit.pth")
    assert torch.equal(mixer.prefix[0, 0], model.cls_token[0, 0])  # type: ignore[index]
    assert "class token" in start.taken
