"""The defaults of torch that a program can change: mixkit computes the same whatever they are, and leaves them so."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

import mixkit
import mixkit.hear
from mixkit.defaults import float32_default
from tests.conftest import Said

SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, 22_050).astype(np.float32)
DTYPES = [torch.float64, torch.bfloat16]


@contextmanager
def defaults(dtype: torch.dtype, device: str = "cpu") -> Iterator[None]:
    """Other defaults; `meta` stands for a GPU, for what is made there by mistake shows at once."""
    torch.set_default_dtype(dtype)
    torch.set_default_device(None if device == "cpu" else device)
    try:
        yield
        assert (torch.get_default_dtype(), torch.get_default_device()) == (dtype, torch.device(device))
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


def test_defaults_reach_what_is_made_without_a_guard() -> None:
    """The control."""
    site = mixkit.Site(mixkit.Grid(4, 4), 16, 0, 1)
    with defaults(torch.float64, "meta"):
        made = next(mixkit.operator.build(mixkit.operator.spec("channel"), site).parameters())
    assert (made.dtype, made.device.type) == (torch.float64, "meta")


def test_a_training_ends_with_the_same_bits(small_run: Path, tmp_path: Path) -> None:
    recipe = mixkit.load(small_run).recipe
    with defaults(torch.float64, "meta"):
        run = mixkit.train(recipe, tmp_path)
    found, wanted = (load_file(folder / "best.safetensors") for folder in (run.folder, small_run))
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_network_is_built_of_float32(small_run: Path, dtype: torch.dtype) -> None:
    recipe = mixkit.load(small_run).recipe
    wanted = mixkit.build(recipe, 3).state_dict()
    with defaults(dtype):
        found = mixkit.build(recipe, 3).state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_run_is_loaded_and_answers_as_always(small_run: Path, dtype: torch.dtype, device: str) -> None:
    model = mixkit.load(small_run)
    wanted, vector = model.predict(SOUND, 22_050), model.embed(SOUND, 22_050)
    hearer = mixkit.hear.load_model(str(small_run))
    moments = mixkit.hear.get_timestamp_embeddings(torch.from_numpy(SOUND)[None], hearer)
    with defaults(dtype, device):
        model = mixkit.load(small_run)
        found = model.predict(SOUND.tolist(), 22_050)
        assert torch.equal(found.probabilities, wanted.probabilities)
        assert torch.equal(model.embed(SOUND, 22_050), vector)
        sound = torch.from_numpy(SOUND)
        again = mixkit.hear.get_timestamp_embeddings(sound[None], mixkit.hear.load_model(str(small_run)))
        assert all(torch.equal(one, other) for one, other in zip(again, moments, strict=True))


@pytest.mark.usefixtures("without_plugins")
def test_a_plugin_that_changes_them_changes_nothing(
    small_run: Path, tmp_path: Path, mixkit_command: Callable[..., Said]
) -> None:
    plugin = tmp_path / "changes.py"
    plugin.write_text("import torch\ntorch.set_default_dtype(torch.float64)\ntorch.set_default_device('meta')\n")
    path = tmp_path / "x.wav"
    soundfile.write(path, SOUND, 22_050)
    plain = mixkit_command("predict", small_run, path, "--json")
    assert mixkit_command("predict", small_run, path, "--json", "--plugin", plugin) == plain
    assert plain.code == 0
    assert (torch.get_default_dtype(), torch.get_default_device().type) == (torch.float32, "cpu")


def test_threads_that_overlap_leave_the_default_as_it_was() -> None:
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()
    seen = []

    def first() -> None:
        with float32_default():
            first_in.set()
            second_in.wait(10)
        first_out.set()

    def second() -> None:
        first_in.wait(10)
        with float32_default():
            second_in.set()
            first_out.wait(10)
            seen.append(torch.get_default_dtype())

    with defaults(torch.float64):
        threads = [threading.Thread(target=one) for one in (first, second)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert seen == [torch.float32]
