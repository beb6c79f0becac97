"""`mixkit evaluate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mixkit.cli import completion
from mixkit.cli.options import AsJson, Device, Patch, Plugins, RunSettings, Trust, load_model
from mixkit.cli.views.terminal import print_json, say, stderr
from mixkit.errors import MixkitError

if TYPE_CHECKING:
    from mixkit.data.run_split import RunSplits
    from mixkit.model.classifier import Classifier

PATTERN = "task.folder.pattern"
WITHOUT = f'Where each folder is a class: --set "{PATTERN} = None".'
Split = Literal["train", "valid", "test"]


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", autocompletion=completion.runs)],
    split: Annotated[
        Split | None, typer.Option(help="Which clips: test without; with --on all of them without.")
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER|CSV|TASK",
            help="New labelled recordings: a folder of classes, a table, or a task such as esc50 or task/esc10.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write clips.csv (every answer), evaluation.json and a reliability plot."),
    ] = None,
    patch: Patch = None,
    settings: RunSettings = None,
    plugins: Plugins = None,
    trust: Trust = None,
    device: Device = "auto",
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Do without clips of the run that are not there any more.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure a trained run on a split of its task, or on new recordings: every class, confusion, calibration."""
    from mixkit.cli.views.evaluation import show_evaluation
    from mixkit.cli.views.results import show_results
    from mixkit.data.run_split import run_split
    from mixkit.model.classifier import expect_labels
    from mixkit.model.patches import patch_size, shown
    from mixkit.report.evaluation import write_evaluation
    from mixkit.training.device import choose_device
    from mixkit.training.evaluation import evaluation
    from mixkit.training.memory import keep_freed

    keep_freed()
    place = choose_device(device)
    model = load_model(run, plugins, trust, settings=None if on else settings, patch=patch)
    expect_labels(model)
    facts: dict[str, Any]
    if on is None:
        split = split or "test"
        splits = run_split(model, split, allow_missing=allow_missing)
        facts, clips, title = {"clips": splits.differ.to_json()}, str(split), _title(model, split)
        about = f"{model.recipe.name} on {model.recipe.task.name} ({splits.protocol})"
    else:
        if allow_missing:
            raise MixkitError("--allow-missing is for clips of the run, and --on names others. Leave it out.")
        splits, facts = _new(model, on, settings or (), split)
        clips, title = "new", "figures on new recordings"
        about = f"{model.recipe.name} on {on} ({splits.protocol})"
    found = evaluation(model, splits, clips, place)
    if patch is not None:
        size = patch_size(patch)
        facts, about = {**facts, "patch": size}, f"{about}, patches of {shown(size)}"
    document: dict[str, Any] = {"run": str(run), "protocol": splits.protocol, "split": split, "refit": model.refit}
    document |= {**facts, clips: found.figures.to_json(), **found.to_json()}
    files = () if out is None else write_evaluation(found, document, out, lambda line: say(line, console=stderr()))
    if as_json:
        print_json(document)
        return
    say(about)
    heard = f"{clips}, trained on" if model.refit and clips in ("train", "valid") else clips
    show_results({heard: found.figures}, model.recipe.train.best, title)
    show_evaluation(found)
    if files:
        say(f"Wrote {', '.join(map(str, files))}.")


def _title(model: "Classifier", split: str) -> str:
    if model.refit:
        return "figures of the network refitted on training and validation together"
    return "figures of the best epoch"


def _new(
    model: "Classifier", on: str, settings: Sequence[str], split: str | None
) -> "tuple[RunSplits, dict[str, Any]]":
    """The new recordings, and what is to be known of them."""
    from mixkit.cli.new_data import recipe_on
    from mixkit.data.new_recordings import new_recordings

    def tell(line: str) -> None:
        say(line, console=stderr())

    recipe = recipe_on(model.recipe, on, settings)
    if Path(on).is_dir() and recipe.task.params.get("pattern"):
        tell(f"Read as the run reads its own: {PATTERN} = {recipe.task.params['pattern']!r}. {WITHOUT}")
    found = new_recordings(model, recipe, model.multi_label, split, tell)
    facts = {"on": on, "unknown": dict(found.unknown), "missing": list(found.missing)}
    facts |= {"trained_on": list(found.heard), "likely_trained_on": [str(copy) for copy in found.likely]}
    return found.splits, facts
