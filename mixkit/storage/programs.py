"""Programs of the system, found where its administrator or the user has put them."""

import os
import shutil
from functools import cache


@cache
def find_program(name: str) -> str | None:
    """The absolute path of a program, looked for once; None where there is none.

    Only the absolute folders of `$PATH` are searched, and never the working folder, in which a stranger's file of that
    name may lie.

    Args:
        name: of the program, such as `ffmpeg`.
    """
    here = os.path.realpath(os.curdir)
    folders = (folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(folder))  # noqa: PTH117
    searched = os.pathsep.join(folder for folder in folders if os.path.realpath(folder) != here)
    return shutil.which(name, path=searched) if searched else None
