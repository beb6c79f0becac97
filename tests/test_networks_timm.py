"""Classifiers of timm as networks: families, sizes, weights from a file, and what is refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import mixkit
from mixkit.errors import MixkitError, SettingError
from mixkit.model.whole import build_whole, head_of, pooled
from mixkit.networks.timm import Timm
from mixkit.registry import network, weights
from mixkit.training.prepare import starting_network

timm = pytest.importorskip("timm", reason="timm is not installed: pip install 'mixkit[timm]'")

FAMILIES = {
    "resnet10t": "model.fc",
    "vit_tiny_patch16_224": "model.head",
    "deit_tiny_patch16_224": "model.head",
    "swin_tiny_patch4_window7_224": "model.head.fc",
    "efficientnet_b0": "model.classifier",
    "convnext_atto": "model.head.fc",
}


def made(name: str, bins: int = 40, frames: int = 33, classes: int = 3, seed: int = 0) -> Timm:
    torch.manual_seed(seed)
    module = network.build(network.spec("timm", name=name), bins, frames, classes)
    assert isinstance(module, Timm)
    return module


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_takes_a_spectrogram_and_learns(name: str) -> None:
    """Of a size that no photograph has; what comes to the head is what the classifier weighs."""
    module = made(name)
    x = torch.randn(2, 40, 33)
    module.train()(x).square().sum().backward()
    assert [key for key, weight in module.named_parameters() if weight.grad is None] == []
    assert head_of(module) == FAMILIES[name]
    with torch.no_grad():
        module.eval()
        torch.testing.assert_close(module.head(pooled(module, x)), module(x))
        assert torch.equal(module(x), module.model(x[:, None]))


def test_the_sizes_are_those_of_timm() -> None:
    """ResNet-18 has 11,689,512 weights for 1,000 classes and three colours: 3,136 less a colour, 513 less a class."""
    spec = network.spec("timm")
    with torch.device("meta"):
        module = build_whole(spec, 64, 99, 10)
    assert sum(p.numel() for p in module.parameters()) == 11_689_512 - 2 * 3_136 - 990 * 513


@pytest.mark.parametrize(
    ("settings", "size", "message"),
    [
        ({"name": "resnet81"}, (40, 33), f"which timm {timm.__version__} does not have. Did you mean 'resnet18'?"),
        ({"name": "hf-hub:someone/else"}, (40, 33), "does not have. timm.list_models() lists them."),
        ({"name": "deit_tiny_distilled_patch16_224"}, (40, 33), "which has no classifier, or several. Take another"),
        ({"name": "vit_tiny_patch16_224"}, (8, 33), "which does not take 8 bins and 33 frames ("),
        ({"name": "vgg11", "drop_path": 0.1}, (40, 33), "40 bins and 33 frames and drop_path_rate = 0.1 ("),
    ],
)
def test_what_is_refused(settings: dict[str, object], size: tuple[int, int], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        network.build(network.spec("timm", **settings), *size, 3)
    assert caught.value.setting == "network.timm.name"
    assert message in str(caught.value)


def test_without_timm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixkit.networks.timm.find_spec", lambda name: None)
    with pytest.raises(MixkitError) as caught:
        made("resnet10t")
    assert str(caught.value) == "network.timm needs timm. Install it: pip install 'mixkit[timm]'."


def test_activations_are_computed_twice_where_it_can() -> None:
    module = made("resnet10t")
    x = torch.randn(2, 40, 33)
    module.checkpointing = True
    assert module.checkpointing
    module(x).sum().backward()
    gradient = module.head.weight.grad
    twin = made("resnet10t")
    twin(x).sum().backward()
    torch.testing.assert_close(gradient, twin.head.weight.grad)


def weights_of(name: str, path: Path, **settings: object) -> dict[str, torch.Tensor]:
    """A file as timm publishes them: three colours, 1,000 classes."""
    torch.manual_seed(5)
    module = timm.create_model(name, **settings)
    state = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    save_file(state, path)
    return state


def test_weights_for_photographs_start_it(tmp_path: Path) -> None:
    """Colours are added up, the head stays fresh, the rest is the file's; nothing is drawn otherwise than without."""
    theirs = weights_of("resnet10t", tmp_path / "resnet.safetensors")
    module = made("resnet10t")
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    start = weights.build(weights.spec("network", path=str(tmp_path / "resnet.safetensors")), module)
    ours = module.state_dict()
    torch.testing.assert_close(ours["model.conv1.0.weight"], theirs["conv1.0.weight"].sum(1, keepdim=True))
    rest = [key for key in theirs if not key.startswith(("conv1.0", "fc.")) and "num_batches" not in key]
    assert len(rest) > 50
    assert all(torch.equal(ours[f"model.{key}"], theirs[key]) for key in rest)
    assert torch.equal(ours["model.fc.weight"], before["model.fc.weight"])
    assert start.parameters == sum(p.numel() for p in module.parameters()) - 3 * 513
    assert start.left == ("fc",)


def test_positions_are_resized(tmp_path: Path) -> None:
    theirs = weights_of("vit_tiny_patch16_224", tmp_path / "vit.safetensors", depth=1)
    assert theirs["pos_embed"].shape[1] == 197
    module = made("vit_tiny_patch16_224")
    with pytest.raises(MixkitError, match=r"vit\.safetensors lacks \d+ of \d+ tensors of this network, the first "):
        weights.build(weights.spec("network", path=str(tmp_path / "vit.safetensors")), module)
    theirs = weights_of("vit_tiny_patch16_224", tmp_path / "whole.safetensors")
    weights.build(weights.spec("network", path=str(tmp_path / "whole.safetensors")), module)
    assert module.state_dict()["model.pos_embed"].shape[1] == 1 + 2 * 2
    assert torch.equal(module.state_dict()["model.blocks.3.mlp.fc1.weight"], theirs["blocks.3.mlp.fc1.weight"])


def test_only_safetensors_of_the_same_network_are_taken(tmp_path: Path) -> None:
    module = made("resnet10t")
    torch.save(module.state_dict(), tmp_path / "resnet.pth")
    for path, message in (
        (None, "weights.network.path is not set. Name a file: "),
        (
            str(tmp_path / "resnet.pth"),
            "resnet.pth, which is no safetensors file. Save the weights anew by safetensors",
        ),
        (str(tmp_path / "none.safetensors"), "none.safetensors cannot be read: No such file or directory."),
    ):
        with pytest.raises(MixkitError) as caught:
            weights.build(weights.spec("network", path=path), module)
        assert message in str(caught.value)


def test_a_network_starts_from_a_file_and_a_model_does_not(tmp_path: Path) -> None:
    """What a run of a network left is taken by the same network; each kind of start says which it is for."""
    lines = ["recipe.network = @network.cnn()", "train.init = @weights.network()", "network.cnn.channels = [4]"]
    lines += [f"weights.network.path = '{tmp_path}/run.safetensors'", "features.log_mel.bins = 24"]
    recipe = mixkit.load_recipe("asm_rh", settings=lines)
    other = mixkit.build(recipe, 5)
    save_file({name: tensor + 1 for name, tensor in other.state_dict().items()}, tmp_path / "run.safetensors")
    model, start = starting_network(recipe, ("a", "b"))
    assert start is not None
    assert start.left == ("head",)
    assert torch.equal(model.whole.body.layers[0].weight, other.whole.body.layers[0].weight + 1)
    of_model = mixkit.load_recipe("asm_rh", settings=["train.init = @weights.network()"])
    with pytest.raises(SettingError) as caught:
        starting_network(of_model, ("a", "b"))
    assert str(caught.value) == (
        "train.init is @weights.network(), which starts a whole network, and the recipe has a model. "
        "Set it to @weights.deit(), say, or to None."
    )
