"""The figures of a trained network: of each split, and of each class."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mixkit.cli.views.terminal import say, table
from mixkit.errors import printable
from mixkit.recipe.schema import FIGURES
from mixkit.training.metrics import per_cent


def show_results(console: Console, splits: Mapping[str, Mapping[str, Any]]) -> None:
    """A table of all splits, and a line for each metric that the recipe asks for; their names may be long."""
    console.print(_figures(splits))
    for name in [name for name in next(iter(splits.values())) if name not in FIGURES]:
        values = {split: found.get(name) for split, found in splits.items()}
        say(console, f"{name}: " + ", ".join(f"{split} {_number(value)}" for split, value in values.items()))


def summary(results: Mapping[str, Any]) -> str:
    """A run in a line; of a multi-label set, the mean average precision is named first."""
    tested = results["test"]
    first = f"accuracy {tested['accuracy']:.1%}" if _one_label(tested) else f"mAP {per_cent(tested['map'])}"
    return (
        f"{results['recipe']} on {results['task']} ({results['protocol']}): "
        f"test {first}, AUC {per_cent(tested['auc'])}, "
        f"from epoch {results['best_epoch']} of {results['epochs']} ({results['chosen_by']}); "
        f"{results['parameters']:,} parameters"
    )


def classes(found: Mapping[str, Any]) -> Table:
    """Recall of each class of a split; in a multi-label set, average precision beside it."""
    one_label = _one_label(found)
    columns = ("recall",) if one_label else ("average precision", "recall")
    rows = table("class", *columns, title="share found of each class" if one_label else "each class")
    for label, share in found["per_class"].items():
        precision = () if one_label else (per_cent(found["average_precision"].get(label)),)
        rows.add_row(Text(printable(label)), *precision, f"{share:.1%}")
    return rows


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
    rows = table("split", "clips", *columns.values(), "loss", title="figures of the best epoch", caption=caption)
    for split, found in splits.items():
        rows.add_row(split, str(found["clips"]), *(per_cent(found[key]) for key in columns), f"{found['loss']:.3f}")
    return rows


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _one_label(found: Mapping[str, Any]) -> bool:
    return found.get("threshold") is None
