"""What the shell completes, and that it needs no torch for it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mixkit.cli import completion
from mixkit.recipe import catalog


def folders(root: Path) -> None:
    for name in ("runs/asm_rh/001", "runs/study/runs/0a1b"):
        (root / name).mkdir(parents=True)
        (root / name / "recipe.gin").touch()
    (root / "runs/study/study.json").touch()
    (root / "runs/empty").mkdir()
    (root / "mine.gin").touch()
    (root / "more").mkdir()
    (root / "more" / "other.gin").touch()


CASES: dict[str, tuple[Callable[[str], list[str]], str, list[str]]] = {
    "recipes": (completion.recipes, "asm_", ["asm_h", "asm_r", "asm_rh"]),
    "a file": (completion.recipes, "mi", ["mine.gin"]),
    "a file in a folder": (completion.recipes, "more/", ["more/other.gin"]),
    "a folder": (completion.recipes, "./mo", []),
    "a folder that is not there": (completion.recipes, "nowhere/x", []),
    "fragments": (completion.fragments, "size/b", ["size/base", "size/bc_resnet_1", "size/bc_resnet_3"]),
    "studies": (completion.studies, "study/f", ["study/fsdd_speakers"]),
    "runs": (completion.runs, "", ["runs/asm_rh/001", "runs/study", "runs/study/runs/0a1b"]),
    "runs that begin so": (completion.runs, "runs/a", ["runs/asm_rh/001"]),
    "runs in a folder": (completion.runs, "runs/study/", ["runs/study", "runs/study/runs/0a1b"][1:]),
}


@pytest.mark.parametrize(("complete", "typed", "wanted"), CASES.values(), ids=CASES)
def test_names(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    complete: Callable[[str], list[str]],
    typed: str,
    wanted: list[str],
) -> None:
    folders(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = complete(typed)
    assert found[: len(wanted)] == wanted if typed == "size/b" else found == wanted
    assert completion.recipes("") == sorted({*catalog.names(), "mine.gin"})


@pytest.mark.parametrize(
    ("words", "wanted"),
    [("mixkit train asm_r", ["asm_r", "asm_rh"]), ("mixkit train x --with size/sm", ["size/small"])],
)
def test_a_shell_asks_and_torch_stays_out(tmp_path: Path, words: str, wanted: list[str]) -> None:
    asked = {"_MIXKIT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    code = "import sys, atexit; atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr));"
    code += "sys.argv = ['mixkit']; from mixkit.cli import main; main()"
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **asked, "PYTHONPATH": root},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == wanted
    assert done.stderr.strip().endswith("False")
