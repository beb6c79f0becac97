"""Starts from other networks' weights: what is taken is what the file holds, by the closed form, and told."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import interpolate

import mixkit
from mixkit.errors import MixkitError, SettingError
from mixkit.model.mixer import Mixer
from mixkit.recipe.gin_file import recipe_from_text
from mixkit.recipe.train import Train
from mixkit.registry import Grid, weights
from mixkit.weights.positions import fitted
from mixkit.weights.start import Start
from tests.conftest import Said
from tests.fake_vit import timm_state

SMALL = ["model.width = 16", "model.depth = 2", "stem.patches.size = (16, 16)", "stem.patches.stride = (10, 10)"]
SMALL += ["features.log_mel.bins = 128", "features.log_mel.window_ms = 25", "features.log_mel.hop_ms = 10"]
FORM = ["stem/patches"]
GRAY = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def started(recipe: str, file: Path, *lines: str, kind: str = "deit") -> tuple[Mixer, Start]:
    settings = [*SMALL, f"train.init = @weights.{kind}()", f"weights.{kind}.path = {str(file)!r}", *lines]
    loaded = mixkit.load_recipe(recipe, FORM, settings)
    assert loaded.train.init is not None
    mixer = mixkit.build(loaded, classes=3).mixer
    return mixer, weights.build(loaded.train.init, mixer)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_file(timm_state(), tmp_path / "deit.safetensors")
    return tmp_path / "deit.safetensors"


@pytest.mark.parametrize(("colour", "factors"), [("gray", GRAY), ("sum", torch.ones(1, 3, 1, 1))])
def test_colours_become_one_channel(file: Path, colour: str, factors: Tensor) -> None:
    state = timm_state()
    mixer, _ = started("asm_rh", file, f"weights.deit.colour = {colour!r}")
    wanted = (state["patch_embed.proj.weight"] * factors).sum(1, keepdim=True)
    assert torch.equal(mixer.stem.projection.weight, wanted)
    assert torch.equal(mixer.stem.projection.bias, state["patch_embed.proj.bias"])


@pytest.mark.parametrize("recipe", ["asm_rh", "asm_h", "asm_r", "mlp_mixer", "ast", "shift_mixer"])
def test_the_feed_forward_over_channels_and_its_norm(file: Path, recipe: str) -> None:
    state, fresh = timm_state(), mixkit.build(mixkit.load_recipe(recipe, FORM, head_width(recipe)), 3).mixer
    mixer, start = started(recipe, file, *head_width(recipe)[len(SMALL) :])
    ours, before = mixer.state_dict(), fresh.state_dict()
    moved = {name for name in ours if not torch.equal(ours[name], before[name])}
    expected = {"stem.projection.weight", "stem.projection.bias"}
    for layer in range(2):
        place, theirs = f"blocks.{layer}.branches.1", f"blocks.{layer}"
        for part in ("weight", "bias"):
            pairs = {
                f"{place}.norm.{part}": f"{theirs}.norm2.{part}",
                f"{place}.operators.0.feed_forward.expand.{part}": f"{theirs}.mlp.fc1.{part}",
                f"{place}.operators.0.feed_forward.contract.{part}": f"{theirs}.mlp.fc2.{part}",
            }
            expected |= pairs.keys()
            assert all(torch.equal(ours[one], state[other]) for one, other in pairs.items())
    assert moved == expected
    assert start.parameters == sum(ours[name].numel() for name in expected)
    assert start.of == sum(parameter.numel() for parameter in mixer.parameters())


def head_width(recipe: str) -> list[str]:
    return [*SMALL, *(["operator.attention.head_width = 8"] if recipe == "ast" else [])]


def test_only_what_is_asked_for_is_taken(file: Path) -> None:
    fresh = mixkit.build(mixkit.load_recipe("asm_rh", FORM, SMALL), classes=3).mixer.state_dict()
    mixer, start = started("asm_rh", file, "weights.deit.channel = False")
    ours = mixer.state_dict()
    moved = [name for name in ours if not torch.equal(ours[name], fresh[name])]
    assert moved == ["stem.projection.weight", "stem.projection.bias"]
    assert start.taken == ("patch projection (RGB by gray: 0.299, 0.587, 0.114)",)


def test_all_of_it_is_told(file: Path) -> None:
    _, start = started("asm", file, "weights.deit.position = True", "model.depth = 3")
    assert start.sha256 == subprocess.run(["sha256sum", file], capture_output=True, text=True).stdout.split()[0]
    assert str(start) == (
        f"{start.parameters:,} of {start.of:,} parameters start from {file} (SHA-256 {start.sha256[:12]}...). "
        "Taken: patch projection (RGB by gray: 0.299, 0.587, 0.114); positional embedding; "
        "class and distillation token; feed-forward over channels and its norm, of 2 blocks of 2, into channel. "
        "Resized: positions 4 x 4 to 12 x 19 (frequency x time). "
        "Left in the file: blocks.*.attn.proj, blocks.*.attn.qkv, blocks.*.norm1, head, norm."
    )
    assert json.loads(json.dumps(start.to_json()))["resized"] == ["positions 4 x 4 to 12 x 19 (frequency x time)"]


def test_positions_of_the_axes_are_means(file: Path) -> None:
    axes = ("weights.deit.position = True", "model.positional = 'axes'", "weights.deit.channel = False")
    mixer, start = started("asm", file, *axes)
    whole, _ = started("asm", file, *axes[::2])
    assert whole.position is not None
    assert whole.prefix is not None
    table = whole.position[0, 2:].unflatten(0, (12, 19))
    torch.testing.assert_close(mixer.frequencies, table.mean(1)[None])
    torch.testing.assert_close(mixer.times, (table.mean(0) - table.mean((0, 1)))[None])
    torch.testing.assert_close(mixer.prefix, whole.prefix + whole.position[:, :2])
    assert start.resized[1:] == ("positions of every place averaged to those of each frequency and each time",)


def test_of_a_deeper_file_the_first_blocks(tmp_path: Path) -> None:
    state = timm_state(blocks=12)
    save_file(state, tmp_path / "deep.safetensors")
    mixer, start = started("asm_rh", tmp_path / "deep.safetensors")
    last = mixer.state_dict()["blocks.1.branches.1.operators.0.feed_forward.expand.weight"]
    assert torch.equal(last, state["blocks.1.mlp.fc1.weight"])
    assert start.taken[-1] == "feed-forward over channels and its norm, of 2 blocks of 12, into roll_time"
    assert "blocks.*.mlp.fc1" in start.left


@pytest.mark.parametrize(("frequency", "time"), [(12, 19), (12, 30), (30, 30), (30, 10), (24, 24), (1, 1)])
def test_positions_are_cut_or_interpolated_as_ast_does(frequency: int, time: int) -> None:
    learned = torch.randn(24 * 24, 8)
    x = learned.reshape(1, 24, 24, 8).permute(0, 3, 1, 2)  # written from the authors' rule, axis by axis
    x = x[..., 12 - time // 2 :][..., :time] if time <= 24 else interpolate(x, (24, time), mode="bilinear")
    if frequency <= 24:
        x = x[:, :, 12 - frequency // 2 :][:, :, :frequency]
    else:
        x = interpolate(x, (frequency, time), mode="bilinear")
    wanted = x.permute(0, 2, 3, 1).reshape(frequency * time, 8)
    found = fitted(learned, Grid(24, 24), Grid(frequency, time))
    assert torch.equal(found, wanted)
    if (frequency, time) == (12, 19):
        assert torch.equal(found[0], learned[6 * 24 + 3])


@pytest.mark.parametrize(("tokens", "own"), [(2, 2), (1, 2), (2, 1), (0, 2), (2, 0)])
def test_class_tokens_and_their_positions(tmp_path: Path, tokens: int, own: int) -> None:
    state = timm_state(tokens=tokens, grid=(12, 19), colours=1)
    save_file(state, tmp_path / "ast.safetensors")
    lines = [
        f"model.prefix = {own}",
        "weights.ast.position = True",
        *(["model.pool = @pool.mean()"] if not own else []),
    ]
    mixer, start = started("asm", tmp_path / "ast.safetensors", *lines, kind="ast")
    fresh = mixkit.build(mixkit.load_recipe("asm", FORM, [*SMALL, lines[0], *lines[2:]]), classes=3).mixer
    kept = min(tokens, own)
    assert mixer.position is not None
    assert fresh.position is not None
    assert torch.equal(mixer.position[0, own:], state["pos_embed"][0, tokens:])
    assert torch.equal(mixer.position[0, :kept], state["pos_embed"][0, :kept])
    assert torch.equal(mixer.position[0, kept:own], fresh.position[0, kept:own])
    for place in range(own):
        theirs = state[("cls_token", "dist_token")[place]][0, 0] if place < kept else fresh.prefix[0, place]  # type: ignore[index]
        assert torch.equal(mixer.prefix[0, place], theirs)  # type: ignore[index]
    assert start.resized == ()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    state = {name: tensor.to(dtype) for name, tensor in timm_state().items()}
    save_file(state, tmp_path / "half.safetensors")
    mixer, _ = started("asm_rh", tmp_path / "half.safetensors")
    bias = mixer.stem.projection.bias
    assert bias.dtype == torch.float32
    assert torch.equal(bias, state["patch_embed.proj.bias"].float())


def test_safetensors_and_state_dicts_give_the_same(tmp_path: Path, file: Path) -> None:
    state = timm_state()
    torch.save(state, tmp_path / "plain.pth")
    torch.save({"model": state}, tmp_path / "inside.pth")
    torch.save({f"module.v.{name}": tensor for name, tensor in state.items()}, tmp_path / "authors.bin")
    ways = [file, *(tmp_path / name for name in ("plain.pth", "inside.pth", "authors.bin"))]
    first, *others = (started("asm_rh", way)[0].state_dict() for way in ways)
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first)


def test_the_usual_place_and_a_path_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    recipe = mixkit.load_recipe("asm_rh", FORM, [*SMALL, "train.init = @weights.deit()"])
    assert recipe.train.init is not None
    mixer = mixkit.build(recipe, classes=3).mixer
    with pytest.raises(SettingError) as caught:
        weights.build(recipe.train.init, mixer)
    assert str(caught.value) == (
        f"weights.deit.path is not set, and {tmp_path}/weights/deit.safetensors is not there. mixkit does not fetch "
        "weights: get a file of them yourself, such as those of facebook/deit-base-distilled-patch16-384, which AST "
        "starts from, and put it there or name it: --set \"weights.deit.path = 'PATH'\"."
    )
    (tmp_path / "weights").mkdir()
    save_file(timm_state(), tmp_path / "weights" / "deit.safetensors")
    assert weights.build(recipe.train.init, mixer).file == f"{tmp_path}/weights/deit.safetensors"
    own = weights.spec("deit", path="weights/deit.safetensors")
    assert weights.build(own, mixer).file == f"{tmp_path}/weights/deit.safetensors"
    with pytest.raises(SettingError) as caught:
        weights.build(weights.spec("ast", path="weights"), mixer)
    assert str(caught.value).startswith(f"weights.ast.path names {tmp_path}/weights, which is a folder. mixkit does")


def test_what_a_recipe_may_say() -> None:
    assert mixkit.load_recipe("asm_rh").train.init is None
    lines = ["train.init = @weights.deit()", "weights.deit.path = 'my file'", "weights.deit.colour = 'sum'"]
    recipe = mixkit.load_recipe("asm_rh", settings=lines)
    assert recipe_from_text(mixkit.to_gin(recipe), "again") == recipe
    for line, message in {
        "train.init = @operator.roll()": "train.init is @operator.roll(). It takes @weights.NAME() or None.",
        "train.init = 'deit'": "train.init is 'deit' (a str). It takes @weights.NAME() or None.",
        "train.init = @weights.diet()": "no weights named 'diet'. Did you mean 'deit'? Known: ast, deit, network, run, "
        "timm.",
    }.items():
        with pytest.raises(MixkitError) as caught:
            mixkit.load_recipe("asm_rh", settings=[line])
        assert str(caught.value) == f'--set "{line}": {message}'
    with pytest.raises(SettingError) as caught:
        Train(init=mixkit.load_recipe("asm_rh").model.head)
    assert str(caught.value) == "train.init is the head 'linear'. It takes weights, such as @weights.NAME()."


def test_a_run_starts_from_it_once(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mixkit_command: Callable[..., Said]
) -> None:
    """Told, kept in the events, and never asked for again: a run that goes on does not need the file."""
    monkeypatch.chdir(tmp_path)
    lines = [*SMALL, "task.demo.clips = 4", "task.demo.seconds = 0.5", "train.epochs = 1", "train.learning_rate = 1e-9"]
    lines += ["train.init = @weights.deit()", f"weights.deit.path = {str(file)!r}"]
    arguments = [word for line in lines for word in ("--set", line)]
    said = mixkit_command("train", "asm_rh", "--with", *FORM, *arguments)
    assert said.code == 0, said
    assert f"parameters start from {file}" in said.out.replace("\n", " ")
    run = Path("runs/asm_rh/001")
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    (told,) = (event for event in events if event["event"] == "started_from")
    assert told["file"] == str(file)
    assert len(told["sha256"]) == 64
    trained = mixkit.load(run).mixer.stem.projection.bias
    torch.testing.assert_close(trained, timm_state()["patch_embed.proj.bias"], rtol=0, atol=1e-6)

    (run / "results.json").unlink()
    file.unlink()
    again = mixkit_command("train", "--resume", run)
    assert again.code == 0, again
    assert "start from" not in again.out
    fresh = mixkit_command("train", "asm_rh", "--with", *FORM, *arguments)
    assert fresh.code == 2
    assert f"weights.deit.path names {file}, which is not there." in fresh.err.replace("\n", " ")
    assert not Path("runs/asm_rh/002").exists()
