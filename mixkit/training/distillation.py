"""Distillations: how far the answers of a network are from those of its teacher, a bigger one as a rule."""

from typing import Annotated

import torch.nn.functional as F
from torch import Tensor

from mixkit.registry import distillation
from mixkit.values import Positive, Range

Weight = Annotated[float, Range(above=0, most=1)]


@distillation("hard", paper="arXiv:2012.12877")
class Hard:
    """Hard-label distillation: what the teacher answers is taken for a second label.

    Shape: logits `b k`, the teacher's `b k -> b`.

    Equation: cross_entropy(z, argmax(z_teacher)); of classes that are asked for by themselves, the mean over them of
        bce(z, z_teacher > 0).

    Args:
        multi_label: whether each class is asked for by itself.
        weight: share of the loss that it has beside the labels.

    Paper: DeiT, Touvron et al. 2021, arXiv:2012.12877, equation 3, which gives both labels one half. It was better
        there than soft labels (table 3), and has nothing to be tuned: it is what a teacher gets without another word.
    """

    def __init__(self, multi_label: bool, *, weight: Weight = 0.5):
        self.multi_label = multi_label
        self.weight = weight

    def __call__(self, logits: Tensor, taught: Tensor) -> Tensor:
        """How far each clip is from the teacher."""
        if self.multi_label:
            answers = (taught > 0).to(logits.dtype)
            return F.binary_cross_entropy_with_logits(logits, answers, reduction="none").mean(1)
        return F.cross_entropy(logits, taught.argmax(1), reduction="none")


@distillation("soft", paper="arXiv:1503.02531")
class Soft:
    """Soft-label distillation: how likely the teacher takes each class to be is learned, those that it does not answer
    among them.

    Shape: logits `b k`, the teacher's `b k -> b`.

    Equation: T^2 KL(softmax(z_teacher / T) || softmax(z / T)); of classes that are asked for by themselves, the mean
        over them of T^2 KL(sigmoid(z_teacher / T) || sigmoid(z / T)).

    Args:
        multi_label: whether each class is asked for by itself.
        weight: share of the loss that it has beside the labels.
        temperature: T, by which all logits are divided; the higher, the more the unlikely classes count.

    Paper: Hinton, Vinyals and Dean 2015, arXiv:1503.02531; weight and temperature are those of DeiT, arXiv:2012.12877,
        equation 2 and section 5. Times T^2 the share of 0.1 is one of 0.9 in its gradients.

    Differs: DeiT's code divides by the number of classes as well, its equation does not, and neither do we.
    """

    def __init__(self, multi_label: bool, *, weight: Weight = 0.1, temperature: Positive = 3.0):
        self.multi_label = multi_label
        self.weight = weight
        self.temperature = temperature

    def __call__(self, logits: Tensor, taught: Tensor) -> Tensor:
        """How far each clip is from the teacher."""
        z, theirs = logits / self.temperature, taught / self.temperature
        if self.multi_label:
            apart = _divergence(F.logsigmoid(z), F.logsigmoid(theirs)) + _divergence(
                F.logsigmoid(-z), F.logsigmoid(-theirs)
            )
            return self.temperature**2 * apart.mean(1)
        return self.temperature**2 * _divergence(z.log_softmax(1), theirs.log_softmax(1)).sum(1)


def _divergence(ours: Tensor, theirs: Tensor) -> Tensor:
    """The terms of KL(theirs || ours), of logarithms of probabilities."""
    return theirs.exp() * (theirs - ours)
