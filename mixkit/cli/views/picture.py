"""A drawing in a file."""

from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure

from mixkit.storage.atomic import FIX, write_whole


def write_png(path: Path, figure: Figure, fix: str = FIX) -> None:
    """Writes it as PNG, whole.

    Args:
        path: where.
        figure: what.
        fix: the end of an error: what the user can do.

    Raises:
        RunError: the file cannot be written.
    """
    content = BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_whole(path, content.getvalue(), fix)
