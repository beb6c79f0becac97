"""What several test files share: the command line in this process, small recordings, and what `--quick` leaves out."""

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.nursery import Nursery

# One thread is faster than two for networks this small, and gives the same bits wherever the tests run.
os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="run only what is listed as `quick` in pyproject.toml")
    parser.addini("quick", "tests that --quick runs: files, or file::test", type="args")


def chosen(config: pytest.Config) -> tuple[str, ...]:
    """The tests that are listed as quick; each has to exist."""
    names = tuple(config.getini("quick"))
    missing = [name for name in names if not (HERE.parent / name.partition("::")[0]).is_file()]
    if missing:
        raise pytest.UsageError(f"`quick` in pyproject.toml lists files that do not exist: {', '.join(missing)}")
    return names


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `--quick`, files of which nothing is run are not even imported."""
    if not config.getoption("--quick") or not collection_path.name.startswith("test_"):
        return None
    files = {HERE.parent / name.partition("::")[0] for name in chosen(config)}
    return True if collection_path not in files else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--quick"):
        left = [item for item in items if not item.nodeid.startswith(chosen(config))]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """After a quick run: how many tests were left out, of which kind, and how to run them."""
    if not config.getoption("--quick"):
        return
    kinds: Counter[str] = Counter()
    for path in HERE.rglob("test_*.py"):
        folder, file = path.parent.relative_to(HERE).as_posix(), path.relative_to(HERE.parent).as_posix()
        names = [f"{file}::{name}" for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)]
        kind = path.stem.split("_")[1] if folder == "." else folder
        kinds[kind] += sum(not name.startswith(chosen(config)) for name in names)
    told = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common(12))
    terminalreporter.write_line(
        f"quick: left out {kinds.total()} test functions ({told}, and others).\n"
        "Run them all with `make test`, or some with `pytest -n auto tests/test_NAME.py`."
    )


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What mixkit makes for itself in the tests goes where pytest clears up, and never into the user's cache."""
    os.environ["MIXKIT_DATA"] = str(tmp_path_factory.mktemp("data"))


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def mixkit_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs `mixkit ...` in this process."""
    from mixkit.cli import main

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["mixkit", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Runs commands in processes of their own, without the seconds that importing torch takes."""
    nursery = Nursery(tmp_path_factory.mktemp("nursery"))
    yield nursery
    nursery.close()


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    """A folder of 2 classes x 6 recordings, half a second each."""
    root = tmp_path / "tones"
    dice = np.random.default_rng(0)
    for label, pitch in (("low", 300.0), ("high", 1500.0)):
        (root / label).mkdir(parents=True)
        for number in range(6):
            time = np.arange(8000) / 16_000
            sound = 0.3 * np.sin(2 * np.pi * pitch * dice.uniform(0.9, 1.1) * time) + 0.02 * dice.standard_normal(8000)
            soundfile.write(root / label / f"{number}.wav", sound, 16_000)
    return root


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that hears half a second, for tests of what is done with runs. Its answers mean nothing."""
    import mixkit
    from mixkit.training.loop import train  # which draws nothing

    lines = [
        "train.epochs = 1",
        "model.width = 16",
        "model.depth = 2",
        "task.demo.clips = 4",
        "task.demo.seconds = 0.5",
    ]
    return train(mixkit.load_recipe("asm_rh", settings=lines), tmp_path_factory.mktemp("runs")).folder


@pytest.fixture
def chords(tmp_path: Path) -> Path:
    """80 recordings of up to three tones at once, and a table that says which."""
    root = tmp_path / "chords"
    pitches = {"low": 300.0, "mid": 1000.0, "high": 3000.0}
    root.mkdir()
    dice, time = np.random.default_rng(0), np.arange(8000) / 16_000
    rows = ["path,label"]
    for number in range(80):
        tags = [label for label in pitches if dice.random() < 0.45]
        sound = 0.02 * dice.standard_normal(8000)
        for tag in tags:
            sound += dice.uniform(0.1, 0.3) * np.sin(2 * np.pi * pitches[tag] * dice.uniform(0.9, 1.1) * time)
        soundfile.write(root / f"{number:02d}.wav", sound, 16_000)
        rows.append(f"{number:02d}.wav,{';'.join(tags)}")
    (root / "clips.csv").write_text("\n".join(rows))
    return root


@pytest.fixture
def without_plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No plugin is loaded when the test begins, and none that it loads is left behind."""
    from mixkit.registry import REGISTRIES

    for registry in REGISTRIES.values():
        registry.names()
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.delenv("MIXKIT_PLUGINS", raising=False)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        origin = Path(getattr(sys.modules[name], "__file__", None) or "")
        if origin.parent.name == "plugins" or origin.is_relative_to(tmp_path):
            del sys.modules[name]
