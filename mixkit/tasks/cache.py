"""How a folder of made or fetched data comes to be there whole or not at all."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from mixkit.errors import DataError
from mixkit.places import FIX
from mixkit.places import data_folder as data_folder


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
            raise DataError(f"cannot make {folder} ({error.strerror}). {FIX}") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)
