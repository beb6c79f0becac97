"""Files of weights that do not fit, are damaged, or would do more than hold numbers; and what is said of each."""

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import mixkit
from mixkit.errors import DamagedError, MixkitError
from mixkit.model.mixer import Mixer
from mixkit.registry import weights
from tests.fake_vit import timm_state
from tests.test_weights import FORM, SMALL

State = dict[str, Tensor]


def network(recipe: str = "asm_rh", *lines: str) -> Mixer:
    return mixkit.build(mixkit.load_recipe(recipe, FORM, [*SMALL, *lines]), classes=3).mixer


def refused(file: Path, mixer: Mixer | None = None, kind: str = "deit", **settings: Any) -> MixkitError:
    """What is said of the file, after it was seen that the network is as it was."""
    mixer = mixer or network()
    before = {name: tensor.clone() for name, tensor in mixer.state_dict().items()}
    with pytest.raises(MixkitError) as caught:
        weights.build(weights.spec(kind, path=str(file), **settings), mixer)
    assert all(torch.equal(tensor, before[name]) for name, tensor in mixer.state_dict().items())
    return caught.value


def without(*names: str) -> State:
    return {name: tensor for name, tensor in timm_state().items() if name not in names}


def other(name: str, tensor: Tensor) -> State:
    return {**timm_state(), name: tensor}


LAST = "blocks.1.mlp.fc2.bias"  # the one that is read last: all before it fits
WRONG: dict[str, tuple[State, dict[str, Any], str]] = {
    "no ViT": (
        {"conv1.weight": torch.ones(2), "layers.0.weight": torch.ones(2)},
        {},
        "{file} holds no ViT by the names of timm or transformers. It should have one patch_embed.proj.weight, or "
        "embeddings.patch_embeddings.projection.weight. It has: conv1, layers.*.",
    ),
    "two ViTs": (
        {f"{name}.patch_embed.proj.weight": torch.ones(2) for name in ("one", "two")},
        {},
        "{file} holds no ViT by the names of timm or transformers. It should have one patch_embed.proj.weight, or "
        "embeddings.patch_embeddings.projection.weight. It has: one.patch_embed.proj, two.patch_embed.proj.",
    ),
    "another width": (
        timm_state(width=24),
        {},
        "{file}: patch_embed.proj.weight is [24, 3, 16, 16], and this network takes [16, 3, 16, 16]. "
        "Set model.width = 24, or take a file of 16.",
    ),
    "another patch": (
        other("patch_embed.proj.weight", torch.ones(16, 3, 14, 14)),
        {},
        "{file}: patch_embed.proj.weight is [16, 3, 14, 14], and this network takes [16, 3, 16, 16]. "
        "Set stem.patches.size = (14, 14).",
    ),
    "one channel": (
        timm_state(colours=1),
        {},
        "{file}: patch_embed.proj.weight is [16, 1, 16, 16]: it has one channel. "
        "Set train.init = @weights.ast() for it.",
    ),
    "a projection of one axis": (
        other("patch_embed.proj.weight", torch.ones(16)),
        {},
        "{file}: patch_embed.proj.weight is [16], and this network takes [16, 3, 16, 16]. Take a file of a ViT.",
    ),
    "no bias": (
        without("patch_embed.proj.bias"),
        {},
        "{file} lacks patches.bias, which it should have beside the others. Take a whole file.",
    ),
    "no blocks": (
        {name: tensor for name, tensor in timm_state().items() if "blocks" not in name},
        {},
        "{file} holds no feed-forward of blocks. Set weights.deit.channel = False.",
    ),
    "a block cut short": (
        without(LAST),
        {},
        "{file} lacks contract.bias of block 1, which it should have beside the others. Take a whole file.",
    ),
    "other hidden units": (
        {**other("blocks.1.mlp.fc1.weight", torch.ones(48, 16)), "blocks.1.mlp.fc1.bias": torch.ones(48)},
        {},
        "{file}: blocks.1.mlp.fc1.weight is [48, 16], and this network takes [64, 16]. "
        "Set operator.roll_time.hidden = 48, or weights.deit.channel = False.",
    ),
    "positions of no square": (
        timm_state(grid=(4, 5)),
        {"position": True},
        "{file}: pos_embed has 20 positions beside 2 class tokens, which is not a square. "
        "Take a file without register tokens, or weights.deit.position = False.",
    ),
    "no positions": (
        without("pos_embed"),
        {"position": True},
        "{file} holds no positional embedding. Set weights.deit.position = False.",
    ),
    "not finite": (
        other(LAST, torch.full((16,), torch.nan)),
        {},
        "{file}: blocks.1.mlp.fc2.bias holds numbers that are not finite.",
    ),
    "too large for float32": (
        other(LAST, torch.full((16,), 1e300, dtype=torch.float64)),
        {},
        "{file}: blocks.1.mlp.fc2.bias holds numbers that are not finite.",
    ),
    "whole numbers": (
        other(LAST, torch.ones(16, dtype=torch.int32)),
        {},
        "{file}: blocks.1.mlp.fc2.bias is torch.int32, not dense numbers of 16, 32 or 64 bits.",
    ),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_files_that_do_not_fit(tmp_path: Path, case: str, suffix: str) -> None:
    state, settings, message = WRONG[case]
    file = tmp_path / f"weights.{suffix}"
    save_file(state, file) if suffix == "safetensors" else torch.save(state, file)
    lines = ("model.positional = 'whole'",) if settings else ()
    error = refused(file, network("mlp_mixer" if settings else "asm_rh", *lines), **settings)
    assert str(error) == message.format(file=file)


def test_networks_without_a_place(tmp_path: Path) -> None:
    file = tmp_path / "deit.safetensors"
    save_file(timm_state(), file)
    bare = network("asm_rh", "block.branches = [@operator.token()]")
    assert str(refused(file, bare)) == (
        "weights.deit.channel is True, but the network has no channel or roll_time. Set weights.deit.channel = False."
    )
    small = mixkit.build(mixkit.load_recipe("asm_rh", settings=["model.width = 16", "model.depth = 2"]), classes=3)
    assert str(refused(file, small.mixer)) == (
        "model.stem has no linear patches, in whose place weights.deit begins. "
        "Set model.stem = @stem.patches(), or lay its form over the recipe: --with stem/patches."
    )
    assert str(refused(file, position=True)) == (
        "weights.deit.position is True, but the network has no positional embedding. "
        "Set model.positional = 'whole', or weights.deit.position = False."
    )
    assert str(refused(file, kind="ast")) == (
        f"{file}: patch_embed.proj.weight is [16, 3, 16, 16]: it has three colours. "
        "Set train.init = @weights.deit() for it."
    )
    file = tmp_path / "ast.safetensors"
    save_file(timm_state(colours=1, grid=(6, 5)), file)
    grid = network("mlp_mixer", "model.positional = 'whole'")
    assert str(refused(file, grid, kind="ast", position=True)) == (
        f"{file}: pos_embed has 30 positions beside 2 class tokens, which is not a grid of 12 rows. "
        "Set weights.ast.rows, or weights.ast.position = False."
    )
    taken = weights.build(weights.spec("ast", path=str(file), position=True, rows=6), grid)
    assert taken.resized == ("positions 6 x 5 to 12 x 19 (frequency x time)",)


class Evil:
    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.mark}",))


def legacy(file: Path, mark: Path) -> None:
    torch.save(timm_state(), file, _use_new_zipfile_serialization=False)


def code_in_zip(file: Path, mark: Path) -> None:
    torch.save({**timm_state(), "evil": Evil(mark)}, file)


def bare_pickle(file: Path, mark: Path) -> None:
    file.write_bytes(pickle.dumps(Evil(mark)))


def cut(file: Path, mark: Path) -> None:
    torch.save(timm_state(), file)
    file.write_bytes(file.read_bytes()[:-4000])


def unfolding(file: Path, mark: Path) -> None:
    torch.save(timm_state(), mark.with_suffix(".pth"))
    with zipfile.ZipFile(mark.with_suffix(".pth")) as before, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as now:
        for name in before.namelist():
            now.writestr(name, before.read(name))


def no_tensors(file: Path, mark: Path) -> None:
    torch.save({"epoch": 3}, file)


def a_list(file: Path, mark: Path) -> None:
    torch.save([torch.ones(2)], file)


def repeated(file: Path, mark: Path) -> None:
    """Four bytes that say they are a million positions."""
    torch.save({**timm_state(), "pos_embed": torch.ones(1, 1, 1).expand(1, 2**20 + 2, 16)}, file)


def header_of_a_terabyte(file: Path, mark: Path) -> None:
    file.write_bytes(struct.pack("<Q", 2**40) + b"{}")


def short_safetensors(file: Path, mark: Path) -> None:
    save_file(timm_state(), file)
    file.write_bytes(file.read_bytes()[:-100])


def text(file: Path, mark: Path) -> None:
    file.write_text("<html>404</html>")


def empty(file: Path, mark: Path) -> None:
    file.write_bytes(b"")


HOSTILE: dict[Callable[[Path, Path], None], str] = {
    legacy: "{file} is in the format that torch wrote before version 1.6, which can run code. "
    "Load it where you trust it, and save it anew with safetensors.torch.save_file(state, PATH).",
    bare_pickle: "{file} is in the format that torch wrote before version 1.6, which can run code. "
    "Load it where you trust it, and save it anew with safetensors.torch.save_file(state, PATH).",
    code_in_zip: "{file} names posix.system. It is no file of weights that mixkit can take.",
    cut: "{file} is not in the zip format of torch. It is no file of weights that mixkit can take.",
    unfolding: "{file} has a compressed entry 'mark/data.pkl'. It is no file of weights that mixkit can take.",
    no_tensors: "{file} holds no tensors by name. Save model.state_dict().",
    a_list: "{file} holds no tensors by name. Save model.state_dict().",
    repeated: "{file}: pos_embed has fewer numbers than its shape [1, 1048578, 16] says.",
    text: "{file} is neither safetensors nor a state dict of torch.save.",
    empty: "{file} is neither safetensors nor a state dict of torch.save.",
}


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_hostile_files(tmp_path: Path, make: Callable[[Path, Path], None]) -> None:
    file, mark = tmp_path / "archive.pth", tmp_path / "mark"
    make(file, mark)
    error = refused(file, network("mlp_mixer", "model.positional = 'whole'"), position=True)
    assert isinstance(error, DamagedError)
    assert str(error) == HOSTILE[make].format(file=file)
    assert not mark.exists()


@pytest.mark.parametrize("make", [header_of_a_terabyte, short_safetensors], ids=lambda make: make.__name__)
def test_damaged_safetensors(tmp_path: Path, make: Callable[[Path, Path], None]) -> None:
    make(tmp_path / "weights", tmp_path / "mark")
    error = refused(tmp_path / "weights")
    assert isinstance(error, DamagedError)
    assert str(error).startswith(f"{tmp_path / 'weights'} cannot be read as safetensors: ")


def test_the_controls_would_fire(tmp_path: Path) -> None:
    code_in_zip(tmp_path / "a.pth", tmp_path / "mark")
    torch.load(tmp_path / "a.pth", weights_only=False)
    assert (tmp_path / "mark").exists()


def test_names_of_a_file_are_safe_to_print_and_few(tmp_path: Path) -> None:
    state = timm_state() | {f"x{number}\x1b[31m.weight": torch.ones(1) for number in range(40)}
    file = tmp_path / "many.pth"
    torch.save(state | {"y" * 5000: torch.ones(1)}, file)
    start = weights.build(weights.spec("deit", path=str(file)), network())
    assert len(start.left) == 13
    assert str(start).isprintable()
    assert len(str(start)) < 1200
