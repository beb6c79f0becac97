"""`mixkit new` writes what works as it stands: its checks, its own test, ruff and the formatter."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mixkit.conformance.operators import check_gradient, check_mixing, check_shape
from mixkit.plugins.load import load_plugins
from mixkit.registry import operator
from mixkit.scaffold.new import KINDS, scaffold
from tests.conftest import Said
from tests.nursery import Nursery

ROOT = Path(__file__).parents[1]
OURS = [name for name in operator.names() if operator.entry(name).target.__module__.startswith("mixkit.")]

pytestmark = pytest.mark.usefixtures("without_plugins")


def run(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)], cwd=folder, capture_output=True, text=True, check=False
    )


def test_all_that_is_written_is_clean(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    for kind in KINDS:
        scaffold(kind, f"own_{kind}", plugins)
    for name in OURS:
        scaffold("operator", f"own_{name}_" + "x" * (35 - len(name)), plugins, like=name)
    scaffold("operator", "tensor", plugins)  # a class of that name would hide torch's
    assert len(list(plugins.iterdir())) == 2 * (len(KINDS) + len(OURS) + 1)
    config = ("--config", ROOT / "pyproject.toml", plugins)
    for words in (("check", *config), ("format", "--check", *config), ("check", "--isolated", plugins)):
        said = run("ruff", *words, folder=ROOT)
        assert said.returncode == 0, said.stdout + said.stderr
    (plugins / "own_head.py").write_text((plugins / "own_head.py").read_text() + "import os\n")
    assert run("ruff", "check", *config, folder=ROOT).returncode == 1, "the control: ruff does look"


@pytest.mark.slow
def test_the_tests_written_pass_and_can_fail(
    nursery: Nursery, mixkit_command: Callable[..., Said], tmp_path: Path
) -> None:
    for kind in KINDS:
        assert mixkit_command("new", kind, f"own_{kind}", "--to", tmp_path).code == 0
    assert mixkit_command("new", "operator", "own_roll", "--like", "roll_time", "--to", tmp_path).code == 0
    pytest = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
    said = nursery.run(*pytest, folder=tmp_path)
    assert said.code == 0, said.out
    passed = re.search(r"^(\d+) passed", said.out, re.M)
    assert passed, said.out
    assert int(passed[1]) >= 44, said.out
    plugin = tmp_path / "own_roll.py"
    plugin.write_text(plugin.read_text().replace("self.gain * self.roll_time(x)", "x"))
    assert nursery.run(*pytest, "-x", "test_own_roll.py", folder=tmp_path).code == 1


@pytest.mark.parametrize("like", OURS)
def test_one_like_another_has_its_settings_and_holds(tmp_path: Path, like: str) -> None:
    plugin, _ = scaffold("operator", "own", tmp_path, like=like)
    load_plugins([str(plugin)])
    theirs, ours = operator.entry(like), operator.entry("own")
    assert ours.settings == theirs.settings
    assert ours.summary == f"What `{like}` does, and then a gain that each channel learns."
    for check in (check_shape, check_mixing, check_gradient):
        check(operator.spec("own"))


def test_the_command_says_what_to_do_next(
    mixkit_command: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = mixkit_command("new", "metric", "worst")
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        "Wrote plugins/worst.py and plugins/test_worst.py.\n"
        "Next:  mixkit check plugins/worst.py\n"
        "       pytest plugins/test_worst.py\n"
    )
    checked = mixkit_command("check", "plugins/")
    assert checked.out.splitlines()[-1] == "plugins/ is sound: 1 check passes (metric worst)."
    again = mixkit_command("new", "metric", "worst2", "--to", "plugins/worst.py")
    assert again.code == 2
    assert again.err == "error: plugins/worst.py is no folder. Choose another with --to.\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["metrics", "own"],
            "no kind named 'metrics'. Did you mean 'metric'? Known: augmentation, distillation, downsample, features, "
            "head, loss, metric, network, operator, optimizer, pool, schedule, stem, task, weights.",
        ),
        (["operator", "Own"], "operator 'Own' is no snake_case name. Use letters, digits and _."),
        (["operator", "my-own"], "operator 'my-own' is no snake_case name. Use letters, digits and _."),
        (["operator", "../own"], "operator '../own' is no snake_case name. Use letters, digits and _."),
        (["operator", "class"], "operator 'class' is no snake_case name. Use letters, digits and _."),
        (["operator", "json"], "operator 'json' has the name of an installed module. Choose another name."),
        (
            ["operator", "test_own"],
            "operator 'test_own' would be left out of a folder of plugins, as a test is. Choose another name.",
        ),
        (["operator", 41 * "o"], f"operator '{41 * 'o'}' has 41 letters. Use at most 40."),
        (
            ["operator", "channel"],
            f"operator 'channel' is already defined at {operator.entry('channel').where}. Choose another name.",
        ),
        (["head", "own", "--like", "linear"], "--like linear is for operators, and this is a head. Leave it out."),
        (
            ["operator", "own", "--like", "rol_time"],
            "no operator named 'rol_time'. Did you mean 'roll_time'? Known: roll_time, time and "
            f"{len(OURS) - 2} others.",
        ),
    ],
)
def test_names_that_cannot_be(
    mixkit_command: Callable[..., Said], tmp_path: Path, words: list[str], message: str
) -> None:
    said = mixkit_command("new", *words, "--to", tmp_path / "plugins")
    assert (said.code, said.out, said.err) == (2, "", f"error: {message}\n")
    assert not (tmp_path / "plugins").exists()


@pytest.mark.parametrize("there", ["own.py", "test_own.py"])
def test_nothing_is_written_over(mixkit_command: Callable[..., Said], tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    said = mixkit_command("new", "operator", "own", "--to", tmp_path)
    assert said.code == 2
    assert (
        said.err == f"error: {tmp_path / there} is already there. Choose another name, or another folder with --to.\n"
    )
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "mine")]


def test_a_plugin_is_no_model_to_copy(mixkit_command: Callable[..., Said], tmp_path: Path) -> None:
    load_plugins([str(ROOT / "plugins" / "gated_time.py")])
    said = mixkit_command("new", "operator", "own", "--like", "gated_time", "--to", tmp_path)
    where = operator.entry("gated_time").where
    assert (
        said.err == f"error: operator 'gated_time' is a plugin, {where}. Copy its file, or name one of mixkit's own.\n"
    )
