"""Where data lie that mixkit makes, fetches or keeps."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from mixkit.errors import DataError

VARIABLE = "MIXKIT_DATA"
FIX = f"Set {VARIABLE} to a folder that can be written to and has room."


def data_folder() -> Path:
    """The folder for data that mixkit makes or fetches: `$MIXKIT_DATA`, or `mixkit` where the system keeps caches.

    Raises:
        DataError: there is no home folder to have a cache in.
    """
    chosen = os.environ.get(VARIABLE, "")
    try:
        return Path(chosen).expanduser().absolute() if chosen else user_cache_path("mixkit", appauthor=False)
    except RuntimeError:
        raise DataError(f"no home folder to keep data in. {FIX}") from None


def nearest(folder: Path) -> Path:
    """The folder itself, or the first above it that is there: on its disk, to be asked for room."""
    return next(path for path in (folder, *folder.parents) if path.exists())
