"""What the tests of faults share: their size, and a host that runs a stranger's files in children of its own.

`pytest tests/faults` is of the size for every commit, `pytest tests/faults --size release` the one before a release.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.faults.host import Host
from tests.faults.trainings import arguments, sounds, undisturbed  # noqa: F401 (fixtures)

SIZES = ("commit", "release")
MEASURED: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--size", choices=SIZES, default=None, help="of the tests of faults: commit or release")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in MEASURED:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def release(pytestconfig: pytest.Config) -> bool:
    """Whether the long tests are asked for, by `--size release` or MIXKIT_FAULTS=release."""
    asked = pytestconfig.getoption("--size", None) or os.environ.get("MIXKIT_FAULTS", "commit")
    assert asked in SIZES, asked
    return asked == "release"


@pytest.fixture(scope="session")
def measured() -> list[str]:
    """Lines for the end of the report."""
    return MEASURED


@pytest.fixture(scope="session")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the importable package `evil`, which says that it was run by writing to $CANARY."""
    site = tmp_path_factory.mktemp("site")
    (site / "evil" / "part").mkdir(parents=True)
    fire = "import os\nopen(os.environ['CANARY'], 'a').close()\n"
    go = "\n\ndef go(*_, **__):\n    open(os.environ['CANARY'], 'a').close()\n"
    (site / "evil" / "__init__.py").write_text(fire + go)
    (site / "evil" / "part" / "__init__.py").write_text("import os\n" + go)
    (site / "evil" / "part" / "x.gin").write_text("x = 1\n")
    (site / "app.py").write_text("def recipe(name=None): ...\n")
    return site


@pytest.fixture(scope="session")
def host(evil: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Runs commands and functions in children; they can import `evil`, and a browser that they open is noticed."""
    browser = tmp_path_factory.mktemp("browser") / "browser"
    browser.write_text('#!/bin/sh\n: > "$CANARY"\n')
    browser.chmod(0o755)
    host = Host((evil,), {"BROWSER": str(browser), "CANARY": str(browser.parent / "unset")})
    yield host
    host.close()


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 2 classes x 8 recordings, a quarter of a second each."""
    root = tmp_path_factory.mktemp("recordings")
    dice = np.random.default_rng(0)
    for label, pitch in (("low", 300.0), ("high", 1500.0)):
        (root / label).mkdir()
        for number in range(8):
            sound = 0.3 * np.sin(2 * np.pi * pitch * dice.uniform(0.9, 1.1) * np.arange(4000) / 16_000)
            soundfile.write(root / label / f"{number}.wav", sound + 0.01 * dice.standard_normal(4000), 16_000)
    return root


def recipe_text(recordings: Path) -> str:
    """The smallest recipe that trains."""
    return (
        "block.branches = [@operator.channel()]\nmodel.width = 8\nmodel.depth = 1\nrecipe.task = @task.folder()\n"
        f"task.folder.root = {str(recordings)!r}\ntask.folder.seconds = 0.25\ntrain.epochs = 1\n"
        "train.batch_size = 8\ntrain.learning_rate = 0.001\n"
    )


@pytest.fixture(scope="session")
def stopped_run(host: Host, recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped behind its last epoch: it has weights and state, and no results."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "small.gin").write_text(recipe_text(recordings))
    said = host.mixkit("train", "small.gin", "--runs", "runs", "--name", "stopped", folder=folder, limit=60)
    assert said.code == 0, said.out + said.err
    (folder / "runs" / "stopped" / "results.json").unlink()
    return folder / "runs" / "stopped"


@pytest.fixture
def copied_run(stopped_run: Path, tmp_path: Path) -> Path:
    """A copy of the stopped run, to do harm to."""
    return Path(shutil.copytree(stopped_run, tmp_path / "run"))
