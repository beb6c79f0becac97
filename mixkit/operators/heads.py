"""Heads: the channels of a token in equal parts, each of which attends by itself."""

from mixkit.errors import SettingError


def split_heads(width: int, head_width: int) -> tuple[int, int]:
    """How many heads a width has, and how wide each is: one, where the model is narrower than a head.

    Raises:
        SettingError: `head_width` does not divide the width.
    """
    head_width = min(head_width, width)
    if width % head_width:
        divisor = next(divisor for divisor in range(head_width, 0, -1) if width % divisor == 0)
        fix = f"Use a divisor, such as {divisor}."
        raise SettingError("head_width", f"is {head_width}, which does not divide a width of {width}. {fix}")
    return width // head_width, head_width
