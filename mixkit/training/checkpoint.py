"""Weights on disk: safetensors with the recipe and the labels in the header, checked before a number is used."""

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mixkit.errors import DamagedError, RunError
from mixkit.model.mixer import Classifier, build
from mixkit.recipe.gin_file import recipe_from_text
from mixkit.recipe.writer import to_gin
from mixkit.run import Run

BEST = "best.safetensors"
FORMAT = "mixkit 1"
STATE = "last/state.pt"
STATE_PARTS = {"epochs", "model", "optimizer", "random", "best"}


def save_weights(run: Run, model: Classifier, facts: Mapping[str, Any]) -> None:
    """Writes `best.safetensors`.

    Args:
        run: where.
        model: with its labels.
        facts: more for the header, such as the epoch.
    """
    header = {
        "format": FORMAT,
        "recipe": to_gin(model.recipe),
        "name": model.recipe.name,
        "labels": json.dumps(list(model.labels)),
        **{key: json.dumps(value) for key, value in facts.items()},
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    run.write(BEST, save(tensors, metadata=header))


def load_state(run: Run) -> dict[str, Any] | None:
    """What `save_state` wrote last; None where no epoch has ended.

    Raises:
        DamagedError: the file is not what was written.
    """
    path = run.folder / STATE
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError) as error:
        first = str(error).split("\n")[0]
        raise DamagedError(f"{path} cannot be read: {first} Start the run anew under another --name.") from None
    if not isinstance(state, dict) or not state.keys() >= STATE_PARTS:
        raise DamagedError(f"{path} was not written by mixkit. Start the run anew under another --name.")
    return state


def save_state(run: Run, state: Mapping[str, Any]) -> None:
    """Writes `last/state.pt`, all that training needs to go on."""
    content = BytesIO()
    torch.save(dict(state), content)
    run.write(STATE, content.getvalue())


def load(run: str | Path, device: str | torch.device = "cpu", plugins: tuple[str, ...] = ()) -> Classifier:
    """A trained network with its labels and sample rate, ready to listen.

    Args:
        run: a run folder, or its `best.safetensors`, which is complete by itself.
        device: where to put it.
        plugins: modules already loaded that the recipe may import.

    Returns:
        The network in evaluation mode: waveform `b s -> b k` logits.

    Raises:
        RunError: there is no such run, or it has no weights yet.
        DamagedError: the file is not what was written, or does not fit its recipe.
        TrustError: the recipe in it would run code.
    """
    path = Path(run)
    if path.suffix != ".safetensors":
        path = Run.open(path).folder / BEST
        if not path.is_file():
            raise RunError(f"{path} is missing: no epoch of that run has ended yet.")
    if not path.is_file():
        raise RunError(f"{path} is no file. Name a run folder or its {BEST}.")
    header, tensors = _read(path)
    recipe = recipe_from_text(header["recipe"], header.get("name", "recipe"), plugins)
    labels = tuple(json.loads(header["labels"]))
    model = build(recipe, len(labels))
    _check(path, tensors, model.state_dict())
    model.load_state_dict(tensors)
    model.labels = labels
    return model.to(device).eval()


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedError(f"{path} cannot be read as safetensors: {error}.") from None
    if header.get("format") != FORMAT or not {"recipe", "labels"} <= header.keys():
        raise DamagedError(f"{path} was not written by mixkit: its header lacks format, recipe or labels.")
    return header, tensors


def _check(path: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    for name in sorted(found.keys() ^ wanted.keys()):
        fault = "is missing" if name in wanted else "is not part of the recipe's network"
        raise DamagedError(f"{path}: {name} {fault}.")
    for name, tensor in wanted.items():
        if found[name].shape != tensor.shape or found[name].dtype != tensor.dtype:
            raise DamagedError(
                f"{path}: {name} is {found[name].dtype} {list(found[name].shape)}; "
                f"the recipe's network has {tensor.dtype} {list(tensor.shape)}."
            )
        if found[name].is_floating_point() and not found[name].isfinite().all():
            raise DamagedError(f"{path}: {name} holds numbers that are not finite.")
