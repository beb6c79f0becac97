"""What a pretraining ended with: written by training, read by all else. There is nothing in it of classes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mixkit.runs.results import text
from mixkit.values import Count, Whole, fit

MARK = "pretrained"
"""Stands in the results of a pretraining alone."""
FIGURES = 20  # that are read


@dataclass(frozen=True)
class Pretrained:
    """What a complete pretraining ended with. Read from a file, all text in it is safe to print.

    Args:
        recipe: name of the recipe.
        task: name of the task.
        protocol: by what rule clips came into the splits.
        clips: that it learned from.
        held_out: clips that the figures are of.
        seed: of the run.
        epochs: trained.
        best_epoch: the one whose weights are kept.
        chosen_by: how it was chosen, in words.
        parameters: trained numbers, those of the heads that told what was hidden too.
        valid: figures of that epoch on the clips that were held out, by name.
        skipped: recordings that were left out, with split and reason.
    """

    recipe: str
    task: str
    protocol: str
    clips: int
    held_out: int
    seed: int
    epochs: int
    best_epoch: int
    chosen_by: str
    parameters: int
    valid: Mapping[str, float]
    skipped: tuple[Mapping[str, str], ...] = ()

    def __str__(self) -> str:
        figures = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in self.valid.items())
        return (
            f"{self.recipe} on {self.task} ({self.protocol}), pretrained on {self.clips:,} clips without labels: "
            f"{figures} on {self.held_out:,} others, from epoch {self.best_epoch} of {self.epochs} "
            f"({self.chosen_by}); {self.parameters:,} parameters"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {MARK: True, **asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> "Pretrained":
        """What a file says.

        Raises:
            Exception: it is not what `to_json` gave.
        """
        valid = {text(fit(name, str, "valid"), 40): fit(value, float, "valid") for name, value in data["valid"].items()}
        words: dict[str, Any] = {
            key: text(fit(data[key], str, key)) for key in ("recipe", "task", "protocol", "chosen_by")
        }
        counts: dict[str, Any] = {
            key: fit(data[key], Count, key) for key in ("clips", "held_out", "epochs", "best_epoch")
        }
        return cls(
            **words,
            **counts,
            seed=fit(data["seed"], Whole, "seed"),
            parameters=fit(data["parameters"], Whole, "parameters"),
            valid=dict([*valid.items()][:FIGURES]),
            skipped=tuple({text(key): text(value) for key, value in one.items()} for one in data.get("skipped", ())),
        )
