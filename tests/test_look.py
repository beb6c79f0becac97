"""What `mixkit look` measures is what the operators do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mixkit
from mixkit.errors import MixkitError
from mixkit.explain.influence import Influence, changes, influences
from mixkit.explain.plots import mixing
from mixkit.model.classifier import Classifier

SMALL = ["model.width = 16", "model.depth = 3", "task.demo.seconds = 1.0", "model.stem = @stem.patches()"]
SMALL += ["stem.patches.size = (16, 16)", "stem.patches.stride = (10, 10)"]
SMALL += ["features.log_mel.bins = 128", "features.log_mel.window_ms = 25", "features.log_mel.hop_ms = 10"]


def network(operators: str) -> Classifier:
    return mixkit.build(mixkit.load_recipe("asm_rh", settings=[*SMALL, f"block.branches = [{operators}]"]), 10)


def look(operators: str, token: tuple[int, int] | None = None, layer: int = 0) -> Influence:
    (found,) = influences(network(operators), None, token, [layer])
    return found


def test_token_mixing_hears_all_tokens_and_its_own_channel() -> None:
    found = look("@operator.token()", (2, 3))
    assert found.grid.shape == (12, 9)
    assert (found.grid > 0).all()
    assert found.shares["other channels"] == pytest.approx(0, abs=1e-6)
    assert sum(found.shares[key] for key in ("own token", "other times", "other frequencies")) == pytest.approx(1)
    assert found.shares["other frequencies"] > 0.7


def test_channel_mixing_hears_its_own_token_and_all_channels() -> None:
    found = look("@operator.channel()", (2, 3))
    assert found.grid.nonzero().tolist() == [[2, 3]]
    assert found.shares["own token"] == pytest.approx(1)
    assert (found.channels > 0).all()


def test_hermit_frequency_reads_half_of_the_channels_and_writes_evenly() -> None:
    found = look("@operator.hermit_frequency()")
    assert found.channels.shape == (16, 16)
    assert not found.channels[:, 9:].any()
    assert (found.channels[:, :9] > 0).all()
    assert torch.allclose(found.channels[1], found.channels[15], rtol=1e-4)


def test_a_roll_is_a_permutation_and_layer_0_stays_in_its_token() -> None:
    first = look("@operator.roll()", (2, 3))
    assert first.shares["own token"] == pytest.approx(1)
    assert ((first.channels > 0).sum(1) == 1).all()
    moved = [look("@operator.roll()", (frequency, 4), layer=2).shares["own token"] for frequency in (3, 9)]
    assert min(moved) < 1


def test_how_far_input_tokens_lie() -> None:
    """Along time only for a roll, in no direction for channels, in all of them for tokens."""
    for operators, layer in (("@operator.roll_time()", 2), ("@operator.channel()", 0), ("@operator.token()", 0)):
        found = look(operators, layer=layer)
        assert found.offsets.shape == (2 * 12 - 1, 2 * 9 - 1)
        assert float(found.offsets.sum()) == pytest.approx(1)
        assert float(found.offsets[11, 8]) == pytest.approx(found.shares["own token"])
        in_time = float(found.offsets[11].sum()) - float(found.offsets[11, 8])
        assert in_time == pytest.approx(found.shares["other times"], abs=1e-6)
        offsets = found.offsets.nonzero()
        if operators == "@operator.channel()":
            assert offsets.tolist() == [[11, 8]]
        elif operators == "@operator.token()":
            assert len(offsets) > 300
    rolled = look("@operator.roll_time()", layer=2)
    assert rolled.shares["other times"] > 0.01
    assert rolled.shares["other frequencies"] < rolled.shares["other times"]


def test_the_picture_says_what_it_shows() -> None:
    figure = mixing(list(influences(network("@operator.roll_time()"), None, None, [0, 2])))
    titles = [axes.get_title() for axes in figure.axes]
    found = look("@operator.roll_time()", layer=2)
    assert titles[0:2] == ["layer 0\none token (x) hears", "layer 2\none token (x) hears"]
    assert titles[3] == (
        f"from other times {found.shares['other times']:.0%}, frequencies {found.shares['other frequencies']:.0%}"
    )
    assert titles[5] == f"from other channels {found.shares['other channels']:.0%}"
    assert figure.axes[2].get_xlabel() == "how far in time"


def test_the_derivative_is_that_of_finite_differences() -> None:
    model, spectrogram = network("@operator.hermit_frequency()").double(), torch.randn(1, 128, 100).double()
    taken: list[torch.Tensor] = []
    operator = model.mixer.blocks[1].branches[0].operators[0]
    operator.register_forward_pre_hook(lambda module, given: taken.append(given[0]))
    (found,) = influences(model, spectrogram, (1, 2), [1])
    x, token, other = taken[0][:1], 1 * 9 + 2, 7 * 9 + 5
    slopes = []
    with torch.no_grad():
        for channel in range(16):
            nudged = x.clone()
            nudged[0, other, channel] += 1e-5
            slopes.append(((operator(nudged) - operator(x))[0, token, list(found.outputs)] / 1e-5).abs())
    assert found.grid[7, 5].item() == pytest.approx(torch.stack(slopes).mean().item(), rel=1e-3)


def test_the_change_of_a_branch() -> None:
    model = network("@operator.token(), @operator.channel()").eval()
    spectrograms = torch.randn(3, 128, 100)
    found = changes(model, spectrograms)
    assert [(change.layer, change.name) for change in found] == [
        (layer, name) for layer in range(3) for name in ("token", "channel")
    ]
    with torch.no_grad():
        x = model.mixer.stem(spectrograms)
        after = model.mixer.blocks[0].branches[0](x)
        expected = ((after - x).flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)).mean()
    assert found[0].ratio == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(
    ("token", "layers", "message"),
    [
        ((12, 0), [0], "no token 12,0: the grid has 12 frequencies and 9 times."),
        ((0, 0), [3], "no layer 3: there are 3, counted from 0."),
    ],
)
def test_places_that_are_none(token: tuple[int, int], layers: list[int], message: str) -> None:
    with pytest.raises(MixkitError) as caught:
        list(influences(network("@operator.token()"), None, token, layers))
    assert str(caught.value) == message


def test_the_command(mixkit_command: Callable[..., Any], small_run: Path, tmp_path: Path) -> None:
    said = mixkit_command("look", "asm_rh", *(p for line in SMALL for p in ("--set", line)), "--out", tmp_path / "new")
    assert said.code == 0, said.err
    assert "hermit_frequency: " in said.out
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()}
    assert set(drawn) == {"look_hermit_frequency.png", "look_roll_time.png"}
    assert all(content.startswith(b"\x89PNG") for content in drawn.values())
    said = mixkit_command("look", small_run, "--out", tmp_path / "trained", "--at", "1,2")
    assert said.code == 0, said.err
    assert (tmp_path / "trained" / "look_branches.png").is_file()
    assert mixkit_command("look", small_run, "--at", "middle").err.startswith("error: --at middle is no place")
    assert mixkit_command("look", small_run, "--set", "model.depth = 3").code == 2
