"""Starts of whole networks: weights of the same network from a file that the user names."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mixkit.checkpoints.weights import located
from mixkit.errors import MixkitError, SettingError, printable
from mixkit.model.whole import head_of
from mixkit.registry import Fitting, weights
from mixkit.values import PathName
from mixkit.weights.start import Start, groups
from mixkit.weights.tensors import Tensors

COUNTER = "num_batches_tracked"
"""The end of the name of what BatchNorm counts, and does not need: the only tensors that are no shares."""


@weights("network", network=True)
def network(mixer: nn.Module, *, path: PathName | None = None, head: bool = False) -> Start:
    """Pretrained whole network: what a whole network of the same kind learned before: in a run, or from photographs for
    `network.timm`.

    All of the network but its head has to be in the file. For `network.timm` that is a file of timm, such as the
    `model.safetensors` of its weights: three colours are added up, and positions interpolated to another grid.

    Args:
        mixer: the network that is to start from it.
        path: a safetensors file, or the folder of a run of the same network; `~` is your home, and a relative path
            begins at the working folder.
        head: take the head, too, where there are as many classes; they have to be the same ones in the same order.

    Raises:
        SettingError: no file is named, or one of another format.
        MixkitError: it cannot be opened, or lacks a part of the network.
        DamagedError: it holds what is no number.
    """
    if path is None:
        message = "is not set. Name a file: --set \"weights.network.path = 'weights/resnet18.safetensors'\"."
        raise SettingError("weights.network.path", message)
    named = Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - keeps an unknown ~name
    if named.is_file() and named.suffix != ".safetensors":
        fix = "Save the weights anew by safetensors.torch.save_file(state, 'NAME.safetensors')."
        raise SettingError(
            "weights.network.path", f"names {printable(str(named))}, which is no safetensors file. {fix}"
        )
    file, _ = located(named)
    tensors = Tensors(file)
    state = _state(tensors)
    own, part = mixer.state_dict(), head_of(mixer)
    given = mixer.fitted(state) if isinstance(mixer, Fitting) else state
    taken = {
        name: tensor
        for name, tensor in given.items()
        if name in own and own[name].shape == tensor.shape and (head or not name.startswith(f"{part}."))
    }
    _expect_all(mixer, taken, part, printable(str(file)))
    with torch.no_grad():
        for name, tensor in taken.items():
            own[name].copy_(tensor)
    parameters = dict(mixer.named_parameters())
    with file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return Start(
        file=str(file),
        sha256=sha256,
        parameters=sum(parameters[name].numel() for name in taken if name in parameters),
        of=sum(parameter.numel() for parameter in parameters.values()),
        taken=groups(taken),
        resized=(),
        left=groups(name for name in state if name not in taken and f"model.{name}" not in taken),
    )


def _state(tensors: Tensors) -> dict[str, Tensor]:
    """The tensors of a file; of a run those of its network alone."""
    names = [name for name in tensors.names if not name.endswith(COUNTER)]
    of_run = [name for name in names if name.startswith("whole.")]
    return {name.removeprefix("whole."): tensors.read(name) for name in of_run or names}


def _expect_all(module: nn.Module, taken: Mapping[str, Tensor], head: str, shown: str) -> None:
    """Refuses a file that lacks a part of the network: its training would begin half from nothing, and say little."""
    wanted = {name: p for name, p in module.named_parameters() if not name.startswith(f"{head}.")}
    missing = [name for name in wanted if name not in taken]
    if missing:
        first, shape = missing[0], list(wanted[missing[0]].shape)
        share = f"{len(missing)} of {len(wanted)} tensors of this network"
        raise MixkitError(f"{shown} lacks {share}, the first {first} {shape}. Take a file of the same network.")
