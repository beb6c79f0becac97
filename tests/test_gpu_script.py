"""The script for a visit to a GPU machine: a part that fails or takes too long costs itself alone, and all is told."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_script"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def part(gpu: ModuleType, code: str, seconds: float = 20.0, read: Any = None) -> Any:
    return gpu.Part("a part", seconds, ("-c", code), read or gpu._json)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("code", "ended", "found"),
    [
        ("print('warming up'); print('{\"a\": 1}')", "well", {"a": 1}),
        ("print('{\"a\": 1}'); raise SystemExit(3)", "with exit code 3", {"a": 1}),
        ("print('no document')", "well", {"unread": "ValueError: substring not found"}),
    ],
)
def test_how_a_part_ends_is_told(gpu: ModuleType, out: Path, code: str, ended: str, found: object) -> None:
    done = gpu.carried_out(part(gpu, code), out, 60.0)
    assert (done.ended, done.found) == (ended, found)
    gpu.write(out, {"device": "none"}, [done])
    kept = json.loads((out / "gpu.json").read_text())
    assert kept["parts"][0]["found"] == found
    assert f"## a part: ended {ended}" in (out / "gpu.md").read_text()


def test_a_part_that_takes_too_long_is_cut_off_with_what_it_said(gpu: ModuleType, out: Path) -> None:
    code = "import time; print('{\"a\": 1}', flush=True); time.sleep(60)"
    done = gpu.carried_out(part(gpu, code, 1.0), out, 60.0)
    assert (done.ended, done.found) == ("cut off after 1 s", {"a": 1})


def test_the_parts_are_those_of_a_visit_and_the_first_is_correctness(gpu: ModuleType, out: Path) -> None:
    for device in ("cuda", "cpu"):
        made = gpu.parts(device, out)
        assert [one.name for one in made][:3] == ["tests", "step", "main job"]
        assert len({one.name for one in made}) == len(made)
        scripts = [Path(one.command[0]) for one in made if one.command[0].endswith(".py")]
        assert len(scripts) == 4
        assert all(path.is_file() for path in scripts)
        assert all(one.seconds <= gpu.WHOLE for one in made)
    assert gpu.WHOLE <= 7 * 60


def test_what_tests_found_is_read(gpu: ModuleType, out: Path) -> None:
    said = "FAILED tests/test_cuda.py::test_a - assert 1 == 2\n1 failed, 2 passed in 3 s\n"
    assert gpu._tests(said, out) == {"summary": "1 failed, 2 passed in 3 s", "failed": [said.splitlines()[0]]}
