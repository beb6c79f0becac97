"""Every check can fail: for each, operators that are broken in one way, and the whole message."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from mixkit import conformance
from mixkit.conformance import ConformanceError, checks
from mixkit.registry import Spec, operator
from tests import broken_operators as broken


@pytest.fixture(autouse=True)
def _nothing_stays_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    operator.names()
    monkeypatch.setattr(operator, "_entries", dict(operator._entries))


def registered(target: type[nn.Module], mixes: Any = frozenset({"channel"})) -> Spec:
    operator("broken", mixes=mixes)(target)
    return operator.spec("broken")


SQUARE = "broken (6 x 6 tokens, width 16, layer 2): "
CHANNEL = frozenset({"channel"})
CUDA = "fails on a CUDA device (create tensors on x.device, and decide nothing by their values): "

# Check, operator, what it declares, and the message; where it ends in "...", torch goes on in its own words.
BROKEN: list[tuple[Callable[[Spec], None], type[nn.Module], Any, str]] = [
    (
        conformance.check_stands,
        broken.StandsNowhere,
        CHANNEL,
        "broken refuses every site that it was tried on.\n"
        "  6 x 6 tokens, width 16, layer 2: heads is 7, which does not divide a width of 16. Use a divisor.\n"
        "  3 x 5 tokens, width 15, layer 0: heads is 7, which does not divide a width of 15. Use a divisor.\n"
        "  1 x 8 tokens, width 24, layer 1: heads is 7, which does not divide a width of 24. Use a divisor.\n"
        "  3 x 5 tokens, 1 prefix token, width 16, layer 1: "
        "heads is 7, which does not divide a width of 16. Use a divisor.",
    ),
    (
        conformance.check_stands,
        broken.BreaksWhereItCannotStand,
        CHANNEL,
        f"{SQUARE}cannot be built: RuntimeError: ...",
    ),
    (
        conformance.check_shape,
        broken.BreaksInForward,
        CHANNEL,
        "broken (3 x 5 tokens, width 15, layer 0): fails in forward: RuntimeError: ...",
    ),
    (
        conformance.check_shape,
        broken.DropsTokens,
        CHANNEL,
        f"{SQUARE}[3, 36, 16] torch.float32 came out as [3, 16] torch.float32. Return the shape and type of the input.",
    ),
    (
        conformance.check_shape,
        broken.KeepsFloat32,
        CHANNEL,
        f"{SQUARE}[3, 36, 16] torch.float64 came out as [3, 36, 16] torch.float32. "
        "Return the shape and type of the input.",
    ),
    (
        conformance.check_input,
        broken.WritesIntoItsInput,
        CHANNEL,
        f"{SQUARE}the input was changed in place. Work on a new tensor.",
    ),
    (
        conformance.check_batch,
        broken.MixesTheBatch,
        CHANNEL,
        f"{SQUARE}a clip comes out otherwise in a batch than alone. Leave the first axis alone.",
    ),
    (
        conformance.check_mixing,
        broken.MovesTokens,
        {"channel", "time"},
        "broken (6 x 6 tokens, width 16, layer 0): values move along frequency. "
        "Add 'frequency' to mixes in the decorator.",
    ),
    (
        conformance.check_mixing,
        broken.Sound,
        {"channel", "time"},
        "broken: nothing moves along time. Take 'time' out of mixes in the decorator.",
    ),
    (
        conformance.check_mixing,
        broken.Gains,
        lambda params: CHANNEL,
        "broken: nothing moves along channel. Take 'channel' out of mixes in the decorator.",
    ),
    (
        conformance.check_mixing,
        broken.Sound,
        {"chanel"},
        "operator 'broken' mixes 'chanel', which is no axis. Did you mean 'channel'? Known: channel, frequency, time.",
    ),
    (
        conformance.check_mixing,
        broken.Sound,
        "channel",
        "operator 'broken' says mixes='channel'. Write a set: mixes={'channel'}.",
    ),
    (
        conformance.check_gradient,
        broken.Detaches,
        CHANNEL,
        f"{SQUARE}no gradient passes through. Do not detach the output.",
    ),
    (
        conformance.check_gradient,
        broken.IgnoresItsInput,
        CHANNEL,
        f"{SQUARE}the input gets no gradient. Use it.",
    ),
    (
        conformance.check_gradient,
        broken.HasADeadParameter,
        CHANNEL,
        "broken: parameter gain gets no gradient. Use it in forward, or leave it out.",
    ),
    (
        conformance.check_gradient,
        broken.DividesByZero,
        CHANNEL,
        f"{SQUARE}the gradient of the input is not finite. Guard divisions, logarithms and roots.",
    ),
    (
        conformance.check_repeats,
        broken.DrawsInEvaluation,
        CHANNEL,
        f"{SQUARE}the same input comes out otherwise the second time in evaluation. Draw nothing there.",
    ),
    (
        conformance.check_repeats,
        broken.DrawsInTraining,
        CHANNEL,
        f"{SQUARE}the same input comes out otherwise the second time in training, "
        "where no setting is a probability above 0. Draw nothing there.",
    ),
    (
        conformance.check_autocast,
        broken.NeedsManyDigits,
        CHANNEL,
        f"{SQUARE}bf16 autocast is ...",
    ),
    (
        conformance.check_device,
        broken.HidesATensor,
        CHANNEL,
        f"{SQUARE}self.signs is a tensor that would stay on the CPU. Use register_buffer.",
    ),
    (conformance.check_device, broken.MakesATensor, CHANNEL, f"{SQUARE}{CUDA}FakeTensorDeviceMismatchError: ..."),
    (conformance.check_device, broken.AsksForValues, CHANNEL, f"{SQUARE}{CUDA}DataDependentOutputException: ..."),
    (
        conformance.check_device,
        broken.ComesBackToTheCPU,
        CHANNEL,
        f"{SQUARE}a batch on cuda:0 came out on cpu. Keep it on x.device.",
    ),
    (
        conformance.check_state_dict,
        broken.ForgetsATensor,
        CHANNEL,
        f"{SQUARE}it does otherwise after load_state_dict. Make every tensor a parameter or a buffer.",
    ),
    (
        conformance.check_pickle,
        broken.HoldsALambda,
        CHANNEL,
        f"{SQUARE}cannot be pickled: AttributeError: ...",
    ),
    (
        conformance.check_compile,
        broken.AsksForValues,
        CHANNEL,
        f"{SQUARE}torch.compile(fullgraph=True) does not take it whole: Unsupported: ...",
    ),
    (
        conformance.check_export,
        broken.KnowsTheBatch,
        CHANNEL,
        f"{SQUARE}torch.export does not take it for every size of batch: UserError: ...",
    ),
]


@pytest.mark.parametrize(("check", "target", "mixes", "message"), BROKEN)
def test_a_broken_operator_is_told_what_is_wrong(
    check: Callable[[Spec], None], target: type[nn.Module], mixes: Any, message: str
) -> None:
    spec = registered(target, mixes)
    with pytest.raises(ConformanceError) as caught:
        check(spec)
    said = str(caught.value)
    assert said.startswith(message[:-3]) if message.endswith("...") else said == message


def test_every_check_is_seen_to_fail() -> None:
    assert {check for check, *_ in BROKEN} == set(checks())


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.__name__)
@pytest.mark.parametrize("target", [broken.Sound, broken.DropsWhenAsked])
def test_a_sound_operator_passes(check: Callable[[Spec], None], target: type[nn.Module]) -> None:
    check(registered(target))


def test_checks_leave_the_random_numbers_alone() -> None:
    spec = registered(broken.Sound)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    for check in checks():
        check(spec)
    assert torch.equal(torch.rand(3), expected)
