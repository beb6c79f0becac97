"""The exponential moving average (EMA) of the weights, often better than the weights of any one step."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


class ExponentialAverage(AveragedModel):
    """The exponential moving average of a network's weights, with the buffers of the last step.

    The first steps are averaged over fewer: the decay is at most (1 + n) / (10 + n) after n steps, so that the
    random start is soon forgotten.

    Args:
        network: in training.
        decay: share of the average that stays at each step, below 1.

    Paper: Polyak and Juditsky 1992; the warm-up as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, network: nn.Module, decay: float):
        super().__init__(network)
        self.decay = decay

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Moves the average towards the network; torch's own takes the counter to the device, and waits for it."""
        steps = int(self.n_averaged)  # in the host's memory
        kept = min(self.decay, (1 + steps) / (10 + steps)) if steps else 0.0
        for average, current in zip(self.module.parameters(), model.parameters(), strict=True):
            average.lerp_(current, 1 - kept)
        for own, last in zip(self.module.buffers(), model.buffers(), strict=True):
            own.copy_(last)
        self.n_averaged += 1
