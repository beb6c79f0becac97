"""To a `.pt2` file, which runs with torch alone."""

import json
from collections.abc import Callable
from io import BytesIO

import torch
from torch import Tensor, nn

from mixkit.export.trace import traced

FACTS = "mixkit.json"


def torch_program(whole: nn.Module, example: Tensor, facts: dict[str, str]) -> bytes:
    """A network as a `.pt2` file, for batches of any size.

    Args:
        whole: in evaluation mode, on the CPU.
        example: input, with a batch of at least 2; it is kept in the file.
        facts: the file's metadata, written to `extra/mixkit.json` in it.

    Raises:
        MixkitError: the network cannot be exported.
    """
    content = BytesIO()
    torch.export.save(traced(whole, example), content, extra_files={FACTS: json.dumps(facts)})
    return content.getvalue()


def torch_runner(content: bytes) -> Callable[[Tensor], Tensor]:
    """What a `.pt2` file that was just made computes.

    Not for files of others: torch.export.load unpickles what the file asks it to, and so runs code.
    """
    module = torch.export.load(BytesIO(content)).module()

    def run(waveform: Tensor) -> Tensor:
        found: Tensor = module(waveform)
        return found.detach()

    return run
