"""A module in the working folder is not taken for another, in each way in which mixkit is started."""

import subprocess
import sys
from pathlib import Path

import pytest

NAMES = ("typer", "rich", "torch", "numpy", "soundfile", "gin", "einops", "pickle", "random", "tempfile", "dataclasses")
SPAWN = """
from mixkit.bench import memory
if __name__ == "__main__":
    try:
        memory.peak_memory(None, None, 0, "cpu")
    except Exception:
        pass
"""


@pytest.fixture
def canaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a module of each name, which says that it was run."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r} + ' ')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "ran"


@pytest.mark.parametrize(
    "start",
    [
        ("-m", "mixkit", "list", "tasks"),
        ("-u", "-m", "mixkit", "list", "tasks"),
        ("-P", "-m", "mixkit", "list", "tasks"),
        (str(Path(sys.executable).with_name("mixkit")), "list", "tasks"),
    ],
    ids=["-m", "torchrun's -u -m", "-P -m", "console script"],
)
def test_nothing_of_it_runs(start: tuple[str, ...], canaries: Path) -> None:
    done = subprocess.run([sys.executable, *start], capture_output=True, text=True, check=False)
    assert not canaries.exists(), canaries.read_text()
    assert done.returncode == 0, done.stderr


def test_the_canaries_are_live(canaries: Path) -> None:
    """The control."""
    careless = [sys.executable, "-c", "import mixkit.cli; mixkit.cli.main()", "list", "tasks"]
    subprocess.run(careless, capture_output=True, check=False)
    assert canaries.exists()


def test_a_spawned_process_is_no_exception(canaries: Path) -> None:
    """The one in which `mixkit bench` measures memory; -P is not handed on to it from a file."""
    (canaries.parent / "bench").mkdir()
    program = canaries.parent / "bench" / "program.py"
    program.write_text(SPAWN)
    subprocess.run([sys.executable, program], capture_output=True, check=False)
    assert not canaries.exists(), canaries.read_text()
