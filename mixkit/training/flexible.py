"""Training with flexible patches: each step with patches of a size that is drawn for it."""

from typing import Any

from torch import Tensor, nn

from mixkit.data.batches import Batch
from mixkit.draw import Draw
from mixkit.model.patches import FlexiblePatches, flexible
from mixkit.training.step import Step, StepResult

PATCH_STREAM = -2
"""The stream of random numbers that draws patch sizes; pretraining has -1, crops and augmentations those from 0 on."""


class FlexibleStep(Step):
    """Moves the weights by a batch that is heard with patches of one of the sizes of `stem.patches.flexible`.

    The network that is validated and kept is the one with patches of `stem.patches.size`.
    """

    def __call__(self, batch: Batch, done: int) -> StepResult:
        """A step, after that many others; the size depends on their number and the seed alone."""
        sizes = len(flexible(self.model.recipe))
        self.size = int(Draw(self.settings.seed, 0, done, PATCH_STREAM).integer(1, sizes))
        return super().__call__(batch, done)

    def _trained(self) -> nn.Module:
        """The network with patches of all sizes."""
        features = self.model.features
        return FlexiblePatches(self.model.recipe, self.model.mixer, features.bins, features.frames)

    def _answers(self, x: Tensor, target: Tensor) -> Any:
        """What the network makes of spectrograms."""
        return self.network(x, self.size)
