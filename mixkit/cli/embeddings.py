"""Vectors of recordings in one file, whole or not there."""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from mixkit.errors import MixkitError, printable
from mixkit.storage.atomic import write_whole

SUFFIXES = (".npz", ".safetensors")


def expect_suffix(path: Path) -> None:
    """Refuse a file that is of no kind that can be written.

    Raises:
        MixkitError: it is of another.
    """
    if path.suffix not in SUFFIXES:
        raise MixkitError(f"--out {printable(str(path))} ends in none of {', '.join(SUFFIXES)}. Name such a file.")


def write_embeddings(path: Path, names: Sequence[str], vectors: Sequence[Tensor], facts: Mapping[str, str]) -> None:
    """Writes `embeddings`, float32 `n c`, with the `n` names of the files: beside them in `.npz`, else in the header.

    Neither kind of file needs pickle to be read.

    Args:
        path: where; what is there is replaced.
        names: of the recordings.
        vectors: `c`, one for each name.
        facts: more for the header of `.safetensors`.

    Raises:
        MixkitError: it cannot be written, or its suffix is another.
    """
    expect_suffix(path)
    embeddings = torch.stack(list(vectors))
    if path.suffix == ".npz":
        archive = BytesIO()
        np.savez(archive, embeddings=embeddings.numpy(), files=np.array(names, dtype=np.str_))
        content = archive.getvalue()
    else:
        content = save({"embeddings": embeddings}, metadata={"files": json.dumps(list(names)), **facts})
    write_whole(path, content, "Name another file with --out.")
