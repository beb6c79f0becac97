"""Optimizers: torch's own, with the settings that papers name."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from mixkit.registry import optimizer
from mixkit.values import NotNegative, Positive, Rate


@optimizer("adamw")
def adamw(
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    *,
    weight_decay: NotNegative = 0.05,
    beta1: Rate = 0.9,
    beta2: Rate = 0.999,
    eps: Positive = 1e-8,
) -> torch.optim.Optimizer:
    """Adam whose weight decay is apart from the gradient; norms, biases and gains are not decayed.

    Args:
        parameters: what to train.
        learning_rate: at its highest.
        weight_decay: share of a matrix taken off per step, times the learning rate.
        beta1: memory of the mean gradient.
        beta2: memory of the mean squared gradient.
        eps: added to the root of the squared gradient.

    Paper: Loshchilov and Hutter 2019, arXiv:1711.05101.
    """
    everything = list(parameters)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in everything if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in everything if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(beta1, beta2), eps=eps, fused=_fused(everything))


@optimizer("adam")
def adam(
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    *,
    weight_decay: NotNegative = 5e-7,
    beta1: Rate = 0.95,
    beta2: Rate = 0.999,
    eps: Positive = 1e-8,
) -> torch.optim.Optimizer:
    """Adam as AST is trained with it: weight decay added to the gradient.

    Args:
        parameters: what to train.
        learning_rate: at its highest.
        weight_decay: factor of the squared weights in the loss.
        beta1: memory of the mean gradient.
        beta2: memory of the mean squared gradient.
        eps: added to the root of the squared gradient.

    Paper: Kingma and Ba 2015, arXiv:1412.6980; numbers as in arXiv:2104.01778.
    """
    everything = list(parameters)
    return torch.optim.Adam(
        everything,
        lr=learning_rate,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=weight_decay,
        fused=_fused(everything),
    )


def _fused(parameters: list[nn.Parameter]) -> bool:
    return all(p.device.type in ("cpu", "cuda") for p in parameters)
