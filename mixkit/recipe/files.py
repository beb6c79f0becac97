"""Recipe files read with their includes and imports; nothing outside the recipe's folder and the shipped ones."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mixkit.plugins.load import load_installed
from mixkit.recipe import catalog
from mixkit.recipe.faults import Faults, Place
from mixkit.recipe.keys import near, twin_of
from mixkit.recipe.limits import BYTES
from mixkit.recipe.statements import UNKNOWN, Binding, Import, Include, Key, Statement, lost
from mixkit.recipe.syntax import parse
from mixkit.storage.regular import NotRegular, open_regular
from mixkit.values import show

INCLUDES = 16


@dataclass(frozen=True)
class Origin:
    """A file that is being read: where it is, how faults name it, and where its includes may be."""

    path: Path
    shown: str
    roots: tuple[Path, ...]
    including: tuple["Origin", ...] = ()


class Reader:
    """Reads recipes, and keeps count of includes and of plugins that are imported.

    Args:
        faults: what is wrong is noted here.
        plugins: modules that a recipe may import, for the user has named them.
    """

    def __init__(self, faults: Faults, plugins: Iterable[str]):
        self.imported: list[str] = []
        self.faults = faults
        self._plugins = frozenset(plugins)
        self._includes = 0

    def read(self, path: Path) -> tuple[list[Binding], list[Binding]]:
        """What the includes of a recipe set, and what it sets itself, each in its order."""
        roots = (_real(path.parent), _real(catalog.shipped()))
        return self._file(Origin(path, shown(path), roots), Place(shown(path)), set())

    def read_text(self, text: str, file: str) -> list[Binding]:
        """What a text sets; it stands in no folder, so it includes nothing."""
        return self._alone(text.encode(errors="surrogatepass"), file)

    def read_recorded(self, path: Path) -> list[Binding]:
        """What the resolved recipe of a run sets; it includes nothing."""
        place = Place(shown(path))
        content = self._content(Origin(path, shown(path), ()), place)
        return [lost(place)] if content is None else self._alone(content, shown(path))

    def _alone(self, content: bytes, file: str) -> list[Binding]:
        statements = parse(content, lambda line: Place(file, line), self.faults)
        own = self._own(statements)
        for include in statements:
            if isinstance(include, Include):
                self.faults.add(include.place, f"include {show(include.path)} has no place in a resolved recipe.")
                own.append(lost(include.place))
        return own

    def read_line(self, line: str) -> list[Binding]:
        """What a `--set` line sets."""
        place = Place(line, option="--set")
        statements = parse(line.encode(errors="surrogatepass"), lambda _: place, self.faults)
        found = [statement for statement in statements if isinstance(statement, Binding)]
        if len(found) != 1 or len(statements) != 1:
            self.faults.add(place, "is not one setting. Write key = value.")
        return found

    def _own(self, statements: list[Statement]) -> list[Binding]:
        """The settings of one file, its header checked."""
        own = [statement for statement in statements if isinstance(statement, Binding)]
        self._refuse_repeated(own)
        above: Binding | None = None
        for statement in statements:
            if isinstance(statement, Binding):
                above = above or (statement if statement.value is not UNKNOWN else None)
                continue
            granted = not isinstance(statement, Import) or self._import(statement)
            if above and granted:
                what = statement.text if isinstance(statement, Import) else f"include {show(statement.path)}"
                where = f"a setting (line {above.place.line})"
                self.faults.add(statement.place, f"{what} stands below {where}. Move it to the top of the file.")
        return own

    def _refuse_repeated(self, own: list[Binding]) -> None:
        first: dict[Key, Binding] = {}
        for binding in own:
            known = first.setdefault(binding.key, binding)
            twin = first.get(twin_of(binding) or binding.key)
            if binding.value is UNKNOWN:
                continue
            if known is not binding:
                text = f"{binding} is already set on line {known.place.line}. Keep one of the two."
                self.faults.add(binding.place, text)
            elif twin and twin is not binding and twin.value is not None:
                text = f"{binding} says what {twin} says on line {twin.place.line}. Keep one of the two."
                self.faults.add(binding.place, text)

    def _import(self, statement: Import) -> bool:
        if not statement.plain:
            message = f"{statement.text}: a recipe imports nothing but plugins, as `import NAME`. Remove the line."
        elif module := statement.module if statement.module in self._plugins else load_installed(statement.module):
            self.imported.append(module)
            return True
        else:
            message = (
                f"{statement.text}: that plugin is not loaded. If you trust it, "
                f"add --plugin {statement.module} (a path or an installed module)."
            )
        self.faults.add(statement.place, message, "untrusted")
        return False

    def _file(self, origin: Origin, asked: Place, seen: set[Path]) -> tuple[list[Binding], list[Binding]]:
        seen.add(_real(origin.path))
        content = self._content(origin, asked)
        if content is None:
            return [], [lost(asked)]
        statements = parse(content, lambda line: Place(origin.shown, line), self.faults)
        included: list[Binding] = []
        for statement in statements:
            if isinstance(statement, Include):
                included.extend(self._include(statement, origin, seen))
        return included, self._own(statements)

    def _include(self, include: Include, origin: Origin, seen: set[Path]) -> list[Binding]:
        self._includes += 1
        if self._includes > INCLUDES:
            if self._includes == INCLUDES + 1:
                self.faults.add(include.place, f"there are more than {INCLUDES} includes. Join some of the files.")
            return [lost(include.place)]
        found = self._locate(include, origin)
        if found is None:
            return [lost(include.place)]
        chain = found.including
        same = next((place for place, above in enumerate(chain) if _real(above.path) == _real(found.path)), None)
        if same is not None:
            names = " -> ".join([*(above.shown for above in chain[same:]), found.shown])
            self.faults.add(include.place, f"include {show(include.path)} goes in a circle: {names}. Remove one.")
            return []
        if _real(found.path) in seen:
            return []  # two files may include the same third one, which then stands where it came first
        inner, own = self._file(found, include.place, seen)
        return [*inner, *own]

    def _locate(self, include: Include, origin: Origin) -> Origin | None:
        """The file that is meant: beside the including one, else among the shipped recipes."""
        asked, text = f"include {show(include.path)}", include.path
        if not text or not text.isprintable() or len(text) > 1000:
            self.faults.add(include.place, f"{asked} is no path. Write one such as 'size/tiny.gin'.")
            return None
        if text.startswith(("/", "\\", "~")) or ":" in text:
            message = f"{asked} is not relative. Write the path from the folder of this file."
            self.faults.add(include.place, message, "untrusted")
            return None
        folders = [origin.path.parent, catalog.shipped()]
        inside = [folder for folder in folders if _within(Path(os.path.normpath(_real(folder) / text)), origin.roots)]
        there = [folder for folder in inside if os.path.lexists(folder / text)]
        if not inside or (there and not _within(_real(there[0] / text), origin.roots)):
            message = f"{asked} leads out of the folder of the recipe. Move the file into it."
            self.faults.add(include.place, message, "untrusted")
            return None
        if not there:
            meant = near(text, [f"{name}{catalog.SUFFIX}" for name in (*catalog.fragments(), *catalog.names())])
            hint = f"Did you mean {meant!r}?" if meant else "Write the path from the folder of this file."
            self.faults.add(include.place, f"{asked} is no file, here or among the shipped recipes. {hint}")
            return None
        beside = there[0] == origin.path.parent
        name = os.path.normpath(Path(origin.shown).parent / text) if beside else shown(there[0] / text)
        return Origin(there[0] / text, name, origin.roots, (*origin.including, origin))

    def _content(self, origin: Origin, asked: Place) -> bytes | None:
        try:
            with open_regular(_real(origin.path)) as file:
                return file.read(BYTES + 1)
        except NotRegular:
            reason = "is not a regular file"
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
        self.faults.add(asked, f"{origin.shown} {reason}. Name a recipe file." if asked.line else f"{reason}.")
        return None


def shown(path: Path) -> str:
    """A path as faults name it: from the working folder, where it is inside, else as it was given."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _within(path: Path, roots: Iterable[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)
