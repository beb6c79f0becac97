"""All that can be found wrong with a run before it writes anything: device, recordings, splits, network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from mixkit.audio.augment.strength import scaled
from mixkit.audio.facts import AudioFacts
from mixkit.audio.length import CUT, PADDED
from mixkit.data.inspect import TOLERANCE, CheckedClip
from mixkit.data.kept_clips import compare_content, find_clips
from mixkit.data.leaks import refuse_leaks
from mixkit.data.run_split import RunSplits, faults_of, list_splits, source_of, usable_splits
from mixkit.errors import SettingError
from mixkit.model.classifier import Classifier, build
from mixkit.model.patches import expect_flexible
from mixkit.recipe.schema import Recipe
from mixkit.registry import Augmentation, PowerFeatures, StartingWeights, augmentation, metric, weights
from mixkit.runs.clips import RunClip
from mixkit.tasks.clip import SPLITS, expect_whole, some
from mixkit.training.budget import Budget, budget, strength, told
from mixkit.training.device import choose_device
from mixkit.training.display import TrainingDisplay
from mixkit.training.fine_tune import expect_learning
from mixkit.training.labels import check_labels
from mixkit.training.memory import expect_training
from mixkit.training.precision import precision_of
from mixkit.training.teacher import Teacher


@dataclass
class Prepared:
    """All that training needs, checked, with nothing written yet."""

    recipe: Recipe
    device: torch.device
    precision: str
    model: Classifier
    splits: RunSplits
    augmentations: Sequence[Augmentation] = ()
    start: StartingWeights | None = None
    teacher: Teacher | None = None

    @cached_property
    def budget(self) -> Budget:
        """How long the run is."""
        return budget(self.recipe.train, len(self.splits.clips["train"]))


def starting_network(
    recipe: Recipe, labels: tuple[str, ...], fresh: bool = True
) -> tuple[Classifier, StartingWeights | None]:
    """The network that a run begins with, the same one each time, and what it was given of other weights.

    Args:
        recipe: what to build.
        labels: of its classes.
        fresh: whether it is to start from `train.init`.

    Raises:
        MixkitError: it cannot be built, or there are no such weights.
    """
    model = build(recipe, len(labels))
    model.labels = labels
    init = recipe.train.init if fresh else None
    if init is None:
        return model, None
    of_whole = weights.entry(init.name).facts["network"]
    if of_whole not in (None, recipe.network is not None):
        what, here, other = ("a whole network", "a model", "deit") if of_whole else ("a model", "a network", "network")
        fault = f"is @weights.{init.name}(), which starts {what}, and the recipe has {here}."
        raise SettingError("train.init", f"{fault} Set it to @weights.{other}(), say, or to None.")
    return model, weights.build(init, model.network)


def prepare(
    recipe: Recipe,
    device: str = "auto",
    display: TrainingDisplay | None = None,
    *,
    fresh: bool = True,
    kept: Sequence[RunClip] | None = None,
) -> Prepared:
    """Builds the network and opens the data, so that every mistake is found before hours are spent.

    Args:
        recipe: what to train.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        display: is told about padding and cutting, and about clips that are left out.
        fresh: whether the network is to start from `train.init`; not where saved weights take its place.
        kept: the clips of a run that goes on, which stay divided as they are; None to divide those of the task.

    Raises:
        MixkitError: of any kind: device, data, settings.
    """
    display = display or TrainingDisplay()
    place = choose_device(device)
    source = source_of(recipe)
    expect_whole(source)
    with display.listing() as progress:
        listed = list_splits(source, progress)
    found = None if kept is None else find_clips(kept, listed)
    if found is not None:
        listed = {split: tuple(clip for _, clip in found.of(split).there) for split in SPLITS}
    for fault in faults_of(recipe.task.name, source, listed):
        raise fault
    for note in source.notes:
        display.say(note)
    model, given = starting_network(recipe, tuple(source.labels), fresh)
    if given is not None:
        display.say(str(given))
    if recipe.pretrain is None:
        for note in check_labels(recipe, [clip for clips in listed.values() for clip in clips]):
            display.say(note)
    for measure in recipe.train.metrics:
        metric.build(measure)
    _expect_power(recipe, model)
    splits, clips = usable_splits(model, source, listed, display.say)
    if found is not None:
        splits = replace(splits, differ=compare_content(found, splits.waveforms.cache).differ)
    for note in () if recipe.pretrain else refuse_leaks(clips, splits.protocol):
        display.say(note)
    display.say(_lengths(splits, clips))
    if model.pretraining is not None:
        display.say(str(model.pretraining.masks))
    augmentations = _augmentations(recipe, len(splits.clips["train"]), model.sample_rate)
    rows = min(recipe.train.batch_size, len(splits.clips["train"]))
    expect_training(model, -(-rows // recipe.train.accumulation), place)
    precision = precision_of(recipe.train.precision, place)
    teacher = None if recipe.train.teacher is None else Teacher(recipe, model.features, model.labels)
    prepared = Prepared(recipe, place, precision, model, splits, augmentations, given, teacher)
    expect_learning(model.features, model.network, recipe.train)
    expect_flexible(recipe, model.network, model.features.bins, model.features.frames)
    if recipe.note:
        display.say(recipe.note)
    if teacher is not None:
        display.say(f"{teacher}{_leaked(teacher, splits)}")
    display.say(told(recipe, len(splits.clips["train"])))
    return prepared


def _expect_power(recipe: Recipe, model: Classifier) -> None:
    for home, specs in (("task", recipe.augmentations), ("train", recipe.train.augmentations)):
        for spec in specs:
            if augmentation.entry(spec.name).facts["on"] == "power" and not isinstance(model.features, PowerFeatures):
                fault = f"names {spec.name}, which varies power spectra, and features {recipe.features.name!r} have "
                fix = "none. Leave it out, or take features such as log_mel."
                raise SettingError(f"{home}.augmentations", fault + fix)


def _leaked(teacher: Teacher, splits: RunSplits) -> str:
    """What is to be known of figures on clips that the teacher has learned from."""
    clips = teacher.learned_from(splits.kept)
    if not clips:
        return ""
    told = f"It has learned from {len(clips):,} of the clips that are held out here ({some(clips)})"
    return f" {told}: figures on them come out too high. Take a teacher of the same splits."


def _augmentations(recipe: Recipe, clips: int, sample_rate: int) -> list[Augmentation]:
    factor = strength(recipe.train, clips)
    return [augmentation.build(scaled(spec, factor), sample_rate) for spec in recipe.all_augmentations]


def _lengths(splits: RunSplits, clips: Sequence[CheckedClip]) -> str:
    recipe = splits.network.recipe
    seconds = splits.network.features.samples / splits.network.sample_rate
    lengths = [one.found.seconds for one in clips if isinstance(one.found, AudioFacts)]
    shorter = sum(length < seconds - TOLERANCE for length in lengths)
    longer = sum(length > seconds + TOLERANCE for length in lengths)
    counts = ", ".join(f"{len(splits.clips[split])} {split}" for split in SPLITS if splits.clips[split])
    text = f"{counts} clips ({splits.protocol}); the model hears {seconds:.2f} s."
    if shorter:
        text += f" {shorter} shorter clips are {PADDED[recipe.pad]}."
    if longer:
        place = CUT[recipe.crop]
        trained = "anywhere" if recipe.training_crop == "random" else place
        evaluated = "into windows" if recipe.every_window else place
        text += f" {longer} longer clips are cut ({trained} in training, {evaluated} otherwise)."
    return text
