"""Fine-tuning: which parts of a network learn from the start, and how fast beside its head."""

from collections.abc import Collection

import torch
from torch import nn

from mixkit.errors import SettingError, did_you_mean
from mixkit.model.mixer import Mixer
from mixkit.registry import Features
from mixkit.values import show

BODY = "body"
"""All but the head: the network, and features that learn."""
FEATURES = "features"


def weights_of(features: Features, mixer: Mixer) -> dict[str, nn.Parameter]:
    """All that can learn, by name: the parts of the network, and `features` where these have weights."""
    learned = {f"{FEATURES}.{name}": weight for name, weight in features.named_parameters()}
    return {**learned, **dict(mixer.named_parameters())}


def expect_parts(features: Features, mixer: Mixer, names: Collection[str]) -> None:
    """Refuses names of parts that there are not, and freezing all that could learn.

    Raises:
        SettingError: of `train.freeze`.
    """
    weights = weights_of(features, mixer)
    blocks = (f"blocks.{layer}" for layer in range(len(mixer.layers)))
    known = (BODY, *dict.fromkeys(map(_part, weights)), *blocks)
    for name in names:
        if name not in known:
            fault = f"names {show(name)}, which is no part of this network."
            raise SettingError("train.freeze", fault + did_you_mean(name, known))
    if names and all(_is_of(name, names) for name in weights):
        raise SettingError("train.freeze", "names all parts of the network: nothing would learn. Leave one out.")


class Frozen:
    """Parts of a network that do not learn, at first or ever; their BatchNorm and dropout stay as in evaluation.

    Args:
        features: ahead of the network; they learn or not.
        mixer: the network.
        names: of parts, as in `weights_of`; of blocks; or `body`.
        until: updates after which they learn; None for never.
    """

    def __init__(self, features: Features, mixer: Mixer, names: Collection[str], until: int | None):
        expect_parts(features, mixer, names)
        self.until = until
        self._weights = [weight for name, weight in weights_of(features, mixer).items() if _is_of(name, names)]
        self._modules = [module for name, module in mixer.named_modules() if name and _is_of(name, names)]

    def hold(self, done: int) -> None:
        """Holds them for the update after so many others, or lets them learn; the network is in training mode."""
        held = self.until is None or done < self.until
        for weight in self._weights:
            weight.requires_grad_(not held)
        for module in self._modules if held else ():
            module.training = False


def split_groups(
    steps: torch.optim.Optimizer, features: Features, mixer: Mixer, body_rate: float, layer_decay: float | None
) -> None:
    """Parts an optimizer's groups by how fast their weights learn: `rate`, a factor of the learning rate.

    The head, and what else is behind the last block, has 1, layer i of d blocks `layer_decay ** (d - i)`, the stem,
    positions and features that learn `layer_decay ** (d + 1)`; all but the head have `body_rate` times that.

    Paper: BEiT, Bao et al. 2021, arXiv:2106.08254, section 3.3: decay by layer; its authors' code for the exponents.
    """
    factors = {
        weight: (1.0 if _part(name) == "head" else body_rate) * (layer_decay or 1.0) ** _distance(name, mixer)
        for name, weight in weights_of(features, mixer).items()
    }
    for group in list(steps.param_groups):
        rates = dict.fromkeys(sorted((factors[weight] for weight in group["params"]), reverse=True))
        own = {rate: [w for w in group["params"] if factors[w] == rate] for rate in rates}
        settings = {key: value for key, value in group.items() if key != "params"}
        for number, (rate, weights) in enumerate(own.items()):
            if number:
                steps.add_param_group({"params": weights, **settings, "rate": rate})
            else:
                group |= {"params": weights, "rate": rate}


def _distance(name: str, mixer: Mixer) -> int:
    """Layers from the head: 0 for the head and what stands behind the last block."""
    part, depth = _part(name), len(mixer.layers)
    if part in ("blocks", "downsamples"):
        return depth - int(name.split(".")[1])
    return depth + 1 if part in (FEATURES, "stem", "prefix", "position", "frequencies", "times") else 0


def _part(name: str) -> str:
    return name.partition(".")[0]


def _is_of(name: str, names: Collection[str]) -> bool:
    """Whether something stands in one of these parts, or is one."""
    inside = any(name == part or name.startswith(f"{part}.") for part in names)
    return inside or (BODY in names and _part(name) != "head")
