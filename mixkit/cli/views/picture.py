"""A drawing in a file."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from mixkit.cli.views.terminal import say, stderr
from mixkit.storage.atomic import FIX, write_whole
from mixkit.storage.picture import PictureError, rendered


def write_png(path: Path, draw: Callable[[], Figure], fix: str = FIX) -> bool:
    """Writes it as PNG, whole; one that cannot be drawn is said on stderr, and the command goes on.

    Args:
        path: where.
        draw: makes the figure.
        fix: the end of an error: what the user can do.

    Returns:
        Whether it could be drawn.

    Raises:
        RunError: the file cannot be written.
    """
    try:
        content = rendered(draw)
    except PictureError as error:
        say(f"{path} is not drawn: {error}", console=stderr())
        return False
    write_whole(path, content, fix)
    return True
