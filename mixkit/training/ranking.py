"""Metrics that a recipe may ask for beside the figures that every run has.

A metric is called as `metric(scores, target)`, both `n k`: scores of a whole split, higher is likelier, and 1 for the
right classes, 0 for the others. It gives a number, or not-a-number where the split does not determine it. Where less of
it is better, the decorator says so: `@metric("hamming", lower_is_better=True)`; then `train.best` takes the lowest.
"""

from torch import Tensor

from mixkit.registry import metric
from mixkit.values import Count


@metric("top_accuracy")
class TopAccuracy:
    """How often a right class is among the few with the highest scores.

    Args:
        among: how many classes may be answered; 1 is accuracy.
    """

    def __init__(self, *, among: Count = 5):
        self.among = among

    def __call__(self, scores: Tensor, target: Tensor) -> float:
        """Share of clips, 0 to 1."""
        answers = scores.topk(min(self.among, scores.shape[1]), dim=1).indices
        return target.gather(1, answers).any(1).float().mean().item()
