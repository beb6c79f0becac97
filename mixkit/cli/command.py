"""A command none of whose arguments may be empty."""

from typing import Any

from typer.core import TyperCommand

from mixkit.errors import MixkitError


class Command(TyperCommand):
    """Refuses what is empty before it becomes a value: an empty path is the working folder, for Python.

    `--plugin "$UNSET"` would run every file of it. No argument and no option of mixkit means anything when it is empty.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses, and then checks the words as they were given.

        Raises:
            MixkitError: one is empty or blank.
        """
        given, _, named = self.make_parser(ctx).parse_args(list(args))
        for one in named:
            values: Any = given.get(one.name)
            if any(isinstance(value, str) and not value.strip() for value in _all(values)):
                called = one.opts[0] if one.opts[0].startswith("-") else one.metavar or one.name.upper()
                raise MixkitError(f"{called} is empty. Give it a value; if it stands for a variable, that is not set.")
        return super().parse_args(ctx, args)


def _all(values: Any) -> tuple[Any, ...]:
    return tuple(values) if isinstance(values, list | tuple) else (values,)
