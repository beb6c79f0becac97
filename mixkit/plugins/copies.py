"""Plugins that a run keeps copies of: said what they are, and only run when the user has named their very content."""

import hashlib
import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from mixkit.errors import MixkitError, TrustError, printable
from mixkit.plugins.load import is_installed, load_plugins, run_module
from mixkit.storage.regular import open_regular

FOLDER = "plugins"
LIMIT = 2**20
"""Bytes of all copies together; a plugin is a page of code."""


def sources(names: Iterable[str]) -> dict[str, bytes]:
    """The code of plugins that are loaded, to be kept with a run.

    Args:
        names: as `load_plugins` gave them.

    Returns:
        Contents by file name, `gated_time.py` or `package/part.py`; what has no source or is too large is left out.
    """
    found: dict[str, bytes] = {}
    for name in names:
        file = Path(getattr(sys.modules.get(name), "__file__", None) or "")
        if file.suffix != ".py":
            continue
        whole = file.name == "__init__.py"
        root = file.parents[name.count(".") + whole]
        for path in sorted(file.parent.rglob("*.py")) if whole else [file]:
            found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found if sum(map(len, found.values())) <= LIMIT else {}


def load_for_run(folder: Path, named: Iterable[str] = (), trusted: str | None = None) -> tuple[str, ...]:
    """Loads the plugins that the user named, and the copies in a run of those that are missing, if they are trusted.

    Args:
        folder: of the run, or its file of weights; maybe a stranger's.
        named: plugins as on the command line.
        trusted: the digest of the copies, by which the user says that they may run; a changed byte changes it.

    Returns:
        The names by which a recipe may import them.

    Raises:
        TrustError: a plugin is missing and its copy is not trusted; it says what would be run.
        MixkitError: a plugin fails while it is imported.
    """
    loaded = load_plugins(named)
    folder = folder.parent if folder.suffix == ".safetensors" else folder
    copies = _copies(folder / FOLDER)
    there = {name.partition(".")[0] for name in loaded}
    wanted = {name: name.split("/")[0].removesuffix(".py") for name in copies}
    missing = {
        name: copies[name] for name, module in wanted.items() if module not in there and not is_installed(module)
    }
    if not missing:
        return loaded
    digest = _digest(copies)
    listed = "\n".join(_described(name, content) for name, content in copies.items())
    place = printable(folder / FOLDER)
    packaged = sorted({wanted[name] for name in missing if "/" in name})
    if trusted is None or packaged:
        raise TrustError(
            f"{printable(folder)} was made with plugins that are not loaded. Name your own with --plugin. The run "
            f"keeps copies in {place}, code of whoever made it:\n{listed}\n" + _remedy(packaged, digest)
        )
    if trusted != digest:
        raise TrustError(
            f"--trust {printable(trusted)} does not belong to what lies in {place} now:\n{listed}\n"
            f"Read it again; --trust {digest} runs it."
        )
    for name in missing:
        _expect_free(name)
    return (*loaded, *(_load(name, content, folder / FOLDER / name) for name, content in missing.items()))


def _described(name: str, content: bytes) -> str:
    lines = len(content.splitlines())
    return f"  {printable(name)}: {lines} line{'s' * (lines != 1)}, SHA-256 {hashlib.sha256(content).hexdigest()}"


def _remedy(packaged: list[str], digest: str) -> str:
    if not packaged:
        return f"Read them; --trust {digest} then runs these, and nothing else."
    names = " and ".join(map(printable, packaged))
    return f"No copy can take the place of a package. Install {names}, or name its module with --plugin."


def _copies(root: Path) -> dict[str, bytes]:
    """What a run keeps of its plugins, maybe a stranger's: regular files, and not too much."""
    found: dict[str, bytes] = {}
    for path in sorted(root.rglob("*.py")) if root.is_dir() and not root.is_symlink() else []:
        try:
            with open_regular(path, os.O_RDONLY | os.O_NOFOLLOW) as file:
                found[path.relative_to(root).as_posix()] = file.read(LIMIT + 1)
        except OSError:  # a link, a folder, a file that nobody may read
            raise TrustError(f"{printable(path)} is not a regular file that can be read. Remove it.") from None
        if sum(map(len, found.values())) > LIMIT:
            raise TrustError(f"{printable(root)} holds more than {LIMIT:,} bytes. Name your own with --plugin.")
    return found


def _digest(copies: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in copies.items():
        digest.update(f"{len(name)} {name} {len(content)} ".encode(errors="surrogateescape") + content)
    return digest.hexdigest()[:32]


def _expect_free(name: str) -> None:
    module, _, rest = name.partition(".")
    if rest != "py" or not module.isidentifier():
        raise TrustError(f"plugin {printable(name)} has a name that no recipe can import. Name your own with --plugin.")
    if module in sys.modules:
        raise TrustError(
            f"plugin {printable(name)} has the name of a module that is in use. Name your own with --plugin."
        )


def _load(name: str, content: bytes, path: Path) -> str:
    module = name.removesuffix(".py")
    spec = importlib.util.spec_from_loader(module, _Read(content, str(path)))
    assert spec is not None
    run_module(printable(path), spec)
    return module


class _Read(importlib.abc.InspectLoader):
    """Runs the very bytes that were looked at: not a file read again, and no compiled one beside it."""

    def __init__(self, content: bytes, path: str):
        self.content = content
        self.path = path

    def get_source(self, fullname: str) -> str:
        try:
            return importlib.util.decode_source(self.content)
        except (SyntaxError, UnicodeDecodeError) as error:
            raise MixkitError(f"plugin {printable(self.path)} is no Python: {error}.") from None

    def get_filename(self, fullname: str) -> str:
        return self.path

    def is_package(self, fullname: str) -> bool:
        return False
