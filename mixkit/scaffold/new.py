"""A plugin to begin with: a working, documented example of a kind, and its test."""

import importlib.util
import keyword
import shlex
import sys
from importlib import resources
from pathlib import Path
from string import Template

from mixkit.errors import MixkitError, did_you_mean, printable
from mixkit.registry import REGISTRIES, with_article
from mixkit.scaffold.like import likeness

KINDS = tuple(REGISTRIES)
_OWN_TEST = ("operator", "task", "weights")  # the others have one that is the same for all
_LONGEST = 40
_TAKEN = {
    "Clip",
    "Grid",
    "Rate",
    "SettingError",
    "Taken",
    "Count",
    "Draw",
    "NotNegative",
    "Path",
    "PathName",
    "Positive",
    "Share",
    "Site",
    "Template",
    "Tensor",
}


def scaffold(kind: str, name: str, to: Path, like: str | None = None) -> tuple[Path, Path]:
    """Writes NAME.py and test_NAME.py.

    Args:
        kind: one of `KINDS`.
        name: by which recipes will know it; snake_case.
        to: the folder, made if it is not there.
        like: of an operator: another whose settings it gets, and whose work it begins with.

    Returns:
        The plugin and its test.

    Raises:
        MixkitError: there is no such kind, the name cannot be used or is taken, a file is there already, or nothing is
            named `like`.
    """
    if kind not in KINDS:
        raise MixkitError(f"no kind named {printable(kind)!r}.{did_you_mean(kind, KINDS)}")
    _expect_free(kind, name)
    own = with_article(kind)
    if like is not None and kind != "operator":
        fault = f"--like {printable(like)} is for operators, and this is {own}."
        raise MixkitError(f"{fault} Leave it out.")
    if to.exists() and not to.is_dir():
        raise MixkitError(f"{printable(str(to))} is no folder. Choose another with --to.")
    plugin, test = to / f"{name}.py", to / f"test_{name}.py"
    for path in (plugin, test):
        if path.exists() or path.is_symlink():
            raise MixkitError(
                f"{printable(str(path))} is already there. Choose another name, or another folder with --to."
            )
    words = {
        "kind": kind,
        "name": name,
        "cls": _class(kind, name),
        "path": _shown(plugin),
        "test_path": _shown(test),
        "function": name,
        "summary": f"{own.capitalize()} of one's own, to be changed: what it does, and what it says of itself.",
    }
    text = _filled(kind, words) if like is None else _filled("like", words | likeness(like, name))
    to.mkdir(parents=True, exist_ok=True)
    plugin.write_text(text, encoding="utf-8")
    test.write_text(_filled(f"test_{kind}" if kind in _OWN_TEST else "test", words), encoding="utf-8")
    return plugin, test


def _expect_free(kind: str, name: str) -> None:
    asked = f"{kind} {printable(name)!r}"
    if not name.isidentifier() or name != name.lower() or keyword.iskeyword(name):
        raise MixkitError(f"{asked} is no snake_case name. Use letters, digits and _.")
    if len(name) > _LONGEST:
        raise MixkitError(f"{asked} has {len(name)} letters. Use at most {_LONGEST}.")
    if name.startswith(("_", "test_")) or name == "conftest":
        raise MixkitError(f"{asked} would be left out of a folder of plugins, as a test is. Choose another name.")
    registry = REGISTRIES[kind]
    if name in registry.names():
        raise MixkitError(f"{asked} is already defined at {registry.entry(name).where}. Choose another name.")
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        raise MixkitError(f"{asked} has the name of an installed module. Choose another name.")


def _class(kind: str, name: str) -> str:
    found = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return f"{found}{kind.title()}" if found in _TAKEN or not found.isidentifier() else found


def _shown(path: Path) -> str:
    text = shlex.quote(str(path))
    return text if len(text) <= 2 * _LONGEST else path.name


def _filled(template: str, words: dict[str, str]) -> str:
    text = resources.files("mixkit.scaffold").joinpath("templates", f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(words)
