"""All that is found about a trained network on a set of clips: figures, classes, calibration, and every answer."""

from dataclasses import asdict, dataclass
from typing import Any

import torch

from mixkit.data.run_split import RunSplits
from mixkit.defaults import torch_defaults
from mixkit.model.classifier import Classifier
from mixkit.registry import Clip
from mixkit.runs.results import Figures
from mixkit.training.calibration import Calibration, calibration
from mixkit.training.class_figures import ClassFigures, class_figures, means
from mixkit.training.evaluate import Scored, figures_of, score_split


@dataclass(frozen=True)
class Evaluation:
    """A network on a set of clips.

    Args:
        labels: of the classes.
        clips: in the order of the scores.
        scored: what the network gives for each of them.
        figures: over all of them.
        classes: how well each class is told from the others.
        calibration: None where scores are no probabilities.
    """

    labels: tuple[str, ...]
    clips: tuple[Clip, ...]
    scored: Scored
    figures: Figures
    classes: tuple[ClassFigures, ...]
    calibration: Calibration | None

    def to_json(self) -> dict[str, Any]:
        """Plain data, without the scores of each clip."""
        averages = {"macro": means(self.classes), "weighted": means(self.classes, weighted=True)}
        names = ("precision", "recall", "f1")
        return {
            "labels": list(self.labels),
            "classes": {one.label: {k: v for k, v in asdict(one).items() if k != "label"} for one in self.classes},
            "means": {name: dict(zip(names, values, strict=True)) for name, values in averages.items()},
            "calibration": None if self.calibration is None else asdict(self.calibration),
        }

    def answers(self, at: int) -> list[int]:
        """The classes that are answered for a clip."""
        scores, threshold = self.scored.scores[at], self.figures.threshold
        return [int(scores.argmax())] if threshold is None else (scores > threshold).nonzero().flatten().tolist()


@torch_defaults()
def evaluation(model: Classifier, splits: RunSplits, split: str, device: torch.device) -> Evaluation:
    """Evaluates a trained network on one of the splits; errors are those of `score_split`."""
    scored = score_split(model, splits, split, device)
    found = figures_of(model, scored)
    return Evaluation(
        model.labels,
        splits.clips[split],
        scored,
        found,
        class_figures(scored.scores, scored.targets, model.labels, found.threshold),
        calibration(scored.scores, scored.targets, model.multi_label),
    )
