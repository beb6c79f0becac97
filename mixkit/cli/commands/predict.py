"""`mixkit predict` and `mixkit embed`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from mixkit.checkpoints.weights import load
from mixkit.cli.embeddings import expect_suffix, write_embeddings
from mixkit.cli.inputs import Input, escaped, inputs
from mixkit.cli.views.bar import Bar
from mixkit.cli.views.predictions import Form, reporting
from mixkit.cli.views.training import say
from mixkit.errors import DamagedError, MixkitError
from mixkit.model.windows import embed_all, predict_all
from mixkit.training.device import choose_device


def predict(
    run: Path,
    named: Sequence[str],
    form: Form,
    overlap: float,
    batch_size: int,
    device: str,
    plugins: tuple[str, ...] = (),
) -> None:
    """Predicts recordings one after the other and writes what was found.

    Args:
        run: a run folder, or its weights.
        named: files, folders, or `-`.
        form: what stdout gets.
        overlap: share of a window that the next one hears again, at least.
        batch_size: windows that are heard at once.
        device: as on the command line.
        plugins: modules already loaded that the recipe may import.

    Raises:
        DamagedError: some recordings could not be read; the others are predicted.
    """
    model = load(run, choose_device(device), plugins)
    form = replace(form, top=min(form.top, len(model.labels)))
    with reporting(form) as report, _heard(named, model.sample_rate) as (found, sounds):
        faults = _each(found, predict_all(model, sounds, overlap, batch_size), report)
    _expect_all(faults, len(found))


def embed(
    run: Path,
    named: Sequence[str],
    out: Path,
    overlap: float,
    batch_size: int,
    device: str,
    plugins: tuple[str, ...] = (),
) -> None:
    """Writes one vector for each recording, with the names, as `.npz` or `.safetensors`.

    Raises:
        MixkitError: the file cannot be written, or its suffix is another.
        DamagedError: some recordings could not be read; the others are in the file.
    """
    expect_suffix(out)
    model = load(run, choose_device(device), plugins)
    names, vectors = [], []

    def keep(one: Input, answer: Any) -> None:
        if not isinstance(answer, MixkitError):
            names.append(escaped(one.name))
            vectors.append(answer)

    with _heard(named, model.sample_rate) as (found, sounds):
        faults = _each(found, embed_all(model, sounds, overlap, batch_size), keep)
    if vectors:
        write_embeddings(out, names, vectors, {"run": escaped(str(run)), "recipe": model.recipe.name})
        console = Console(highlight=False)
        say(console, f"Wrote {out}: embeddings, {len(names)} x {len(vectors[0])} float32, and the files' names.")
    _expect_all(faults, len(found))


@contextmanager
def _heard(named: Sequence[str], sample_rate: int) -> Iterator[tuple[list[Input], Iterator[Callable[[], Any]]]]:
    with inputs(named) as found:
        yield found, (partial(one.hear, sample_rate) for one in found)


def _each(found: Sequence[Input], answers: Iterator[Any], report: Callable[[Input, Any], None]) -> int:
    """Tells every answer, faults on stderr too, and how far it is where somebody watches."""
    faults = 0
    with Bar(Console(stderr=True, highlight=False), counts_bytes=False) as bar:
        for done, (one, answer) in enumerate(zip(found, answers, strict=True), start=1):
            if isinstance(answer, MixkitError):
                faults += 1
                bar.say(str(answer))
            report(one, answer)
            if bar.console.is_terminal:
                bar.progress("listening", done, len(found))
    return faults


def _expect_all(faults: int, of: int) -> None:
    if faults:
        recordings = "the only recording" if of == 1 else f"{faults} of {of} recordings"
        raise DamagedError(f"{recordings} could not be read, for the reason above.")
