"""How long a run is, its updates and the epochs that they fill, and how strongly it varies its clips.

Both may go by the number of training clips, `auto`: the updates grow with its square root, and augmentations get the
weaker the more clips there are. Both are rules of thumb: no study has compared them with others yet.
"""

import math
from dataclasses import dataclass, replace

from mixkit.data.run_split import source_of
from mixkit.errors import MixkitError
from mixkit.recipe.schema import Recipe
from mixkit.recipe.train import Train
from mixkit.registry import Counted, task

AUTO_CLIPS, AUTO_STEPS = 240, 1_800
"""Training clips, and the updates that `auto` makes for so many; the least, too."""

STRONG_CLIPS = 400
"""Training clips up to which `auto` leaves augmentations as strong as they are set."""

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
    if settings.steps == "auto":
        return Budget(100 * round(AUTO_STEPS / 100 * max(1.0, math.sqrt(clips / AUTO_CLIPS))), per_epoch)
    steps = settings.steps if settings.epochs is None else settings.epochs * per_epoch
    assert steps is not None, "train.epochs or train.steps says how long a run is"
    return Budget(steps, per_epoch)


def strength(settings: Train, clips: int) -> float:
    """How strong augmentations are with so many training clips: a factor on all of them."""
    if settings.augment_strength == "auto":
        return round(min(1.0, math.sqrt(STRONG_CLIPS / clips)), 2)
    return settings.augment_strength


def fixed(settings: Train, clips: int) -> Train:
    """The settings with what goes by the number of clips as it is for so many."""
    settings = replace(settings, augment_strength=strength(settings, clips))
    return replace(settings, steps=budget(settings, clips).steps) if settings.steps == "auto" else settings


def in_words(settings: Train, clips: int) -> str:
    """How long a run over so many training clips is, and what to set where that is too short to learn from."""
    whole = budget(settings, clips)
    text = f"{whole}{f', by the number of clips ({clips:,})' if settings.steps == 'auto' else ''}."
    if whole.steps < FEW and settings.init is None:
        epochs = Budget(FEW, whole.per_epoch).epochs
        text += (
            f" Fewer than {FEW:,} teach a network with fresh weights little: set train.steps = {FEW} or more "
            f"({epochs:,} epochs)."
        )
    if settings.augment_strength == "auto":
        strong = strength(settings, clips)
        share = "as it is set" if strong == 1 else f"at {strong:g} times what it is set to"
        text += f" Augmentation {share}, by the number of clips."
    if settings.refit:
        text += " The refit follows, for as long as the best epoch took."
    return text


def of_recipe(recipe: Recipe) -> Budget:
    """How long a run of a recipe is.

    Raises:
        DataError: that goes by its recordings, which are not here.
    """
    return budget(recipe.train, _clips(recipe))


def told(recipe: Recipe, clips: int) -> str:
    """How long a run of a recipe over so many training clips is."""
    if recipe.pretrain is None:
        return in_words(recipe.train, clips)
    return in_words(replace(recipe.train, refit=False, augment_strength=1.0), clips)  # neither is a part of it


def planned(recipe: Recipe) -> str:
    """How long a run of a recipe is, as far as that can be told without recordings, which may not be here."""
    try:
        clips = _clips(recipe)
    except MixkitError as error:
        steps = recipe.train.steps
        return (
            f"{steps:,} updates." if isinstance(steps, int) else f"How many updates a run makes is not known: {error}"
        )
    return told(recipe, clips)


def _clips(recipe: Recipe) -> int:
    source = task.build(recipe.task)
    return source.count("train") if isinstance(source, Counted) else len(source_of(recipe).clips("train"))
