"""The processes that work on a search, each known by a lock that the system frees when it ends, however that ends."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixkit.storage.atomic import writing
from mixkit.storage.lock import holder, locked

PROCESSES = "processes"


@contextmanager
def process(folder: Path) -> Iterator[str]:
    """This process among those that work on a search: within the block its trials are nobody else's.

    Raises:
        DataError: the folder cannot be written to.
    """
    name = uuid.uuid4().hex[:12]
    with writing(folder):
        (folder / PROCESSES).mkdir(parents=True, exist_ok=True)
    with locked(folder / PROCESSES / name, lambda _: None):
        yield name


def at_work(folder: Path, name: str) -> bool:
    """Whether a process is still there."""
    return holder(folder / PROCESSES / Path(name).name) is not None


def others(folder: Path, name: str) -> list[str]:
    """The processes beside one that are at work."""
    return [path.name for path in (folder / PROCESSES).iterdir() if path.name != name and at_work(folder, path.name)]
