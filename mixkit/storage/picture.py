"""A drawing as the bytes of a file: its text is never read as a formula, and its size has a limit."""

from collections.abc import Callable
from io import BytesIO
from typing import Any, Literal

import matplotlib
from matplotlib.figure import Figure

from mixkit.errors import MixkitError, printable

Kind = Literal["png", "svg", "pdf"]

DPI = 120
MOST_CLASSES = 60
"""Classes that a picture has room for; of more, those are drawn that tell most."""

_SIDE, _AREA = 30_000, 40_000_000  # pixels: matplotlib draws fewer than 2^16 a side, at 4 bytes each
_SETTINGS: dict[Any, Any] = {
    "text.parse_math": False,  # a $ in the name of a class is a $
    "text.usetex": False,
    "axes.formatter.use_mathtext": False,
    "svg.hashsalt": "mixkit",
    "svg.fonttype": "path",
}
_UNDATED: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}


class Drawn(Figure):
    """A figure that a notebook shows, whatever is set there."""

    def _repr_png_(self) -> bytes:
        return rendered(lambda: self)


class PictureError(MixkitError):
    """Something cannot be drawn. Nothing but a picture is lost by it."""


def rendered(draw: Callable[[], Figure], kind: Kind = "png", dpi: int = DPI) -> bytes:
    """What is drawn, as the content of a file; the same bytes for the same picture.

    Args:
        draw: makes the figure: in here, since a text keeps the settings under which it is made.
        kind: of file.
        dpi: pixels an inch; fewer where the picture would be too large.

    Raises:
        PictureError: it fails, for whatever reason.
    """
    content = BytesIO()
    try:
        with matplotlib.rc_context(_SETTINGS):
            figure = draw()
            wide, high = figure.get_size_inches()
            fine = min(dpi, _SIDE / max(wide, high), (_AREA / (wide * high)) ** 0.5)
            figure.savefig(content, format=kind, dpi=fine, transparent=kind == "svg", metadata=_UNDATED[kind])
    except MixkitError as error:
        raise PictureError(str(error)) from error
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "")
        reason = f"{type(error).__name__}: {first}" if first else type(error).__name__
        raise PictureError(f"{printable(reason[:200]).rstrip('.')}.") from error
    return content.getvalue()
