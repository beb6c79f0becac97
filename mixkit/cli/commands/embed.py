"""`mixkit embed`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixkit.cli.options import BatchSize, Device, Overlap, Plugins, Recordings, RunFolder, Trust
from mixkit.cli.views.terminal import say, stdout
from mixkit.errors import MixkitError

if TYPE_CHECKING:
    from torch import Tensor

    from mixkit.cli.inputs import Input


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
    from mixkit.checkpoints.weights import load
    from mixkit.cli.embeddings import expect_suffix, write_embeddings
    from mixkit.cli.inputs import escaped
    from mixkit.cli.processing import expect_all, process_all
    from mixkit.model.classifier import embed_all
    from mixkit.plugins.copies import load_for_run
    from mixkit.training.device import choose_device

    loaded = load_for_run(run, plugins or (), trust)
    expect_suffix(out)
    model = load(run, choose_device(device), loaded)
    names, vectors = [], []

    def keep(one: "Input", vector: "Tensor | MixkitError") -> None:
        if not isinstance(vector, MixkitError):
            names.append(escaped(one.name))
            vectors.append(vector)

    counts = process_all(
        recordings, model.sample_rate, lambda sounds: embed_all(model, sounds, overlap, batch_size), keep
    )
    if vectors:
        write_embeddings(out, names, vectors, {"run": escaped(str(run)), "recipe": model.recipe.name})
        say(stdout(), f"Wrote {out}: embeddings, {len(names)} x {len(vectors[0])} float32, and the files' names.")
    expect_all(*counts)
