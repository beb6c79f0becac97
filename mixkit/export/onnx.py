"""To ONNX, which runs without torch."""

import importlib.util
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mixkit.errors import MixkitError
from mixkit.export.trace import first_line, traced

NEEDED = ("onnx", "onnxscript", "onnxruntime")


def onnx_program(whole: nn.Module, example: Tensor, facts: dict[str, str]) -> bytes:
    """A network as an ONNX file, for batches of any size.

    Args:
        whole: in evaluation mode, on the CPU.
        example: input, with a batch of at least 2.
        facts: the file's metadata.

    Raises:
        MixkitError: a package is not installed, or the network cannot be exported.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MixkitError(f"--to onnx needs {', '.join(missing)}. Install them: pip install 'mixkit[onnx]'.")
    import onnx

    program = traced(whole, example)
    try:
        # without torchvision torch warns of it, a line for each of its operations; no mixer has one of them
        with quiet("torch.onnx._internal.exporter._registration"):
            made = torch.onnx.export(
                program, dynamo=True, verbose=False, input_names=["waveform"], output_names=["probabilities"]
            )
    except Exception as error:
        raise MixkitError(f"the network cannot be written as ONNX: {first_line(error)} Use --to torch.") from error
    assert made is not None
    model = made.model_proto
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


@contextmanager
def quiet(name: str | None = None) -> Iterator[None]:
    """Errors alone of a logger, or of the root logger."""
    log = logging.getLogger(name)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def onnx_runner(content: bytes) -> Callable[[Tensor], Tensor]:
    """What an ONNX file that was just made computes, in onnxruntime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(waveform: Tensor) -> Tensor:
        (found,) = session.run(["probabilities"], {"waveform": waveform.numpy()})
        return torch.as_tensor(found)

    return run
