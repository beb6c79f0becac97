"""The refit: once the epoch is chosen, the same training once more, that learns from validation clips as well.

The test split is in neither pass before the end. A refit begins as the run began, with the weights that its seed
gives, and sees the schedule of a whole run, so that it has, where it ends, the learning rate of the epoch that was
chosen. It ends after as many epochs, each of more clips; with `train.steps`, after as many updates.
"""

from collections.abc import Callable
from dataclasses import replace

from mixkit.runs.folder import REFIT, Run
from mixkit.storage.atomic import writing
from mixkit.training.budget import Budget, fixed
from mixkit.training.prepare import Prepared, starting_network


def joined(prepared: Prepared, fresh: bool) -> Prepared:
    """The start of a run, with its training and validation clips together to learn from, and none to choose by.

    Args:
        prepared: the run.
        fresh: whether the network is to start from `train.init`; not where saved weights take its place.

    Raises:
        MixkitError: the weights of `train.init` are not there any more.
    """
    splits = prepared.splits
    model, given = starting_network(prepared.recipe, prepared.model.labels, fresh)
    clips = {"train": (*splits.clips["train"], *splits.clips["valid"])}
    settings = fixed(prepared.recipe.train, len(splits.clips["train"]))  # as it was when the epoch was chosen
    recipe = replace(prepared.recipe, train=settings)
    splits = replace(splits, network=model, clips=clips)
    return replace(prepared, recipe=recipe, model=model, splits=splits, start=given)


def until(prepared: Prepared, both: Prepared, epoch: int) -> Budget:
    """How long a refit is.

    Args:
        prepared: the run.
        both: the same, with validation clips among the others.
        epoch: that was chosen.
    """
    by_steps = prepared.recipe.train.steps is not None
    return replace(both.budget, steps=(prepared if by_steps else both).budget.up_to(epoch))


def part_of(run: Run, same: Callable[[Callable[[], None]], None]) -> Run:
    """The folder in a run where the refit has its records and states; made if need be.

    Args:
        run: as this process may use it.
        same: has the first process do something.

    Raises:
        RunError: the folder cannot be made.
    """
    part = type(run)(run.folder / REFIT)
    part.identity = f"{run.identity} {REFIT}"  # a state of the one pass is none of the other

    def make() -> None:
        with writing(part.folder):
            part.folder.mkdir(exist_ok=True)

    same(make)
    return part
