"""Weights on disk: safetensors, with the recipe and a proof of all of it in the header."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mixkit.defaults import torch_defaults
from mixkit.errors import DamagedError, RunError, printable
from mixkit.model.classifier import Classifier, build
from mixkit.model.patches import Size, with_patches
from mixkit.recipe.gin_file import recipe_from_text, recorded_recipe
from mixkit.recipe.identity import expect_aside, what
from mixkit.recipe.schema import Recipe
from mixkit.recipe.writer import to_gin
from mixkit.runs.clips import FILE, KeptClips, kept_in
from mixkit.runs.folder import RECIPE, Run

BEST = "best.safetensors"
REFITTED = "refit.safetensors"
FORMAT = "mixkit 1"
PROOF = "sha256"
TABLES = 2**32
"""Bytes of a network's fixed tables, such as the filters of its features; those of base size are far below."""


def save_weights(run: Run, model: Classifier, epoch: int, file: str = BEST) -> None:
    """Writes `best.safetensors`, or those of a refit.

    Args:
        run: where.
        model: with its labels.
        epoch: that they are of.
        file: its name.

    Raises:
        RunError: a weight is not finite, or the disk is full.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise RunError(f"{name} holds numbers that are not finite; {run.folder / file} is left as it was.")
    header = {
        "format": FORMAT,
        "run": run.identity,
        "recipe": to_gin(model.recipe),
        "name": model.recipe.name,
        "labels": json.dumps(list(model.labels)),
        "epoch": str(epoch),
        **({"refit": "True"} if file == REFITTED else {}),
    }
    if clips := kept_in(run.folder):
        header["clips"] = clips.sha256
    run.write(file, save(tensors, metadata={**header, PROOF: proof(header, tensors)}))


def saved_epoch(run: Run, file: str = BEST) -> int | None:
    """The epoch whose weights a file of them holds; None where there are none, or damaged ones.

    Raises:
        TrustError: never; the recipe in the header is not read.
    """
    try:
        return int(read_weights(run.folder / file, run)[0]["epoch"])
    except (DamagedError, RunError, KeyError, ValueError):
        return None


def located(run: str | Path) -> tuple[Path, Run | None]:
    """The file of weights that a run is taken for, and its folder, if that is what was named.

    Args:
        run: a run folder, or its `best.safetensors`. Of a folder with a refit, that network is taken, which is the one
            that was tested.

    Raises:
        RunError: there is no such run, or it has no weights yet.
    """
    path = Path(run)
    if path.suffix == ".safetensors":
        return path, None
    owner = Run.open(path)
    refitted = owner.folder / REFITTED
    path = refitted if refitted.is_file() else owner.folder / BEST
    if not path.is_file():
        raise RunError(f"{path} is missing: no epoch of that run has ended yet.")
    return path, owner


@torch_defaults()
def load(
    run: str | Path,
    device: str | torch.device = "cpu",
    plugins: tuple[str, ...] = (),
    settings: tuple[str, ...] = (),
    patch: int | Size | None = None,
) -> Classifier:
    """A trained network with its labels and sample rate, ready to listen.

    Args:
        run: a run folder, or its `best.safetensors`, which is complete by itself; see `located`.
        device: where to put it.
        plugins: modules already loaded that the recipe may import.
        settings: lines over its recipe that say where data lie, `task.folder.root = 'moved'`.
        patch: bins and frames of a patch, or one number for both, for linear patches of another size than the run's.

    Returns:
        The network in evaluation mode: waveform `b s -> b k` logits.

    Raises:
        RunError: there is no such run, or it has no weights yet.
        DamagedError: the file is not what was written, or does not fit its recipe.
        TrustError: the recipe in it would run code.
        SettingError: one of the settings says what the run is, or the network cannot have such patches.
    """
    path, owner = located(run)
    header, tensors = read_weights(path, owner)
    recipe = _recipe(path, header, owner, plugins, settings)
    labels = () if recipe.pretrain else read_labels(path, header["labels"])
    if not recipe.plugins:  # whose code was trusted, and may not be able to build without numbers
        _expect_size(path, recipe, len(labels), tensors)
    model = build(recipe, len(labels))
    _check(path, tensors, model.state_dict())
    model.load_state_dict(tensors)
    model.labels = labels
    model.refit = header.get("refit") == "True"
    model.trained_on = KeptClips(path.parent / FILE, header["clips"]) if "clips" in header else None
    if patch is not None:
        model = with_patches(model, patch)
    return model.to(device).eval()


def _recipe(
    path: Path, header: Mapping[str, str], owner: Run | None, plugins: tuple[str, ...], settings: tuple[str, ...]
) -> Recipe:
    """The recipe of a file of weights; that of its run folder may say anew where data lie, and nothing else."""
    text, name = header["recipe"], header.get("name", "recipe")
    kept = recipe_from_text(text, name, plugins)
    if owner is None:
        expect_aside(settings, text)
        return recipe_from_text(text, name, plugins, settings) if settings else kept
    own = owner.folder / RECIPE
    found = recorded_recipe(own, owner.folder.name, plugins, settings)
    here, there = (set(what(to_gin(recipe)).splitlines()) for recipe in (found, kept))
    if here != there:
        other = printable(sorted(here ^ there)[0])
        raise DamagedError(
            f"{own} is not the recipe of the weights beside it, for one in {other!r}. "
            f"Take it from a copy, or name {path} itself."
        )
    return found


def read_weights(path: Path, run: Run | None = None) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a file of weights, proven; nothing in them is used yet.

    Args:
        path: the file.
        run: to which it has to belong; None takes that of any run.

    Raises:
        RunError: there is no such file.
        DamagedError: it is not what was written, or belongs to another run.
    """
    if not path.is_file():
        raise RunError(f"{path} is no file. Name a run folder or its {BEST}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise DamagedError(f"{path} cannot be read as safetensors: {printable(str(error))}.") from None
    if header.get("format") != FORMAT or not {"recipe", "labels", PROOF} <= header.keys():
        raise DamagedError(f"{path} was not written by mixkit: its header lacks format, recipe, labels or {PROOF}.")
    if header.pop(PROOF) != proof(header, tensors):
        raise DamagedError(f"{path} is not what was written: its SHA-256 is another. Take it from a copy.")
    if run is not None and run.identity and header.get("run") != run.identity:
        raise DamagedError(f"{path} belongs to another run than {run.folder}. Name the file itself to use it anyway.")
    return header, tensors


def proof(header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of all that a file holds, in one order: safetensors writes its header in any."""
    digest = hashlib.sha256(json.dumps(sorted(header.items())).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode(errors="backslashreplace"))
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _expect_size(path: Path, recipe: Recipe, classes: int, tensors: Mapping[str, Tensor]) -> None:
    """Refuses a recipe that asks for another network than the file holds, before memory is given to it."""
    if recipe.model is not None and recipe.model.depth > len(tensors):
        raise DamagedError(f"{path}: its recipe has {recipe.model.depth} blocks, and there are {len(tensors)} tensors.")
    with torch.device("meta"):
        plan = build(recipe, classes)
    _check(path, tensors, plan.state_dict())
    size = sum(buffer.nbytes for buffer in plan.buffers())
    if size > TABLES:
        raise DamagedError(f"{path}: the tables of its recipe take {size / 2**30:,.0f} GiB. It is no recipe of a run.")


def _check(path: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    for name in sorted(found.keys() ^ wanted.keys()):
        fault = "is missing" if name in wanted else "is not part of the recipe's network"
        raise DamagedError(f"{path}: {printable(name)} {fault}.")
    for name, tensor in wanted.items():
        if found[name].shape != tensor.shape or found[name].dtype != tensor.dtype:
            raise DamagedError(
                f"{path}: {name} is {found[name].dtype} {list(found[name].shape)}; "
                f"the recipe's network has {tensor.dtype} {list(tensor.shape)}."
            )
        if found[name].is_floating_point() and not found[name].isfinite().all():
            raise DamagedError(f"{path}: {name} holds numbers that are not finite.")


def read_labels(path: Path, text: str) -> tuple[str, ...]:
    """The labels that a file of weights carries in its header.

    Args:
        path: the file, for the error.
        text: a JSON list of different names.

    Raises:
        DamagedError: it is something else.
    """
    try:
        labels = json.loads(text)
    except (ValueError, RecursionError):
        labels = None
    right = isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels)
    if not right or len(set(labels)) < len(labels):
        raise DamagedError(f"{printable(str(path))} carries no list of labels in its header. Train anew.")
    return tuple(labels)
