"""Plugins: a user's own operators and tasks. A plugin is code, and is only loaded from where the user pointed."""

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

from mixkit.errors import MixkitError

VARIABLE = "MIXKIT_PLUGINS"


def load_plugins(named: Iterable[str] = ()) -> tuple[str, ...]:
    """Imports the plugins that the user named, so that their operators are registered.

    Args:
        named: files, folders of files, or installed modules; those in the environment variable `MIXKIT_PLUGINS`
            (separated like PATH) come first.

    Returns:
        The names by which a recipe may `import` them.

    Raises:
        MixkitError: one is not there, or fails while it is imported; it is named.
    """
    listed = [entry for entry in os.environ.get(VARIABLE, "").split(os.pathsep) if entry]
    names: list[str] = []
    for entry in [*listed, *named]:
        names += _load(entry)
    return tuple(dict.fromkeys(names))


def _load(entry: str) -> list[str]:
    path = Path(entry).expanduser()
    if path.is_dir():
        files = sorted(file for file in path.glob("*.py") if not file.name.startswith("_"))
        if not files:
            raise MixkitError(f"plugin folder {entry} holds no .py file.")
        return [_load_file(file) for file in files]
    if path.suffix == ".py" or os.sep in entry:
        if not path.is_file():
            raise MixkitError(f"plugin {entry} is no file. Check the path.")
        return [_load_file(path)]
    return [_load_module(entry)]


def _load_file(path: Path) -> str:
    name, origin = path.stem, str(path.resolve())
    known = sys.modules.get(name)
    if known is not None:
        if getattr(known, "__file__", None) == origin:
            return name
        raise MixkitError(f"plugin {path} has the name of the module {name!r}, which is in use. Rename the file.")
    spec = importlib.util.spec_from_file_location(name, origin)
    if spec is None or spec.loader is None:
        raise MixkitError(f"plugin {path} is no Python file. Give it the suffix .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        raise _failed(str(path), error) from error
    return name


def _load_module(name: str) -> str:
    try:
        importlib.import_module(name)
    except BaseException as error:
        raise _failed(name, error) from error
    return name


def _failed(name: str, error: BaseException) -> BaseException:
    if isinstance(error, KeyboardInterrupt):
        return error
    if isinstance(error, MixkitError):
        return MixkitError(f"plugin {name}: {error}")
    if isinstance(error, SyntaxError):
        return MixkitError(f"plugin {name} is not valid Python: {error.msg} (line {error.lineno}).")
    last = traceback.extract_tb(error.__traceback__)[-1]
    return MixkitError(
        f"plugin {name} failed while it was imported: {type(error).__name__}: {error} ({last.filename}:{last.lineno})."
    )
