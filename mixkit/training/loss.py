"""Losses: from logits and targets to the one number that training makes smaller.

One that takes several labels a clip, or none, says so where it is registered: `@loss("bce", multi_label=True)`.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mixkit.registry import loss
from mixkit.values import Rate


@loss("cross_entropy")
class CrossEntropy(nn.Module):
    """Cross-entropy: one label a clip; mixed clips carry a share of each label.

    Shape: logits `b k`, target `b k` (shares that sum to 1) `-> ()`.

    Args:
        class_weights: one factor a class, `k`, or None.
        label_smoothing: share of each target that is spread over all classes.
    """

    def __init__(self, class_weights: Tensor | None, *, label_smoothing: Rate = 0.0):
        super().__init__()
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a batch."""
        weight = cast("Tensor | None", self.class_weights)
        return F.cross_entropy(logits.float(), target, weight=weight, label_smoothing=self.label_smoothing)

    def scores(self, logits: Tensor) -> Tensor:
        """Probabilities that sum to 1: `b k -> b k`."""
        return logits.float().softmax(-1)


@loss("bce", multi_label=True)
class BinaryCrossEntropy(nn.Module):
    """Binary cross-entropy: each class asked for by itself: is it in the clip, or not? Any number of them may be.

    Shape: logits `b k`, target `b k` (each from 0 to 1) `-> ()`.

    Args:
        class_weights: one factor a class, `k`, or None.
        label_smoothing: share of each target that is moved towards one half.

    Paper: Gong, Chung and Glass 2021, arXiv:2104.01778, train SpeechCommands and AudioSet so.
    """

    def __init__(self, class_weights: Tensor | None, *, label_smoothing: Rate = 0.0):
        super().__init__()
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss over batch and classes."""
        smooth = target * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        weight = cast("Tensor | None", self.class_weights)
        return F.binary_cross_entropy_with_logits(logits.float(), smooth, weight=weight)

    def scores(self, logits: Tensor) -> Tensor:
        """A probability for each class on its own: `b k -> b k`."""
        return torch.sigmoid(logits.float())
