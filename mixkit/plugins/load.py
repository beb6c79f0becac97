"""Plugins: a user's own operators, tasks and more. A plugin is code, and is only loaded from where the user pointed.

There are three ways to point: `--plugin` on a command line, the environment variable `MIXKIT_PLUGINS`, and installing
a package that offers an entry point in the group `mixkit.plugins`. The working folder, data sets and run folders are
never searched.

An installed plugin is imported when a recipe says `import NAME` or a command `--plugin NAME`, and not before: mixkit
starts as fast with fifty of them, one that fails harms nobody who does not use it, and a recipe says what it is made
of. Only `mixkit list` imports them all, for it is asked what there is.
"""

import importlib
import importlib.util
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

from mixkit.errors import MixkitError, printable
from mixkit.registry import REGISTRIES

VARIABLE = "MIXKIT_PLUGINS"
GROUP = "mixkit.plugins"


def load_plugins(named: Iterable[str] = ()) -> tuple[str, ...]:
    """Imports the plugins that the user named, so that their operators are registered.

    Args:
        named: files, folders of files, installed plugins or modules; those in the environment variable
            `MIXKIT_PLUGINS` (separated like PATH) come first. In a folder, tests and names that begin with `_` are
            left out.

    Returns:
        The modules, by which a recipe may `import` them.

    Raises:
        MixkitError: one is not there, or fails while it is imported; it is named, and nothing of it stays registered.
    """
    return load_only([*filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)), *named])


def as_options(named: Iterable[str]) -> str:
    """Plugins as they are typed behind a command: ` --plugin mine.py`; nothing without."""
    return "".join(f" --plugin {shlex.quote(name)}" for name in named)


def load_only(named: Iterable[str]) -> tuple[str, ...]:
    """As `load_plugins`, without those in the environment."""
    names: list[str] = []
    for entry in named:
        names += _load(entry)
    return tuple(dict.fromkeys(names))


def loaded_plugins() -> tuple[str, ...]:
    """The modules beside mixkit that have registered something: the user has named them before."""
    entries = (registry.entry(name) for registry in REGISTRIES.values() for name in registry.names())
    modules = (entry.target.__module__ for entry in entries)
    return tuple(dict.fromkeys(module for module in modules if not module.startswith("mixkit.")))


def load_installed(name: str) -> str | None:
    """Imports the plugin of an installed package.

    Args:
        name: of its entry point, or of the module behind that.

    Returns:
        Its module; None where no package offers one of that name.

    Raises:
        MixkitError: two packages offer that name, or it fails while it is imported.
    """
    found = [point for point in _installed() if name in (point.name, point.module)]
    modules = sorted({point.module for point in found})
    if len(modules) > 1:
        offers = " and ".join(_offer(point) for point in found)
        raise MixkitError(f"plugin {name} is offered by {offers}. Name one by its module: {' or '.join(modules)}.")
    if not found:
        return None
    module: str = modules[0]
    _guarded(f"{name} ({_offer(found[0])})", module, found[0].load)
    return module


def load_all_installed() -> tuple[str, ...]:
    """Imports every installed plugin; one that fails is left out.

    Returns:
        What is wrong with those that fail, a sentence each.
    """
    faults = []
    for point in _installed():
        try:
            load_installed(point.module)
        except MixkitError as error:
            faults.append(str(error))
    return tuple(dict.fromkeys(faults))


def is_installed(module: str) -> bool:
    """Whether a package offers a plugin of that module, or of one below it."""
    return any(f"{point.module}.".startswith(f"{module}.") for point in _installed())


def _installed() -> tuple[EntryPoint, ...]:
    return _offered_in(tuple(sys.path), Path.cwd())


@cache
def _offered_in(places: tuple[str, ...], here: Path) -> tuple[EntryPoint, ...]:
    # `python -m mixkit` puts the working folder on the path, and with it whatever claims there to be installed.
    searched = [place for place in places if place and Path(place).resolve() != here.resolve()]
    found = [point for one in distributions(path=searched) for point in one.entry_points.select(group=GROUP)]
    return tuple(sorted(found, key=lambda point: (point.name, point.value)))


def _offer(point: EntryPoint) -> str:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed package"
    return printable(f"{point.value} of {package}")


def _load(entry: str) -> list[str]:
    if not entry.strip():
        raise MixkitError("a plugin is named '', which is nothing. Name a file, a folder or a module.")
    path = Path(entry).expanduser()
    if path.is_dir():
        files = sorted(file for file in path.glob("*.py") if _is_plugin(file))
        if not files:
            raise MixkitError(f"plugin folder {entry} holds no .py file.")
        return [_load_file(file) for file in files]
    if path.suffix == ".py" or os.sep in entry:
        if not path.is_file():
            raise MixkitError(f"plugin {entry} is no file. Check the path.")
        return [_load_file(path)]
    module = load_installed(entry)
    if module is None:
        _guarded(entry, entry, lambda: importlib.import_module(entry))
    return [module or entry]


def _is_plugin(file: Path) -> bool:
    return not file.name.startswith(("_", "test_")) and file.name != "conftest.py"


def _load_file(path: Path) -> str:
    name, origin = path.stem, str(path.resolve())
    if not name.isidentifier():
        raise MixkitError(
            f"plugin {path} has a name that no recipe can import. Rename the file: letters, digits and _, and .py."
        )
    known = sys.modules.get(name)
    if known is not None:
        if getattr(known, "__file__", None) == origin:
            return name
        raise MixkitError(f"plugin {path} has the name of the module {name!r}, which is in use. Rename the file.")
    spec = importlib.util.spec_from_file_location(name, origin)
    if spec is None or spec.loader is None:
        raise MixkitError(f"plugin {path} is no Python file. Give it the suffix .py.")
    run_module(str(path), spec)
    return name


def run_module(said: str, spec: ModuleSpec) -> None:
    """Runs a plugin's module, so that others can import it.

    Args:
        said: what the error calls it.
        spec: name and loader.

    Raises:
        MixkitError: it fails; nothing of it stays registered.
    """
    module = importlib.util.module_from_spec(spec)

    def run() -> None:
        assert spec.loader is not None
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)

    _guarded(said, spec.name, run)


def _guarded(said: str, module: str, load: Callable[[], object]) -> None:
    """Has a module loaded; if that fails, nothing of it stays behind, and the error says which."""
    from mixkit.defaults import unchanged_defaults  # torch takes seconds, and is not needed where nothing is loaded

    try:
        with unchanged_defaults():
            load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        sys.modules.pop(module, None)
        for registry in REGISTRIES.values():
            registry.forget(module)
        raise MixkitError(_fault(said, error)) from error


def _fault(said: str, error: BaseException) -> str:
    if isinstance(error, MixkitError):
        return f"plugin {said}: {error}"
    if isinstance(error, SyntaxError):
        return f"plugin {said} is not valid Python: {printable(f'{error.msg} ({error.filename}:{error.lineno})')}."
    last = traceback.extract_tb(error.__traceback__)[-1]
    reason = printable(f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})")
    return f"plugin {said} failed while it was imported: {reason}."
