"""Where data lie that mixkit makes, fetches or keeps."""

import os
from pathlib import Path

from mixkit.errors import DataError

VARIABLE = "MIXKIT_DATA"
FIX = f"Set {VARIABLE} to a folder that can be written to and has room."


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
        raise DataError(f"no home folder to keep data in. {FIX}") from None


def nearest(folder: Path) -> Path:
    """The folder itself, or the first above it that is there: on its disk, to be asked for room."""
    return next(path for path in (folder, *folder.parents) if path.exists())
