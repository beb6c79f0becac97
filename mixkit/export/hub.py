"""Runs on the Hugging Face Hub: weights, recipe and figures, and a model card made from them."""

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from mixkit.checkpoints.weights import BEST, REFITTED, load, read_weights
from mixkit.errors import MixkitError, RunError, printable
from mixkit.export.card import card
from mixkit.recipe.identity import what
from mixkit.runs.folder import COMPLETE, METRICS, RECIPE, TABLE, Run, expect_name

KEPT = (RECIPE, "recipe.json", COMPLETE, METRICS, TABLE, BEST, REFITTED)
PICTURES = ("curves", "confusion", "classes", "spectrograms")
FILES = (*KEPT, *(f"figures/{name}.png" for name in PICTURES))
"""All that goes either way. Nothing of them is code; names of recordings and of the machine stay here."""

CARD = "README.md"
Answer = TypeVar("Answer")


def expect_hub() -> None:
    """Refuses to go on without the library.

    Raises:
        MixkitError: it is not installed.
    """
    if find_spec("huggingface_hub") is None:
        raise MixkitError("the Hub needs huggingface_hub. Install it: pip install 'mixkit[hub]'.")


def stage(folder: Path, to: Path, repository: str) -> list[str]:
    """Writes what `push` sends of a run, and tells the lines of its recipe that name places of this machine.

    Args:
        folder: a complete run.
        to: an empty folder.
        repository: where it is to be, `user/name`.

    Raises:
        RunError: the run is not complete, or is pretrained.
        DamagedError: it is not what mixkit wrote.
    """
    expect_hub()
    run = Run.open(folder)
    results = run.results()
    tested = folder / (REFITTED if results.refit else BEST)
    header, _ = read_weights(tested, run)
    for name in FILES:
        if (folder / name).is_file():
            (to / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(folder / name, to / name)
    (to / CARD).write_text(
        card(results, json.loads((folder / "recipe.json").read_bytes()), header["recipe"], repository)
    )
    lines, kept = (text.splitlines() for text in (header["recipe"], what(header["recipe"])))
    return [line for line in lines if line and line[0] != "#" and line not in kept and ("'/" in line or "'~" in line)]


def push(staged: Path, repository: str, public: bool = False) -> str:
    """Sends a folder that `stage` wrote. A new repository is private unless told otherwise.

    Args:
        staged: the folder.
        repository: `user/name`.
        public: whether anyone may see a new repository.

    Returns:
        Where it is.

    Raises:
        MixkitError: the Hub refuses, or cannot be reached.
    """
    expect_hub()
    from huggingface_hub import HfApi

    def send() -> str:
        made = HfApi().create_repo(repository, private=not public, exist_ok=True)
        HfApi().upload_folder(repo_id=made.repo_id, folder_path=staged, commit_message="A run of mixkit")
        return str(made)

    return _asked(send, repository)


def pull(repository: str, folder: Path, revision: str | None = None, plugins: tuple[str, ...] = ()) -> Run:
    """A run from the Hub as a run folder. Nothing of it is run, and its weights are proven before it has its name.

    Args:
        repository: `user/name`.
        folder: not there yet.
        revision: a branch, tag or commit; None for the newest.
        plugins: modules already loaded that its recipe may import.

    Raises:
        RunError: the folder is there, or its name is none.
        MixkitError: the Hub refuses, or cannot be reached.
        DamagedError: it is no run, or not what was written.
        TrustError: its recipe would run code.
    """
    expect_hub()
    from huggingface_hub import snapshot_download

    from mixkit.storage.atomic import new_folder, writing

    expect_name(folder.name)
    if folder.exists():
        raise RunError(f"{folder} is already there. Choose another --name, or remove it.")
    with TemporaryDirectory() as cache:

        def fetch() -> str:
            return snapshot_download(repository, revision=revision, allow_patterns=[*FILES], cache_dir=cache)

        found = Path(_asked(fetch, repository))
        weights = [name for name in (BEST, REFITTED) if (found / name).is_file()]
        if not weights or not (found / RECIPE).is_file():
            raise RunError(f"{printable(repository)} holds no run of mixkit: it has no {RECIPE} and {BEST}.")
        with writing(folder), new_folder(folder) as fresh:
            for name in FILES:
                if (found / name).is_file():
                    (fresh / name).parent.mkdir(exist_ok=True)
                    shutil.copyfile(found / name, fresh / name)
            identity = read_weights(fresh / weights[-1])[0].get("run", "")
            Run(fresh).write_json("environment.json", {"id": identity, "pulled": repository, "revision": found.name})
            load(fresh, plugins=plugins)
    return Run(folder)


def _asked(ask: Callable[[], Answer], repository: str) -> Answer:
    """What the Hub answers; whatever its library raises is told in a line."""
    try:
        return ask()
    except Exception as error:
        said: Any = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise MixkitError(
            f"the Hub and {printable(repository)}: {printable(said)[:300].rstrip('.')}. "
            "Look at the name USER/NAME and the network; log in with: hf auth login"
        ) from None
