"""Fine-tuning: which parts of a network learn from the start, and how fast beside its head."""

from collections.abc import Collection

import torch
from torch import nn

from mixkit.errors import SettingError, did_you_mean
from mixkit.model.mixer import Mixer
from mixkit.model.whole import head_of, parts_of
from mixkit.recipe.train import Train
from mixkit.registry import Checkpointed, Features
from mixkit.values import show

BODY = "body"
"""All but the head: the network, and features that learn."""
FEATURES = "features"


def weights_of(features: Features, network: nn.Module) -> dict[str, nn.Parameter]:
    """All that can learn, by name: the parts of the network, and `features` where these have weights."""
    learned = {f"{FEATURES}.{name}": weight for name, weight in features.named_parameters()}
    return {**learned, **dict(network.named_parameters())}


def expect_learning(features: Features, network: nn.Module, settings: Train) -> None:
    """Refuses what cannot be done to this network, before it is trained.

    Raises:
        SettingError: a setting names parts that there are not, or asks a whole network for what it cannot do.
    """
    expect_parts(features, network, settings.freeze)
    if settings.layer_decay is not None and not isinstance(network, Mixer):
        fault = f"is {settings.layer_decay:g}, and a whole network does not say which of its layers are how deep."
        raise SettingError("train.layer_decay", f"{fault} Set it to None; all but the head have train.body_rate.")
    if settings.checkpointing and not isinstance(network, Checkpointed):
        fault = "is True, which this network does not know."
        raise SettingError("train.checkpointing", f"{fault} Compute the batch in parts: train.accumulation = 2.")


def expect_parts(features: Features, network: nn.Module, names: Collection[str]) -> None:
    """Refuses names of parts that there are not, and freezing all that could learn.

    Raises:
        SettingError: of `train.freeze`.
    """
    weights = weights_of(features, network)
    if isinstance(network, Mixer):
        inner = [f"blocks.{layer}" for layer in range(len(network.layers))]
    else:
        inner = [name for name, part in parts_of(network).items() if any(True for _ in part.parameters())]
    known = (BODY, *dict.fromkeys(map(_part, weights)), *inner)
    for name in names:
        if name not in known:
            fault = f"names {show(name)}, which is no part of this network."
            raise SettingError("train.freeze", fault + did_you_mean(name, known))
    if names and all(_is_of(name, names, _head(network)) for name in weights):
        raise SettingError("train.freeze", "names all parts of the network: nothing would learn. Leave one out.")


class Frozen:
    """Parts of a network that do not learn, at first or ever; their BatchNorm and dropout stay as in evaluation.

    Args:
        features: ahead of the network; they learn or not.
        network: behind them.
        names: of parts, as in `weights_of`; of blocks; or `body`.
        until: updates after which they learn; None for never.
    """

    def __init__(self, features: Features, network: nn.Module, names: Collection[str], until: int | None):
        expect_parts(features, network, names)
        self.until = until
        head = _head(network)
        self._weights = [w for name, w in weights_of(features, network).items() if _is_of(name, names, head)]
        self._modules = [module for name, module in network.named_modules() if _is_held(name, names, head)]

    def hold(self, done: int) -> None:
        """Holds them for the update after so many others, or lets them learn; the network is in training mode."""
        held = self.until is None or done < self.until
        for weight in self._weights:
            weight.requires_grad_(not held)
        for module in self._modules if held else ():
            module.training = False


def split_groups(
    steps: torch.optim.Optimizer, features: Features, network: nn.Module, body_rate: float, layer_decay: float | None
) -> None:
    """Parts an optimizer's groups by how fast their weights learn: `rate`, a factor of the learning rate.

    The head, and what else is behind the last block, has 1, layer i of d blocks `layer_decay ** (d - i)`, the stem,
    positions and features that learn `layer_decay ** (d + 1)`; all but the head have `body_rate` times that.

    Paper: BEiT, Bao et al. 2021, arXiv:2106.08254, section 3.3: decay by layer; its authors' code for the exponents.
    """
    head = _head(network)
    factors = {
        weight: (1.0 if _inside(name, head) else body_rate) * (layer_decay or 1.0) ** _distance(name, network)
        for name, weight in weights_of(features, network).items()
    }
    for group in list(steps.param_groups):
        rate_of = {weight: factors.get(weight, 1.0) for weight in group["params"]}  # the heads of pretraining have 1
        rates = sorted(dict.fromkeys(rate_of.values()), reverse=True)
        own = {rate: [weight for weight, its in rate_of.items() if its == rate] for rate in rates}
        settings = {key: value for key, value in group.items() if key != "params"}
        for number, (rate, weights) in enumerate(own.items()):
            if number:
                steps.add_param_group({"params": weights, **settings, "rate": rate})
            else:
                group |= {"params": weights, "rate": rate}


def _distance(name: str, network: nn.Module) -> int:
    """Layers from the head: 0 for the head and what stands behind the last block; a whole network counts none."""
    if not isinstance(network, Mixer):
        return 0
    part, depth = _part(name), len(network.layers)
    if part in ("blocks", "downsamples"):
        return depth - int(name.split(".")[1])
    return depth + 1 if part in (FEATURES, "stem", "prefix", "position", "frequencies", "times") else 0


def _part(name: str) -> str:
    return name.partition(".")[0]


def _head(network: nn.Module) -> str:
    return "head" if isinstance(network, Mixer) else head_of(network)


def _inside(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def _is_of(name: str, names: Collection[str], head: str) -> bool:
    """Whether something stands in one of these parts, or is one."""
    return any(_inside(name, part) for part in names) or (BODY in names and not _inside(name, head))


def _is_held(name: str, names: Collection[str], head: str) -> bool:
    """Whether a module is held: what has the head inside is not, though all else in it may be."""
    return _is_of(name, names, head) and not _inside(head, name) if name else False
