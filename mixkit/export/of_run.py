"""A run, or a network in memory, as one file."""

import os
from pathlib import Path

from mixkit.checkpoints.weights import load
from mixkit.export.package import SUFFIXES, Exported, Kind
from mixkit.export.package import export as write
from mixkit.model.classifier import Classifier
from mixkit.model.patches import Size, with_patches


def export(
    run: str | os.PathLike[str] | Classifier,
    to: Kind = "onnx",
    out: str | Path | None = None,
    plugins: tuple[str, ...] = (),
    settings: tuple[str, ...] = (),
    patch: int | Size | None = None,
    *,
    int8: bool = False,
    runtime: bool = False,
) -> Exported:
    """Writes a trained network with its features in front as one file, if it computes the same on real clips.

    Args:
        run: its folder, or the network as `mixkit.load` gives it.
        to: `onnx`, or `torch` for torch.export's `.pt2`.
        out: the file; `model.onnx` or `model.pt2` here without.
        plugins: modules already loaded that its recipe may import.
        settings: lines that say where its data lie now.
        patch: of a run with linear patches, bins and frames of others, or one number for both.
        int8: round it to 8 bits; ONNX only.
        runtime: write `mixkit_runtime.py` beside it, which runs it on any recording; ONNX only.

    Raises:
        MixkitError: something that is needed is not installed, the network cannot be exported, the file computes
            otherwise, or it cannot be written. Nothing is left behind.
    """
    model = run if isinstance(run, Classifier) else load(Path(run), "cpu", plugins, tuple(settings))
    model = model if patch is None else with_patches(model, patch)
    return write(model, to, Path(out or f"model{SUFFIXES[to]}"), int8=int8, runtime=runtime)
