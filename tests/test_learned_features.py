"""Features that learn: PCEN whose four numbers are trained for each band, with the network behind it."""

import copy
import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import mixkit
from mixkit.audio.features import Pcen
from mixkit.audio.features.pcen import recent_mean
from mixkit.conformance import checks
from mixkit.errors import SettingError
from mixkit.export.onnx import onnx_program, onnx_runner
from mixkit.export.package import Whole
from mixkit.registry import features
from mixkit.training.step import Step
from tests.conftest import Said
from tests.test_engine import batch, step_of

LEARNED = ("recipe.features = @features.pcen()", "features.pcen.learned = True")
NAMES = ("smoothing", "gain", "bias", "exponent")


def learned(**settings: float) -> Pcen:
    """With other numbers in each band."""
    torch.manual_seed(0)
    pcen = Pcen(16_000, 0.5, bins=6, learned=True, **settings)  # type: ignore[arg-type]
    for parameter in pcen.parameters():
        torch.nn.init.normal_(parameter.data, mean=-1.0, std=0.5)
    return pcen


def noise() -> Tensor:
    return 0.1 * torch.randn(1, 8000, generator=torch.Generator().manual_seed(0)) * torch.linspace(0, 1, 8000)


def test_it_starts_as_the_fixed_one() -> None:
    fixed, own = Pcen(16_000, 0.5), Pcen(16_000, 0.5, learned=True)
    torch.testing.assert_close(own(noise()), fixed(noise()), rtol=1e-5, atol=1e-5)
    assert [name for name, _ in fixed.named_parameters()] == []
    assert {name: tuple(w.shape) for name, w in own.named_parameters()} == {f"learned.{name}": (128,) for name in NAMES}


def test_every_band_by_the_equations() -> None:
    pcen = learned()
    smoothing = pcen.learned["smoothing"].double().sigmoid()
    gain, bias, exponent = (pcen.learned[name].double().exp() for name in NAMES[1:])
    power = pcen.power(noise())[0].double()
    recent, expected = power[:, 0], torch.empty_like(power)
    for frame in range(pcen.frames):
        recent = (1 - smoothing) * recent + smoothing * power[:, frame]
        expected[:, frame] = (power[:, frame] / (1e-6 + recent) ** gain + bias) ** exponent - bias**exponent
    torch.testing.assert_close(pcen.values(pcen.power(noise()))[0].double(), expected, rtol=1e-4, atol=1e-4)


def test_the_mean_has_the_gradient_of_its_share() -> None:
    x = torch.rand(2, 3, 9, dtype=torch.float64, requires_grad=True)
    share = torch.tensor([[0.1], [0.5], [0.9]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(recent_mean, (x, share))


def test_it_holds_what_features_have_to() -> None:
    for check in checks("features"):
        check(features.spec("pcen", learned=True, bins=32))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bias": 0.0}, "bias is 0, from where nothing is learned. Set it to 1e-06 or more"),
        ({"gain": 0.0}, "gain is 0, from where nothing is learned. Set it to 1e-06 or more"),
        ({"smoothing": 1.0}, "smoothing is 1, from where nothing is learned. Set it from 1e-06 to 0.999999"),
    ],
)
def test_numbers_from_where_nothing_is_learned(settings: dict[str, float], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        features.build(features.spec("pcen", learned=True, **settings), 16_000, 1.0)
    assert str(caught.value) == f"features.pcen.{message}, or learned = False."


@pytest.mark.parametrize("augmented", ["", "spec_augment", "time_roll", "cutmix", "freq_mixstyle", "warp", "mixup"])
def test_a_batch_in_parts_is_the_same_step(augmented: str) -> None:
    """The features are gone through backward once, with what all parts give; whatever stands between them and it."""
    lines = (
        *LEARNED,
        "task.augmentations = []",
        f"train.augmentations = [{f'@augmentation.{augmented}()' if augmented else ''}]",
    )
    gradients = []
    for parts in (1, 3):
        step = step_of(*lines, f"train.accumulation = {parts}")
        before = {name: weight.detach().clone() for name, weight in step.model.features.named_parameters()}
        step(batch(7), 1)
        moved = dict(step.model.features.named_parameters())
        assert all(not torch.equal(weight, moved[name]) for name, weight in before.items())
        gradients.append([weight.grad for weight in step.learned_features])
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-6)


def test_the_gradient_is_that_of_the_whole() -> None:
    """The control: of the classifier as one network, without the engine around it."""
    step = step_of(*LEARNED, "task.augmentations = []", "train.gradient_clip = None")
    one = batch()
    model = step.model.train()
    torch.manual_seed(0)
    step.objective(model(one.waveform), one.target).backward()
    wanted = [weight.grad.clone() for weight in step.learned_features if weight.grad is not None]
    torch.manual_seed(0)
    step(one, 1)
    torch.testing.assert_close([weight.grad for weight in step.learned_features], wanted, rtol=1e-4, atol=1e-7)
    assert len(wanted) == 4


def test_features_that_do_not_learn_have_no_graph() -> None:
    step = step_of("recipe.features = @features.pcen()")
    spectrogram, _ = step.augmented(batch())
    assert not spectrogram.requires_grad
    assert step.learned_features == []


def test_their_average_is_kept_too() -> None:
    step = step_of(*LEARNED, "train.average = 0.5", "train.learning_rate = 0.01")
    expected: dict[str, Tensor] = {}
    for count in range(4):
        step(batch(), 1)
        now = {name: weight.detach().clone() for name, weight in step.model.named_parameters()}
        kept = min(0.5, (1 + count) / (10 + count))
        expected = {name: kept * expected[name] + (1 - kept) * now[name] if expected else now[name] for name in now}
    found = dict(step.evaluated_model.named_parameters())
    assert found.keys() == expected.keys()
    for name, wanted in expected.items():
        torch.testing.assert_close(found[name].detach(), wanted, rtol=1e-5, atol=1e-7)
    again = step_of(*LEARNED, "train.average = 0.5", "train.learning_rate = 0.01")
    again.go_on(copy.deepcopy(step.state()))
    both: list[Step] = [step, again]
    losses = [one(batch(), 1).loss for one in both]
    assert torch.equal(*losses)
    averages = [one.evaluated_model.state_dict() for one in both]
    assert all(torch.equal(averages[0][name], averages[1][name]) for name in averages[0])


def test_they_are_exported_and_counted(mixkit_command: Callable[..., Said]) -> None:
    lines = ("model.width = 16", "model.depth = 1", "task.demo.seconds = 0.5", *LEARNED)
    model = mixkit.build(mixkit.load_recipe("mlp_mixer", settings=lines), classes=3).eval()
    for parameter in model.features.parameters():  # type: ignore[attr-defined]
        parameter.data += 0.1 * torch.randn_like(parameter)
    sounds = 0.1 * torch.randn(3, model.features.samples, generator=torch.Generator().manual_seed(0))
    whole = Whole(model)
    run = onnx_runner(onnx_program(whole, torch.zeros_like(sounds[:2]), {}))
    with torch.no_grad():
        assert float((run(sounds) - whole(sounds)).abs().max()) <= 1e-5
    words = [word for line in lines for word in ("--set", line)]
    rows = json.loads(mixkit_command("show", "mlp_mixer", *words, "--json").out)["operators"]
    assert rows[0] == {"name": "features", "shape": [128, 48], "parameters": 512, "flops": 0}
