"""`mixkit train` and `mixkit evaluate`."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mixkit.cli.display import Live, say
from mixkit.errors import printable
from mixkit.recipe.schema import Recipe
from mixkit.training.metrics import per_cent

if TYPE_CHECKING:
    from mixkit.run import Run


def train(recipe: Recipe, plugins: Sequence[str], device: str, runs: Path, name: str | None) -> None:
    """Trains, draws the figures and says what to type next.

    Args:
        recipe: what to train.
        plugins: as the user named them.
        device: as on the command line.
        runs: folder of run folders.
        name: of the run folder, or None.
    """
    from mixkit.training import loop

    console = Console(highlight=False)
    _close(console, loop.train(recipe, runs, name, device, Live(console)), plugins)


def resume(folder: Path, plugins: Sequence[str], device: str) -> None:
    """Goes on with a run that was stopped."""
    from mixkit.plugins import load_plugins
    from mixkit.run import Run
    from mixkit.training import loop

    console = Console(highlight=False)
    if Run.open(folder).complete:
        say(console, f"{folder} is complete: nothing is left to train.")
        return
    _close(console, loop.resume(folder, device, Live(console), load_plugins(plugins)), plugins)


def _close(console: Console, run: "Run", plugins: Sequence[str]) -> None:
    from mixkit.plugins import load_plugins
    from mixkit.report.figures import draw

    draw(run, load_plugins(plugins))
    results = run.results()
    console.print()
    console.print(_figures({split: results[split] for split in ("valid", "test")}))
    say(
        console,
        f"{results['recipe']} on {results['task']} ({results['protocol']}): "
        f"test accuracy {results['test']['accuracy']:.1%}, AUC {per_cent(results['test']['auc'])}, "
        f"from epoch {results['best_epoch']} of {results['epochs']} ({results['chosen_by']}); "
        f"{results['parameters']:,} parameters, {results['seconds']:.0f} s.",
    )
    flags = "".join(f" --plugin {shlex.quote(plugin)}" for plugin in plugins)
    folder = shlex.quote(str(run.folder))
    console.print()
    say(console, f"All of it is in {run.folder}: figures/, results.json, best.safetensors, recipe.gin.")
    say(console, f"Next:  mixkit evaluate {folder} --split valid{flags}")
    say(console, f"       mixkit show {folder}/recipe.gin{flags}")


def evaluate(run: Path, split: str, device: str, as_json: bool, plugins: tuple[str, ...] = ()) -> None:
    """Measures a run and prints its figures."""
    from mixkit.evaluation import evaluate_split
    from mixkit.training.checkpoint import load
    from mixkit.training.device import choose_device

    place = choose_device(device)
    found = evaluate_split(load(run, plugins=plugins), split, place).to_json()
    if as_json:
        print(json.dumps({"run": str(run), "split": split, split: found}, indent=2, ensure_ascii=False))  # noqa: T201
        return
    console = Console(highlight=False)
    console.print(_figures({split: found}))
    console.print(_classes(found["per_class"]))


def _figures(splits: dict[str, dict[str, float]]) -> Table:
    table = Table(title="figures of the best epoch", title_justify="left")
    for column in ("split", "clips", "accuracy", "AUC", "F1", "recall", "loss"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split, found in splits.items():
        shares = [per_cent(found[key]) for key in ("accuracy", "auc", "f1", "recall")]
        table.add_row(split, str(found["clips"]), *shares, f"{found['loss']:.3f}")
    table.caption = "AUC, F1 and recall: mean over classes (macro), each class against the rest"
    table.caption_justify = "left"
    return table


def _classes(per_class: object) -> Table:
    table = Table(title="share found of each class", title_justify="left")
    table.add_column("class")
    table.add_column("recall", justify="right")
    assert isinstance(per_class, dict)
    for label, share in per_class.items():
        table.add_row(Text(printable(label)), f"{share:.1%}")
    return table
