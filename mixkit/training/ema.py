"""The exponential moving average (EMA) of the weights, often better than the weights of any one step."""

import copy
from collections.abc import Sequence

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from mixkit.model.classifier import Classifier


class EMA:
    """The exponential moving average of a network's weights.

    The first steps are averaged over fewer: the decay is at most (1 + n) / (10 + n) after n steps, so that the
    random start is soon forgotten.

    Args:
        model: the network in training.
        decay: share of the average that stays at each step, below 1.

    Paper: Polyak and Juditsky 1992; the warm-up as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, model: Classifier, decay: float):
        def blend(averages: Sequence[Tensor], weights: Sequence[Tensor], _: Tensor | int) -> None:
            steps = int(self._mean.n_averaged)  # in the host's memory; what is handed over may be on a GPU, a wait away
            kept = min(decay, (1 + steps) / (10 + steps))
            for average, current in zip(averages, weights, strict=True):
                average.lerp_(current, 1 - kept)

        self._mean = AveragedModel(model.mixer, multi_avg_fn=blend)
        # The same features and labels, with the averaged network between them.
        self.model = copy.copy(model)
        self.model._modules = {**model._modules, "mixer": self._mean.module}

    def update(self, mixer: nn.Module) -> None:
        """Takes in the weights after a step."""
        self._mean.update_parameters(mixer)

    def state_dict(self) -> dict[str, Tensor]:
        """The average, and over how many steps."""
        return self._mean.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Takes up what `state_dict` left."""
        self._mean.load_state_dict(state)
