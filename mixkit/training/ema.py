"""The exponential moving average (EMA) of the weights, often better than the weights of any one step."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def exponential_average(network: nn.Module, decay: float) -> AveragedModel:
    """The exponential moving average of a network's weights.

    The first steps are averaged over fewer: the decay is at most (1 + n) / (10 + n) after n steps, so that the
    random start is soon forgotten.

    Args:
        network: in training.
        decay: share of the average that stays at each step, below 1.

    Paper: Polyak and Juditsky 1992; the warm-up as in TensorFlow's ExponentialMovingAverage.
    """

    def blend(averages: Sequence[Tensor], weights: Sequence[Tensor], _: Tensor | int) -> None:
        steps = int(mean.n_averaged)  # in the host's memory; what is handed over may be on a GPU, a wait away
        kept = min(decay, (1 + steps) / (10 + steps))
        for average, current in zip(averages, weights, strict=True):
            average.lerp_(current, 1 - kept)

    mean = AveragedModel(network, multi_avg_fn=blend)
    return mean
