"""An ONNX file with its weights in 8 bits, and what that does to its answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from mixkit.data.batches import ClipAudio
from mixkit.data.run_split import run_split
from mixkit.errors import MixkitError
from mixkit.export.onnx import onnx_runner, quiet
from mixkit.model.classifier import Classifier
from mixkit.recipe.figures import Figure, columns, figure
from mixkit.training.figures import figures

CALIBRATION = 64
"""Training clips whose activations set the scales."""

BATCH = 16
ROUNDED = ["Conv", "Gemm", "MatMul"]
SCOPES = "pkg.torch.onnx.name_scopes"  # where torch's exporter writes the modules that a node is from
FEATURES = "model.features"


@dataclass(frozen=True)
class Int8:
    """How far a network was rounded, and what it costs.

    Args:
        weights: that are 8 bits wide now.
        of: weights of the network.
        clips: of the validation split.
        figure: which one is told: accuracy, or mAP of several labels a clip.
        before: its value of the network in float32.
        after: and of the rounded one.
    """

    weights: int
    of: int
    clips: int
    figure: Figure
    before: float | None
    after: float | None


def to_int8(content: bytes, model: Classifier) -> tuple[bytes, Int8]:
    """Rounds a network to 8 bits on training clips, and measures on validation what it costs.

    Args:
        content: an ONNX file of the network.
        model: the network, with its recordings where its recipe says.

    Raises:
        MixkitError: nothing could be rounded, or a recording is not there.
    """
    train = run_split(model, "train").audio("train")
    valid = run_split(model, "valid").audio("valid", windows=model.recipe.every_window)
    small, weights = rounded(content, _batches(train))
    shown = figure(columns(model.multi_label)[0], model.multi_label)
    before, after = (_value(one, valid, model, shown.name) for one in (content, small))
    of = sum(weight.numel() for weight in model.network.parameters())
    return small, Int8(weights, of, len(valid), shown, before, after)


def rounded(content: bytes, batches: Iterator[Tensor]) -> tuple[bytes, int]:
    """Rounds weights and activations of convolutions and matrix products to 8 bits.

    A weight has a scale for each output channel, an activation a fixed one. The spectrogram stays as it is: its values
    span more than 8 bits can hold.

    Args:
        content: an ONNX file of a network.
        batches: waveforms, `b s`, whose activations set the scales.

    Returns:
        The file in 8 bits, and how many of its weights are.

    Raises:
        MixkitError: nothing could be rounded.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    class Calibration(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Any] | None:
            batch = next(batches, None)
            return None if batch is None else {"waveform": batch.numpy()}

    whole = onnx.load_from_string(content)
    facts = list(whole.metadata_props)
    with TemporaryDirectory() as folder, quiet():  # it asks for shapes, which torch's exporter has inferred
        path = Path(folder) / "model.onnx"
        features = [node.name for node in whole.graph.node if FEATURES in _scopes(node)]
        quantize_static(
            whole, path, Calibration(), op_types_to_quantize=ROUNDED, per_channel=True, nodes_to_exclude=features
        )
        small = onnx.load(path)
    del small.metadata_props[:]  # onnxruntime adds to them
    small.metadata_props.extend(facts)
    used = {node.input[0] for node in small.graph.node if node.op_type == "DequantizeLinear"}
    kept = [one for one in small.graph.initializer if one.data_type == onnx.TensorProto.INT8 and one.name in used]
    if not kept:
        raise MixkitError(
            "--int8 found nothing to round: the network has no convolution and no matrix product with weights. "
            "Leave it out."
        )
    return small.SerializeToString(), sum(prod(one.dims) for one in kept)


def _batches(audio: ClipAudio) -> Iterator[Tensor]:
    """Clips spread over a split."""
    items = range(0, len(audio), -(-len(audio) // CALIBRATION))
    for place in range(0, len(items), BATCH):
        yield torch.stack([audio.cut(item) for item in items[place : place + BATCH]])


def _value(content: bytes, audio: ClipAudio, model: Classifier, name: str) -> float | None:
    run = onnx_runner(content)
    scores = torch.stack([run(audio.rows(item)).double().mean(0).float() for item in range(len(audio))])
    return figures(scores, audio.targets, 0.0, model.labels, model.multi_label).values[name]


def _scopes(node: Any) -> str:
    return next((fact.value for fact in node.metadata_props if fact.key == SCOPES), "")
