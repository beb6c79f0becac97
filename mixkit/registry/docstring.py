"""What the docstring of a registered thing says of it, section by section."""

import inspect
import re

from mixkit.registry.registry import Entry

SECTIONS = ("Shape", "Equation", "Cost", "Args", "Raises", "Returns", "Paper", "Differs")


def sections(entry: Entry) -> dict[str, str]:
    """The docstring by its sections; what stands ahead of them all has the name ''."""
    return _sections(entry.target.__doc__)


def meanings(entry: Entry) -> dict[str, str]:
    """What is said of each setting under `Args:`; of those that a class takes from another, what is said there."""
    classes = reversed(entry.target.__mro__) if inspect.isclass(entry.target) else [entry.target]
    return {name: text for owner in classes for name, text in arguments(owner).items()}


def arguments(target: object) -> dict[str, str]:
    """What the docstring of a class or function says of each name under `Args:`."""
    return described(_sections(target.__doc__).get("Args", ""))


def opening(target: object) -> str:
    """What stands in a docstring ahead of all sections."""
    return _sections(target.__doc__).get("", "")


def _sections(docstring: str | None) -> dict[str, str]:
    pieces = re.split(rf"^({'|'.join(SECTIONS)}):", inspect.cleandoc(docstring or ""), flags=re.M)
    found = {"": pieces[0].strip()}
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        found[title] = inspect.cleandoc(f"\n{body}") if body.startswith("\n") else " ".join(body.split())
    return found


def described(section: str) -> dict[str, str]:
    """What a section says of each name: `Args:` of settings, `Raises:` of errors, `Cost:` of letters."""
    entries = re.split(r"^(\w+): ", section, flags=re.M)
    return {name: " ".join(body.split()) for name, body in zip(entries[1::2], entries[2::2], strict=True)}
