"""`mixkit train` and `mixkit evaluate`."""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mixkit.cli.views.training import Live, say
from mixkit.errors import printable
from mixkit.recipe.schema import FIGURES, Recipe
from mixkit.training.metrics import per_cent

if TYPE_CHECKING:
    from mixkit.runs.folder import Run
    from mixkit.training.display import Display


def load(
    recipe: str, layers: Sequence[str] | None, settings: Sequence[str] | None, plugins: Sequence[str] | None
) -> Recipe:
    """The recipe that the command line means."""
    from mixkit.plugins.load import load_plugins
    from mixkit.recipe.gin_file import load_recipe

    return load_recipe(recipe, layers or (), settings or (), load_plugins(plugins or ()))


def train(
    recipe: Recipe,
    plugins: Sequence[str],
    device: str,
    runs: Path,
    name: str | None,
    go_on: bool = False,
    allow_changes: bool = False,
    tensorboard: bool = False,
) -> None:
    """Trains, draws the figures and says what to type next.

    Args:
        recipe: what to train.
        plugins: as the user named them.
        device: as on the command line.
        runs: folder of run folders.
        name: of the run folder, or None.
        go_on: with the run of that name or recipe, if there is one.
        allow_changes: go on under other conditions, too.
        tensorboard: write figures for it as well.
    """
    from mixkit.plugins.load import load_plugins
    from mixkit.runs.folder import Run
    from mixkit.training import loop

    console = Console(highlight=False)
    done = Run.started(recipe, runs, name) if go_on else None
    if done is not None and done.complete:
        say(console, f"{done.folder} is complete: nothing is left to train.")
        return
    display = _display(console, tensorboard)
    run = loop.train(recipe, runs, name, device, display, go_on=go_on, allow_changes=allow_changes)
    _close(console, run, plugins, load_plugins(plugins))


def resume(
    folder: Path,
    plugins: Sequence[str],
    device: str,
    allow_changes: bool = False,
    tensorboard: bool = False,
    trust: str | None = None,
) -> None:
    """Goes on with a run that was stopped."""
    from mixkit.plugins.copies import load_for_run
    from mixkit.runs.folder import Run
    from mixkit.training import loop

    console = Console(highlight=False)
    if Run.open(folder).complete:
        say(console, f"{folder} is complete: nothing is left to train.")
        return
    display = _display(console, tensorboard)
    loaded = load_for_run(folder, plugins, trust)
    run = loop.resume(folder, device, display, loaded, allow_changes=allow_changes)
    _close(console, run, plugins, loaded)


def rehearse(recipe: Recipe, device: str) -> None:
    """Says what a run would take."""
    from mixkit.training.dry_run import rehearse

    console = Console(highlight=False)
    found = rehearse(recipe, device, Live(console))
    hours, days = found.run_seconds / 3600, found.run_seconds / 86400
    whole = f"{days:.1f} days" if days >= 2 else f"{hours:.1f} hours" if hours >= 2 else f"{60 * hours:.1f} minutes"
    say(
        console,
        f"{recipe.name}: {found.parameters:,} parameters, {found.precision} on {found.device}. A step of "
        f"{recipe.train.batch_size} clips takes {found.step_seconds:.2f} s (loss {found.loss:.3f}), an epoch "
        f"{found.epoch_seconds:.0f} s, {recipe.train.epochs} epochs {whole}.",
    )
    say(console, f"Memory {found.memory / 2**30:.2f} GiB at its peak; disk at least {found.disk / 2**30:.2f} GiB.")
    say(console, "No run was written.")


def _display(console: Console, tensorboard: bool) -> "Display":
    from mixkit.cli.views.tensorboard import TensorBoard

    return TensorBoard(Live(console)) if tensorboard else Live(console)


def _close(console: Console, run: "Run", plugins: Sequence[str], loaded: tuple[str, ...]) -> None:
    from mixkit.report.run_plots import draw

    if os.environ.get("RANK", "0") != "0":
        return  # the first of several processes closes for all
    draw(run, loaded)
    results = run.results()
    tested = results["test"]
    console.print()
    splits = {split: results[split] for split in ("valid", "test")}
    console.print(_figures(splits))
    _more(console, splits)
    say(
        console,
        f"{results['recipe']} on {results['task']} ({results['protocol']}): "
        f"test {_headline(tested)}, AUC {per_cent(tested['auc'])}, "
        f"from epoch {results['best_epoch']} of {results['epochs']} ({results['chosen_by']}); "
        f"{results['parameters']:,} parameters, {run.seconds():.0f} s.",
    )
    flags = "".join(f" --plugin {shlex.quote(plugin)}" for plugin in plugins)
    folder = shlex.quote(str(run.folder))
    console.print()
    say(console, f"All of it is in {run.folder}: figures/, results.json, best.safetensors, recipe.gin.")
    say(console, f"Next:  mixkit evaluate {folder} --split valid{flags}")
    say(console, f"       mixkit show {folder}/recipe.gin{flags}")


def evaluate(run: Path, split: str, device: str, as_json: bool, plugins: tuple[str, ...] = ()) -> None:
    """Measures a run and prints its figures."""
    from mixkit.checkpoints.weights import load
    from mixkit.registry import task
    from mixkit.training.device import choose_device
    from mixkit.training.evaluate import evaluate_split
    from mixkit.training.memory import keep_freed

    keep_freed()
    place = choose_device(device)
    model = load(run, plugins=plugins)
    found = evaluate_split(model, split, place).to_json()
    protocol = task.build(model.recipe.task).protocol
    if as_json:
        print(json.dumps({"run": str(run), "protocol": protocol, "split": split, split: found}, indent=2))  # noqa: T201
        return
    console = Console(highlight=False)
    say(console, f"{model.recipe.name} on {model.recipe.task.name} ({protocol})")
    console.print(_figures({split: found}))
    _more(console, {split: found})
    console.print(_classes(found))


def _headline(found: Mapping[str, Any]) -> str:
    """The figure that is named first: of a multi-label set, the mean average precision."""
    return f"accuracy {found['accuracy']:.1%}" if _one_label(found) else f"mAP {per_cent(found['map'])}"


def _figures(splits: Mapping[str, Mapping[str, Any]]) -> Table:
    columns = {"accuracy": "accuracy", "auc": "AUC", "f1": "F1", "recall": "recall"}
    caption = "AUC, F1 and recall: mean over classes (macro), each class against the rest"
    threshold = next(iter(splits.values())).get("threshold")
    if threshold is not None:
        columns = {"map": "mAP", "auc": "AUC", "f1": "F1", "recall": "recall", "accuracy": "subset accuracy"}
        caption = (
            f"mAP, AUC, F1 and recall: mean over classes (macro). F1, recall and subset accuracy (every label of a "
            f"clip right): an answer is a score above {threshold:g}"
        )
    table = Table(title="figures of the best epoch", title_justify="left", caption=caption, caption_justify="left")
    for column in ("split", "clips", *columns.values(), "loss"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split, found in splits.items():
        shares = [per_cent(found[key]) for key in columns]
        table.add_row(split, str(found["clips"]), *shares, f"{found['loss']:.3f}")
    return table


def _more(console: Console, splits: Mapping[str, Mapping[str, Any]]) -> None:
    """A line for each metric that the recipe asks for; their names may be long."""
    for name in [name for name in next(iter(splits.values())) if name not in FIGURES]:
        values = {split: found.get(name) for split, found in splits.items()}
        say(console, f"{name}: " + ", ".join(f"{split} {_number(value)}" for split, value in values.items()))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _classes(found: Mapping[str, Any]) -> Table:
    one_label = _one_label(found)
    table = Table(title="share found of each class" if one_label else "each class", title_justify="left")
    table.add_column("class")
    for column in ("recall",) if one_label else ("average precision", "recall"):
        table.add_column(column, justify="right")
    for label, share in found["per_class"].items():
        precision = () if one_label else (per_cent(found["average_precision"].get(label)),)
        table.add_row(Text(printable(label)), *precision, f"{share:.1%}")
    return table


def _one_label(found: Mapping[str, Any]) -> bool:
    return found.get("threshold") is None
