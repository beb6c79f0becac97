"""A network as a graph that can be written down."""

import torch
from torch import Tensor, nn

from mixkit.errors import MixkitError


def traced(whole: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """A network as torch.export sees it, for batches of any size.

    Args:
        whole: in evaluation mode.
        example: input, with a batch of at least 2.

    Raises:
        MixkitError: it cannot be traced.
    """
    batch = ({0: torch.export.Dim("batch")},)
    try:
        with torch.no_grad():
            program = torch.export.export(whole, (example,), dynamic_shapes=batch)
    except Exception as error:
        raise MixkitError(f"torch.export does not take the network: {first_line(error)}") from error
    for part in program.graph_module.modules():
        for node in part.graph.nodes if isinstance(part, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)  # names folders of this machine
    return program


def first_line(error: Exception) -> str:
    """What an error of a library says, in a sentence."""
    line = str(error).strip().split("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {line}."
