"""Losses, schedules, optimizers, figures and the order of clips: each against its definition."""

import math

import pytest
import torch

from mixkit.data.batches import Order, class_weights
from mixkit.errors import MixkitError
from mixkit.recipe.figures import standard
from mixkit.registry import loss, optimizer, schedule
from mixkit.training.device import choose_device
from mixkit.training.figures import figures
from mixkit.training.precision import precision_of

LABELS = ("a", "b", "c")


def test_step_decay_is_the_papers() -> None:
    rate = schedule.build(schedule.spec("step_decay"), 30 * 4, 4)
    assert [rate(4 * epoch) for epoch in range(9)] == pytest.approx([1.0] * 6 + [0.85, 0.85**2, 0.85**3])
    assert [rate(23), rate(24), rate(27)] == pytest.approx([1.0, 0.85, 0.85])
    assert 2.5e-4 * rate(4 * 25) == pytest.approx(2.5e-4 * 0.85**20)


def test_cosine_rises_and_falls() -> None:
    rate = schedule.build(schedule.spec("cosine", warmup_epochs=2.0, floor=0.1), 50, 5)
    assert rate(0) == pytest.approx(0.1)
    assert rate(5) == pytest.approx(0.55)
    assert rate(10) == pytest.approx(1.0)
    assert rate(30) == pytest.approx(0.55)
    assert rate(50) == pytest.approx(0.1)
    one = schedule.build(schedule.spec("cosine"), 100, 100)
    assert one(50) == pytest.approx(1.0)
    assert 0 < one(99) < 0.1


def test_a_schedule_goes_by_the_share_of_the_run() -> None:
    """A warmup in updates takes the place of one in epochs; beside that, the length of an epoch is nothing to it."""
    short, long = (schedule.build(schedule.spec("cosine", warmup_steps=n), 10 * n, 7) for n in (3, 30))
    assert [short(step) for step in range(31)] == pytest.approx([long(10 * step) for step in range(31)])
    assert short(3) == 1.0
    by_epochs = schedule.build(schedule.spec("cosine"), 30, 7)
    assert by_epochs(3) < by_epochs(7) == 1.0
    assert schedule.build(schedule.spec("cosine", warmup_steps=1_000), 30, 7)(15) == 1.0, "half of the run at most"
    assert schedule.build(schedule.spec("cosine", warmup_steps=0), 30, 7)(0) == 1.0


def test_cross_entropy_by_hand() -> None:
    logits, target = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([[0.75, 0.25, 0.0]])
    log_share = logits.log_softmax(-1)[0]
    plain = loss.build(loss.spec("cross_entropy"), None)
    assert plain(logits, target).item() == pytest.approx(-(0.75 * log_share[0] + 0.25 * log_share[1]).item())
    smooth = loss.build(loss.spec("cross_entropy", label_smoothing=0.3), None)
    softened = 0.7 * target[0] + 0.1
    assert smooth(logits, target).item() == pytest.approx(-(softened * log_share).sum().item(), rel=1e-6)
    assert plain.scores(logits).sum().item() == pytest.approx(1.0)


def test_bce_by_hand() -> None:
    logits, target = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    plain = loss.build(loss.spec("bce"), None)
    expected = (math.log(1 + math.exp(-2.0)) + math.log(2.0)) / 2
    assert plain(logits, target).item() == pytest.approx(expected)
    smooth = loss.build(loss.spec("bce", label_smoothing=0.2), None)
    by_hand = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.tensor([[0.9, 0.1]]))
    assert smooth(logits, target).item() == pytest.approx(by_hand.item())
    assert plain.scores(logits)[0].tolist() == pytest.approx([1 / (1 + math.exp(-2.0)), 0.5])


def test_class_weights_lift_the_rare() -> None:
    weights = class_weights(torch.tensor([[1.0, 0], [1, 0], [1, 0], [0, 1]]))
    assert weights.tolist() == pytest.approx([4 / 6, 2.0])
    weighted = loss.build(loss.spec("cross_entropy"), weights)
    logits, target = torch.zeros(2, 2), torch.eye(2)
    assert weighted(logits, target).item() == pytest.approx(math.log(2) * weights.mean().item(), rel=1e-6)


def test_adam_is_the_papers_and_adamw_spares_the_vectors() -> None:
    layer = torch.nn.Linear(3, 2)
    adam = optimizer.build(optimizer.spec("adam"), layer.parameters(), 2.5e-4)
    assert isinstance(adam, torch.optim.Adam)
    assert {k: adam.defaults[k] for k in ("lr", "betas", "weight_decay")} == {
        "lr": 2.5e-4,
        "betas": (0.95, 0.999),
        "weight_decay": 5e-7,
    }
    adamw = optimizer.build(optimizer.spec("adamw", weight_decay=0.1), layer.parameters(), 1e-3)
    decays = {p.ndim: group["weight_decay"] for group in adamw.param_groups for p in group["params"]}
    assert decays == {2: 0.1, 1: 0.0}


def test_figures_by_hand() -> None:
    scores = torch.tensor([[0.9, 0.05, 0.05], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7]])
    found = figures(scores, torch.eye(3)[[0, 1, 1, 2]], 0.5, LABELS)
    assert found.value("accuracy") == pytest.approx(0.75)
    assert found.value("recall") == pytest.approx((1 + 0.5 + 1) / 3)
    assert found.value("f1") == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert found.value("auc") == pytest.approx((1 + 1 + 1) / 3)
    assert found.confusion == ((1, 0, 0), (1, 1, 0), (0, 0, 1))
    assert found.per_class["recall"] == {"a": 1.0, "b": 0.5, "c": 1.0}
    assert found.per_class["map"] == {"a": 1.0, "b": 1.0, "c": 1.0}
    assert (found.value("map"), found.threshold) == (1.0, None)
    assert set(found.headline()) >= {"loss", *standard()}, "whatever train.best may name"


def test_auc_and_map_agree_with_scikit_learn_and_leave_out_absent_classes() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="extra mixkit[parity] is not installed")
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(200, 3, generator=generator)
    scores = scores / scores.sum(1, keepdim=True)
    target = torch.randint(3, (200,), generator=generator)
    expected = metrics.roc_auc_score(target.numpy(), scores.numpy(), multi_class="ovr", average="macro")
    one_hot = torch.eye(3)[target]
    found = figures(scores, one_hot, 0.0, LABELS)
    assert found.value("auc") == pytest.approx(expected, abs=1e-6)
    precision = metrics.average_precision_score(one_hot.numpy(), scores.numpy(), average="macro")
    assert found.value("map") == pytest.approx(precision, abs=1e-6)
    two = figures(scores, torch.eye(3)[target.clamp(max=1)], 0.0, LABELS)
    by_hand = [metrics.roc_auc_score((target.clamp(max=1) == k).numpy(), scores[:, k].numpy()) for k in (0, 1)]
    assert two.value("auc") == pytest.approx(sum(by_hand) / 2, abs=1e-6)
    assert list(two.per_class["recall"]) == ["a", "b"]
    one = figures(scores, torch.eye(3)[torch.zeros(200, dtype=torch.long)], 0.0, LABELS)
    assert (one.value("auc"), one.value("map"), one.per_class["map"]) == (None, None, {})


def test_order_is_keyed_by_seed_and_epoch() -> None:
    def items(order: Order, epoch: int) -> list[int]:
        order.epoch = epoch
        return [item for batch in order for _, item in batch]

    order = Order(10, 4, seed=3)
    assert [len(batch) for batch in order] == [4, 4, 2]
    assert len(order) == 3
    assert sorted(items(order, 0)) == list(range(10))
    assert items(order, 1) != items(order, 0) == items(Order(10, 4, seed=3), 0)
    assert items(Order(10, 4, seed=4), 0) != items(order, 0)
    assert items(Order(10, 4), 5) == list(range(10))
    weights = torch.tensor([0.0] * 9 + [1.0])
    assert items(Order(10, 4, 0, weights), 0) == [9] * 10


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cuda:99", "--device cuda:99 was asked for, and torch sees "),
        ("tpu", "--device 'tpu' is no device. Use auto, cpu, cuda, cuda:N or mps."),
        ("meta", "--device 'meta' is no device for mixkit. Use auto, cpu, cuda, cuda:N or mps."),
    ],
)
def test_devices_that_are_not_there(name: str, message: str) -> None:
    with pytest.raises(MixkitError) as caught:
        choose_device(name)
    assert str(caught.value).startswith(message)


def test_precision_is_what_was_asked() -> None:
    cpu = torch.device("cpu")
    assert precision_of("bf16", cpu) == "bf16"
    assert precision_of("float32", cpu) == "float32"
    assert precision_of("auto", cpu) in ("bf16", "float32")
