"""One label a clip, or several: what that asks of the task, the loss and the figures."""

from collections.abc import Iterable

from mixkit.errors import MixkitError, SettingError, printable
from mixkit.recipe.schema import Recipe
from mixkit.registry import Clip, Loss, Registry, loss


def check_labels(recipe: Recipe, clips: Iterable[Clip]) -> tuple[str, ...]:
    """See that loss, figures and clips agree on whether a clip has one label, or several, or none.

    Args:
        recipe: what is to be trained; its task's setting `multi_label`, where it has one, says which.
        clips: of all splits.

    Returns:
        What the user should know of the figures: nothing where a clip has one label.

    Raises:
        SettingError: the loss takes one label a clip only.
        MixkitError: the task lists clips of the other kind.
    """
    name, several = recipe.task.name, recipe.task.params.get("multi_label", False)
    for clip in clips:
        shown = printable(str(clip.path))
        if clip.tags is None and several:
            raise MixkitError(f"the task {name} is multi-label, but {shown} has no tags. Give every clip its tags.")
        if clip.tags is not None and not several:
            fix = "Give it a setting multi_label, and set that to True."
            raise MixkitError(f"the task {name} gives tags to {shown}, but is not multi-label. {fix}")
    if not several:
        return ()
    if not loss.entry(recipe.train.loss.name).facts["multi_label"]:
        raise SettingError(
            "train.loss",
            f"is {recipe.train.loss.name!r}, for one label a clip, but task.{name}.multi_label is True. "
            f"Set train.loss = {_known(loss)}.",
        )
    if recipe.train.best != "accuracy":
        return ()
    return (
        "train.best is 'accuracy', which of a multi-label set is the share of clips with every label right. "
        "A finer choice: train.best = 'map'.",
    )


def _known(losses: Registry[Loss]) -> str:
    return " or ".join(f"@loss.{name}()" for name in losses.names() if losses.entry(name).facts["multi_label"])
