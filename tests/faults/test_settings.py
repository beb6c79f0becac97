"""G4: every text that a recipe can set, filled with what a loader of code, files or pages would follow."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mixkit.recipe.keys import settings_of
from mixkit.recipe.schema import SECTIONS
from mixkit.registry import REGISTRIES
from tests.faults.host import Host

EVIL = ("evil:go", "evil.go", "../../canary", "OUTSIDE", "https://127.0.0.1:9/evil", "x" * 2**20)
ROOTS = ("root", "folder")  # of data and of noise: where the recipe says that recordings are, and may be anywhere
ON_SERVERS = "task.shards.root"  # it may say that they are on a server, and nothing else may
KINDS = (*SECTIONS, *REGISTRIES)


def texts(kind: str) -> list[tuple[str, str]]:
    """The settings of a section, or of all that is registered of a kind, that take text."""
    owners = [kind] if kind in SECTIONS else [f"{kind}.{name}" for name in REGISTRIES[kind].names()]
    found = [(owner, name, str(takes)) for owner in owners for name, takes in settings_of(owner).items()]
    return [(owner, name) for owner, name, takes in found if "str" in takes or "Literal" in takes or "Any" in takes]


def fill(owner: str, setting: str, evil: list[str]) -> None:
    """Sets it by a recipe, and builds what can be built; runs in a child."""
    from mixkit.errors import MixkitError
    from mixkit.recipe.gin_file import load_recipe

    kind, _, name = owner.partition(".")
    for value in (value for text in evil for value in (text, (text,))):
        shown = repr(list(value)) if isinstance(value, tuple) else repr(value)
        lines = [f"{owner}.{setting} = {shown}"]
        if kind == "task":
            lines.insert(0, f"recipe.task = @task.{name}()")
        elif kind == "operator":
            lines.insert(0, f"block.branches = [@operator.{name}()]")
        with suppress(MixkitError):
            recipe = load_recipe("asm_rh", ["size/tiny"], lines)
            _use(recipe, listing=kind == "task")
        with suppress(MixkitError, OSError):
            _build(kind, name, {setting: value})


def _use(recipe: Any, listing: bool) -> None:
    from mixkit.errors import MixkitError
    from mixkit.model.classifier import build
    from mixkit.registry import task
    from mixkit.runs.folder import Run

    Run.place(recipe, Path("runs"))
    build(recipe, 2)
    source = task.build(recipe.task)
    for split in ("train", "valid", "test") if listing else ():
        with suppress(MixkitError, OSError):  # OSError: a path of a megabyte
            _ = source.labels, list(source.clips(split))[:3]


def _build(kind: str, name: str, settings: dict[str, Any]) -> None:
    import torch

    from mixkit.registry import Grid, Site

    if kind in SECTIONS:
        return
    weight = torch.nn.Parameter(torch.ones(2))
    context: dict[str, tuple[Any, ...]] = {
        "operator": (Site(Grid(4, 4), 16, 0, 1),),
        "augmentation": (16_000,),
        "features": (16_000, 1.0),
        "stem": (64, 96, 16),
        "downsample": (Grid(4, 4), 16, 16),
        "pool": (Site(Grid(4, 4), 16, 0, 1),),
        "head": (16, 2),
        "loss": (None,),
        "distillation": (False,),
        "optimizer": ([weight], 0.1),
        "schedule": (10, 5),
        "weights": (None,),
        "network": (64, 96, 2),
    }
    registry = REGISTRIES[kind]
    made = registry.build(registry.spec(name, **settings), *context.get(kind, ()))
    if kind == "task":
        _ = made.labels, [list(made.clips(split))[:3] for split in ("train", "valid", "test")]


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_is_followed(host: Host, tmp_path: Path, kind: str, measured: list[str]) -> None:
    work, outside = tmp_path / "deep" / "er" / "work", tmp_path / "outside"
    work.mkdir(parents=True)
    for folder in (tmp_path / "deep" / "canary", outside):
        folder.mkdir()
        (folder / "secret.wav").write_bytes(b"secret")
    canary = tmp_path / "canary.fired"
    variables = {"CANARY": str(canary), "MIXKIT_DATA": str(tmp_path / "data"), "HOME": str(tmp_path / "home")}
    variables["TORCHINDUCTOR_CACHE_DIR"] = str(tmp_path / "data" / "torch")  # made when timm is imported
    before = sorted(tmp_path.rglob("*"))
    tried = 0
    asked: list[str] = []
    for owner, setting in texts(kind):
        evil = [text.replace("OUTSIDE", str(outside)) for text in EVIL]
        said = host.call(f"{__name__}:fill", owner, setting, evil, folder=work, environment=variables, watched=True)
        assert said.code == 0, f"{owner}.{setting}: {said.code} {said.err[-1500:]}"
        assert not canary.exists(), f"{owner}.{setting}"
        events = [event for event in said.events if f"{owner}.{setting}" != ON_SERVERS or not asks(event)]
        assert not odd(events, tmp_path, setting), f"{owner}.{setting}: {odd(events, tmp_path, setting)}"
        if any(map(asks, said.events)):
            asked.append(f"{owner}.{setting}")
        tried += len(evil)
    made = {path for path in tmp_path.rglob("*") if path not in before} - {tmp_path / "data", work / "runs"}
    assert not [path for path in made if tmp_path / "data" not in path.parents], made
    assert asked == ([ON_SERVERS] if kind == "task" else [])
    measured.append(f"G4: {kind}: {tried} settings filled, nothing followed")


def asks(event: list[str]) -> bool:
    """Whether it is a connection."""
    return event[0].startswith("socket.")


def odd(events: list[list[str]], folder: Path, setting: str) -> list[list[str]]:
    """What was done that nobody asked for: connections, processes, writes, and reads of what is outside."""
    found = []
    for event, path in events:
        ours = path.startswith(str(folder / "data")) or path == "/dev/null" or path.startswith("/proc/self")
        strange = "canary" in os.path.normpath(path) or "outside" in path or "secret" in path
        if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.posix")):
            found.append([event, path])
        elif event in ("write", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink"):
            found += [] if ours else [[event, path]]
        elif strange and setting not in ROOTS:
            found.append([event, path])
    return found


def follow(text: str) -> None:
    """The control: what a careless program makes of a text."""
    import importlib
    import urllib.request

    with suppress(Exception):
        importlib.import_module(text.partition(":")[0].partition(".")[0])
    for careless in (lambda: Path(text).open().close(), lambda: list(Path(text).iterdir()), lambda: Path(text).mkdir()):
        with suppress(Exception):
            careless()
    with suppress(Exception):
        urllib.request.urlopen(text, timeout=1)


@pytest.mark.parametrize("text", EVIL[:5])
def test_what_is_followed_is_noticed(host: Host, tmp_path: Path, text: str) -> None:
    """The control: each of them is live."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    text = text.replace("OUTSIDE", str(tmp_path / "outside"))
    canary = tmp_path / "fired"
    variables = {"CANARY": str(canary)}
    said = host.call(f"{__name__}:follow", text, folder=tmp_path / "a" / "b", environment=variables, watched=True)
    assert canary.exists() or odd(said.events, tmp_path, "x")


def test_there_are_many() -> None:
    assert sum(len(texts(kind)) for kind in KINDS) >= 40
