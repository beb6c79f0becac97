"""Every kind that a recipe can name: the registry of its names, by the contract that they keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mixkit.registry.data_contracts import Augmentation, Features, Task
from mixkit.registry.network_contracts import (
    Distillation,
    Downsample,
    Head,
    Loss,
    Metric,
    Network,
    Operator,
    Pool,
    Schedule,
    StartingWeights,
    Stem,
)
from mixkit.registry.registry import Registry

if TYPE_CHECKING:
    import torch

operator: Registry[Operator] = Registry("operator", "mixkit.operators", ("site",), mixes=Registry.REQUIRED, paper="")
task: Registry[Task] = Registry("task", "mixkit.tasks")
features: Registry[Features] = Registry("features", "mixkit.audio", ("sample_rate", "seconds"))
augmentation: Registry[Augmentation] = Registry(
    "augmentation", "mixkit.audio", ("sample_rate",), on=Registry.REQUIRED, mixes=False, scales=(), paper=""
)
stem: Registry[Stem] = Registry("stem", "mixkit.model", ("bins", "frames", "width"), paper="")
downsample: Registry[Downsample] = Registry("downsample", "mixkit.model", ("grid", "width", "wider"), paper="")
pool: Registry[Pool] = Registry("pool", "mixkit.model", ("site",), paper="")
head: Registry[Head] = Registry("head", "mixkit.model", ("width", "classes"))
network: Registry[Network] = Registry("network", "mixkit.networks", ("bins", "frames", "classes"), paper="")
loss: Registry[Loss] = Registry("loss", "mixkit.training", ("class_weights",), multi_label=False)
distillation: Registry[Distillation] = Registry("distillation", "mixkit.training", ("multi_label",), paper="")
metric: Registry[Metric] = Registry(
    "metric",
    "mixkit.training",
    title="",
    several_title="",
    percent=False,
    lower_is_better=False,
    macro=False,
    per_class="",
    place=(0, 0),
)
optimizer: Registry[torch.optim.Optimizer] = Registry("optimizer", "mixkit.training", ("parameters", "learning_rate"))
schedule: Registry[Schedule] = Registry("schedule", "mixkit.training", ("steps", "steps_per_epoch"))
# Of weights, `network` says what starts from them: a whole network, a model, or None for either.
weights: Registry[StartingWeights] = Registry("weights", "mixkit.weights", ("mixer",), paper="", network=False)

REGISTRIES: Mapping[str, Registry[object]] = {
    registry.kind: registry
    for registry in (
        operator,
        task,
        features,
        augmentation,
        stem,
        downsample,
        pool,
        head,
        network,
        loss,
        distillation,
        metric,
        optimizer,
        schedule,
        weights,
    )
}

PLURALS: Mapping[str, str] = {
    kind: {"loss": "losses"}.get(kind, kind if kind.endswith("s") else f"{kind}s") for kind in REGISTRIES
}


def with_article(kind: str) -> str:
    """`a loss`, `an operator`, `weights`."""
    return kind if PLURALS[kind] == kind else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
