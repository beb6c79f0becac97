"""Sections of a recipe check themselves, in Python as in gin."""

import pytest

from mixkit.errors import SettingError
from mixkit.recipe.schema import Block, Branch, Model, Recipe, Stage
from mixkit.recipe.train import Train
from mixkit.registry import Spec, downsample, stem

CHANNEL = Spec("operator", "channel")
TASK = Spec("task", "demo")


def test_an_operator_alone_and_a_row_of_them_are_branches() -> None:
    block = Block([CHANNEL, [CHANNEL, CHANNEL]])  # type: ignore[arg-type]
    assert block.branches == (Branch((CHANNEL,)), Branch((CHANNEL, CHANNEL)))
    assert hash(block) == hash(Block((Branch((CHANNEL,)), Branch((CHANNEL, CHANNEL)))))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Train(epochs=-1), "train.epochs is -1. It takes an int, at least 1 or None."),
        (lambda: Train(gradient_clip=0), "train.gradient_clip is 0. It takes a float, above 0 or None."),
        (
            lambda: Train(best="clips"),
            "train.best is 'clips', which is no figure to choose by. Known: accuracy, auc, f1, loss, map, recall. "
            "A metric has to stand in train.metrics, too.",
        ),
        (
            lambda: Train(loss=Spec("optimizer", "adam")),
            "train.loss is the optimizer 'adam'. It takes a loss, such as @loss.NAME().",
        ),
        (lambda: Train(loss="evil:go"), "train.loss is 'evil:go' (a str). It takes a reference, written @KIND.NAME()."),
        (lambda: Branch(()), "branch.operators is empty. Name at least one operator."),
        (lambda: Branch((TASK,)), "branch.operators holds the task 'demo'. It takes operators."),
        (
            lambda: Block((Branch((CHANNEL,)),), drop_path=1.0),
            "block.drop_path is 1.0. It takes a float, at least 0 and below 1.",
        ),
        (
            lambda: Model((Block((CHANNEL,)),), pool=Spec("head", "linear")),
            "model.pool is the head 'linear'. It takes a pool, such as @pool.NAME().",
        ),
        (lambda: Model(()), "model.pattern is empty. Name at least one block."),
        (
            lambda: stem.spec("patches", size=(16,)),
            "stem.patches.size is (16,) (1 of them). It takes a list of 2: an int, at least 1 and at most 1000000; an "
            "int, at least 1 and at most 1000000.",
        ),
        (
            lambda: Model(stages=(Stage((Block((CHANNEL,)),), width=8), Stage((Block((CHANNEL,)),), width=16))),
            "model.stages has a stage 2 of width 16 behind one of 8, and no way there. Set its stage.downsample = "
            "@downsample.convolution().",
        ),
        (
            lambda: Model(stages=(Stage((Block((CHANNEL,)),), downsample=downsample.spec("max_pool")),)),
            "model.stages begins with a stage with a downsample. Set the stem's stride instead.",
        ),
        (
            lambda: Model((Block((CHANNEL,)),), stages=(Stage((Block((CHANNEL,)),)),)),
            "model.pattern stands beside model.stages, which have patterns. Leave one of them out.",
        ),
        (
            lambda: Model(
                stages=(
                    Stage((Block((CHANNEL,)),)),
                    Stage((Block((CHANNEL,)),), downsample=downsample.spec("max_pool")),
                ),
                prefix=2,
            ),
            "model.prefix is 2, and stages with a downsample have no place for prefix tokens. Set it to 0.",
        ),
        (
            lambda: Recipe(Model((Block((CHANNEL,)),)), Train(), CHANNEL),
            "recipe.task is the operator 'channel'. It takes a task, such as @task.NAME().",
        ),
    ],
)
def test_wrong_values_are_named(make, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SettingError) as caught:
        make()
    assert str(caught.value) == message
