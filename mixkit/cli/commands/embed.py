"""`mixkit embed`."""

import json
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixkit.cli.options import BatchSize, Device, Overlap, Plugins, Recordings, RunFolder, Trust, load_model
from mixkit.cli.views.terminal import say
from mixkit.errors import MixkitError, printable

if TYPE_CHECKING:
    from torch import Tensor

    from mixkit.cli.inputs import Input

SUFFIXES = (".npz", ".safetensors")


def embed(
    run: RunFolder,
    recordings: Recordings,
    out: Annotated[Path, typer.Option(metavar="FILE", help="An .npz or .safetensors file.")],
    overlap: Overlap = 0.5,
    batch_size: BatchSize = 32,
    plugins: Plugins = None,
    trust: Trust = None,
    device: Device = "auto",
) -> None:
    """Write a vector for each recording: the pooled tokens ahead of the head."""
    from mixkit.cli.inputs import escaped
    from mixkit.cli.processing import expect_all, process_all
    from mixkit.model.classifier import embed_all
    from mixkit.storage.atomic import write_whole

    if out.suffix not in SUFFIXES:
        raise MixkitError(f"--out {printable(str(out))} ends in none of {', '.join(SUFFIXES)}. Name such a file.")
    model = load_model(run, plugins, trust, device)
    names: list[str] = []
    vectors: list[Tensor] = []

    def keep(one: "Input", vector: "Tensor | MixkitError") -> None:
        if not isinstance(vector, MixkitError):
            names.append(escaped(one.name))
            vectors.append(vector)

    counts = process_all(
        recordings, model.sample_rate, lambda sounds: embed_all(model, sounds, overlap, batch_size), keep
    )
    if vectors:
        facts = {"run": escaped(str(run)), "recipe": model.recipe.name}
        write_whole(out, _encoded(out.suffix, names, vectors, facts), "Name another file with --out.")
        say(f"Wrote {out}: embeddings, {len(names)} x {len(vectors[0])} float32, and the files' names.")
    expect_all(*counts)


def _encoded(suffix: str, names: list[str], vectors: "list[Tensor]", facts: dict[str, str]) -> bytes:
    """`embeddings`, float32 `n c`, with the `n` names of the files: beside them in `.npz`, else in the header.

    Neither kind of file needs pickle to be read.
    """
    import numpy as np
    import torch
    from safetensors.torch import save

    embeddings = torch.stack(vectors)
    if suffix == ".safetensors":
        return save({"embeddings": embeddings}, metadata={"files": json.dumps(names), **facts})
    archive = BytesIO()
    np.savez(archive, embeddings=embeddings.numpy(), files=np.array(names, dtype=np.str_))
    return archive.getvalue()
