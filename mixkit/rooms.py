"""A room that is a function, too: `mixkit.report(...)` beside `mixkit.report.statistics`."""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class FunctionRoom(ModuleType):
    """A package that can be called."""

    home: str
    """The module with the function, which has the name of the room."""

    @property
    def function(self) -> Callable[..., Any]:
        """What a call of the room calls."""
        found: Callable[..., Any] = getattr(importlib.import_module(self.home), self.__name__.rpartition(".")[2])
        return found

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Calls the function of that name."""
        return self.function(*arguments, **named)


def also_a_function(room: str, home: str) -> None:
    """Makes a package one that can be called.

    Args:
        room: its name.
        home: the module with the function.
    """
    package = sys.modules[room]
    package.__class__ = FunctionRoom
    package.home = home  # type: ignore[attr-defined]
