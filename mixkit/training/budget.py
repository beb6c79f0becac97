"""How long a run is: its updates, and the epochs that they fill."""

from dataclasses import dataclass

from mixkit.errors import MixkitError
from mixkit.recipe.schema import Recipe, Train
from mixkit.registry import Counted, task

FEW = 1_000
"""Updates below which a network with fresh weights has learned little, however small its data set."""


@dataclass(frozen=True)
class Budget:
    """How long a run is.

    Args:
        steps: updates of the whole run.
        per_epoch: updates of a pass over the training split; the last pass may end before its last one.
    """

    steps: int
    per_epoch: int

    @property
    def epochs(self) -> int:
        """Passes that are begun."""
        return -(-self.steps // self.per_epoch)

    def up_to(self, epoch: int) -> int:
        """Updates that are made when so many epochs have ended."""
        return min(epoch * self.per_epoch, self.steps)

    def of_epoch(self, epoch: int) -> int:
        """Updates of an epoch, counted from 0."""
        return self.up_to(epoch + 1) - self.up_to(epoch)

    def __str__(self) -> str:
        last = self.of_epoch(self.epochs - 1)
        epochs = "1 epoch" if self.epochs == 1 else f"{self.epochs:,} epochs"
        cut = "" if last == self.per_epoch or self.epochs == 1 else f", the last of {last:,}"
        return f"{self.steps:,} updates: {epochs} of {min(self.per_epoch, self.steps):,}{cut}"


def budget(settings: Train, clips: int) -> Budget:
    """How long a run over so many training clips is."""
    per_epoch = -(-clips // settings.batch_size)
    steps = settings.steps if settings.epochs is None else settings.epochs * per_epoch
    assert steps is not None, "train.epochs or train.steps says how long a run is"
    return Budget(steps, per_epoch)


def in_words(settings: Train, clips: int) -> str:
    """How long a run over so many training clips is, and what to set where that is too short to learn from."""
    whole = budget(settings, clips)
    text = f"{whole}."
    if whole.steps < FEW and settings.init is None:
        epochs = Budget(FEW, whole.per_epoch).epochs
        text += (
            f" Fewer than {FEW:,} teach a network with fresh weights little: set train.steps = {FEW} or more "
            f"({epochs:,} epochs)."
        )
    if settings.refit:
        text += " The refit follows, for as long as the best epoch took."
    return text


def planned(recipe: Recipe) -> str:
    """How long a run of a recipe is, as far as that can be told without recordings, which may not be here."""
    try:
        source = task.build(recipe.task)
        clips = source.count("train") if isinstance(source, Counted) else len(source.clips("train"))
    except MixkitError as error:
        known = recipe.train.steps
        return f"{known:,} updates." if known else f"How many updates a run makes is not known: {error}"
    return in_words(recipe.train, clips)
