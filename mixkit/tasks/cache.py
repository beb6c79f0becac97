"""Where made and fetched data lie, and how a folder comes to be there whole or not at all."""

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from mixkit.errors import DataError

VARIABLE = "MIXKIT_DATA"


def data_folder() -> Path:
    """The folder for data that mixkit makes or fetches: `$MIXKIT_DATA`, or `mixkit` in the user's cache.

    Raises:
        DataError: there is no home folder to have a cache in.
    """
    chosen = os.environ.get(VARIABLE, "")
    cache = os.environ.get("XDG_CACHE_HOME", "")
    try:
        if chosen:
            return Path(chosen).expanduser().absolute()
        # The XDG rules say that a relative path is to be ignored.
        return (Path(cache) if os.path.isabs(cache) else Path.home() / ".cache") / "mixkit"  # noqa: PTH117
    except RuntimeError:
        raise DataError(f"no home folder to keep data in. {_fix()}") from None


def make_whole(folder: Path, fill: Callable[[Path], None]) -> None:
    """Have `fill` put files into a folder, unless it is there already.

    The work is done in a folder beside it, renamed at the end: a reader never sees a part, a process that is killed
    leaves none under the name, and of two at once the first to finish wins.

    Raises:
        DataError: the place cannot be written to, or is full.
    """
    if folder.is_dir():
        return
    making = folder.parent / f".{folder.name}-{uuid.uuid4().hex}"
    try:
        making.mkdir(parents=True)
        fill(making)
        making.rename(folder)
    except OSError as error:
        if not folder.is_dir():
            raise DataError(f"cannot make {folder} ({error.strerror}). {_fix()}") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _fix() -> str:
    return f"Set {VARIABLE} to a folder that can be written to and has room."
