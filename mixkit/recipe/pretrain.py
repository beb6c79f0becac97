"""The section of a recipe that says how a network is pretrained: what of a clip is hidden, and what is asked."""

from dataclasses import dataclass
from typing import Annotated, Literal

from mixkit.errors import SettingError
from mixkit.recipe.section import Section
from mixkit.values import Count, NotNegative, Range


@dataclass(frozen=True)
class Pretrain(Section):
    """Masked pretraining: cells of the grid are hidden, and the network tells from the others what is in them.

    No label is used. `recipe.pretrain = @pretrain()` turns it on, which `mixkit pretrain` writes.

    Args:
        masked: share of the cells that is hidden.
        shape: `clusters` hides squares of cells at random places; `frames` hides moments, each with all frequencies.
        cluster: least and most cells along a side of those squares; one side is drawn for each clip. (1, 1) hides
            single cells.
        contrastive: weight of the contrastive loss (InfoNCE): which of the clip's hidden cells is which?
        reconstruction: weight of the squared error of what is told to be in a cell.
        augment: vary clips as the task and `train.augmentations` say.

    Paper: SSAST, Gong et al. 2022, arXiv:2110.09784: 400 of 512 patches, squares of 3 to 5, weights 1 and 10, and no
        augmentation.
    """

    masked: Annotated[float, Range(least=0.05, most=0.95)] = 0.75
    shape: Literal["clusters", "frames"] = "clusters"
    cluster: tuple[Count, Count] = (3, 5)
    contrastive: NotNegative = 1.0
    reconstruction: NotNegative = 10.0
    augment: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cluster[0] > self.cluster[1] or self.cluster[1] > MOST:
            fault = f"is {list(self.cluster)}: the least side, then the most, up to {MOST}. Use (3, 5)."
            raise SettingError("pretrain.cluster", fault)
        if self.contrastive == self.reconstruction == 0:
            raise SettingError("pretrain.contrastive", "is 0, and so is pretrain.reconstruction. Give one a weight.")


MOST = 64
"""Cells along a side of a square: a square beyond the grid hides all of it."""
