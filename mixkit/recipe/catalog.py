"""Shipped recipes: find, list, copy."""

from pathlib import Path

from mixkit.errors import did_you_mean, nearest
from mixkit.recipe.faults import RecipeError, refuse

SUFFIX = ".gin"
STUDIES = ("study/", "paper/")
SPACES = ("search/",)


def shipped() -> Path:
    """The folder of shipped recipes: inside an installed package, or `recipes/` of a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def names() -> tuple[str, ...]:
    """Recipes that train as they are, such as `asm_rh`."""
    return tuple(sorted(path.stem for path in shipped().glob(f"*{SUFFIX}")))


def fragments() -> tuple[str, ...]:
    """Parts to layer over a recipe with `--with`, such as `size/base` and `task/demo`."""
    return tuple(name for name in _nested() if not name.startswith((*STUDIES, *SPACES)))


def studies() -> tuple[str, ...]:
    """What `mixkit ablate` takes, tables of papers among them."""
    return tuple(name for name in _nested() if name.startswith(STUDIES))


def spaces() -> tuple[str, ...]:
    """What `mixkit search --space` takes."""
    return tuple(name for name in _nested() if name.startswith(SPACES))


def find(source: str | Path) -> Path:
    """The file of a recipe, given a path or the name of a shipped one.

    Raises:
        RecipeError: there is no such file or name; the nearest one is suggested.
    """
    asked = str(source)
    if asked in (*names(), *_nested()):
        return shipped() / f"{asked}{SUFFIX}"
    path = Path(asked)
    if _exists(path):
        if not path.is_dir():
            return path
        inside = sorted(path.glob(f"*{SUFFIX}"))
        hint = f", such as {inside[0]}" if inside else ""
        raise refuse(f"{asked!r} is a folder. Name a recipe file{hint}.")
    raise _missing(asked)


def find_layer(asked: str, beside: Path) -> Path:
    """The file of a `--with` layer: beside the recipe, else a shipped one, else a path; `.gin` may be left out.

    Raises:
        RecipeError: there is no such file.
    """
    name = asked if asked.endswith(SUFFIX) else f"{asked}{SUFFIX}"
    for folder in (beside, shipped(), Path()):
        path = folder / name
        if _exists(path) and not path.is_dir():
            return path
    known = {*fragments(), *names()}
    raise refuse(f"no recipe to layer is named {asked!r}.{did_you_mean(asked.removesuffix(SUFFIX), known)}")


def copy(name: str | Path, to: Path) -> Path:
    """Writes a shipped recipe (or any other) to a new file; `to` may be a folder. Returns the file.

    Raises:
        RecipeError: there is no such recipe, or the file is already there, or cannot be written.
    """
    source = find(name)
    target = to / source.name if to.is_dir() else to
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(source.read_bytes())
    except OSError as error:
        if target.exists():
            raise refuse(f"{target} is already there. Choose another name, or remove it.") from None
        raise refuse(f"{target} cannot be written: {error.strerror}. Choose another place.") from None
    return target


def no_recipe(fragment: str) -> RecipeError:
    """The error of a fragment that is taken for a recipe, for the caller to raise."""
    return refuse(f"{fragment} is no recipe, but a part to lay over one: mixkit train small_data --with {fragment}.")


def summary(path: Path) -> str:
    """The first comment line of a recipe, for lists; empty if it has none."""
    with path.open(encoding="utf-8") as file:
        first = file.readline()
    return first.lstrip("#").strip() if first.startswith("#") else ""


def _nested() -> tuple[str, ...]:
    root = shipped()
    return tuple(sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.glob(f"*/**/*{SUFFIX}")))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


def _missing(asked: str) -> RecipeError:
    known = {*names(), *_nested()}
    if part := next((part for part in fragments() if part.partition("/")[2] == asked), None):
        return no_recipe(part)
    if not asked.endswith(SUFFIX):
        beside = f" Did you mean the file {asked}{SUFFIX}?" if _exists(Path(f"{asked}{SUFFIX}")) else ""
        return refuse(f"no recipe {asked!r}.{beside or did_you_mean(asked, known)}")
    path = Path(asked)
    stem = path.name.removesuffix(SUFFIX)
    if stem in known:
        return refuse(f"no file {asked}. Did you mean the shipped recipe {stem!r}?")
    near = nearest(path.name, [file.name for file in path.parent.glob(f"*{SUFFIX}")] if _exists(path.parent) else [])
    hint = f"Did you mean {path.parent / near}?" if near else "Name a file, or a recipe of `mixkit list recipes`."
    return refuse(f"no file {asked}. {hint}")
