"""Plugins load from where the user pointed, and from nowhere else; each fault names the plugin."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import mixkit
from mixkit.errors import MixkitError
from mixkit.plugins.load import load_plugins
from mixkit.registry import Grid, Site, operator

EXAMPLE = Path(__file__).parents[1] / "plugins" / "gated_time.py"


pytestmark = pytest.mark.usefixtures("without_plugins")


def test_the_example_is_an_operator() -> None:
    assert "gated_time" not in operator.names()
    assert load_plugins([str(EXAMPLE)]) == ("gated_time",)
    assert load_plugins([str(EXAMPLE)]) == ("gated_time",)  # naming it twice does no harm
    built = operator.build(operator.spec("gated_time"), Site(Grid(2, 3), width=4))
    assert built(torch.randn(2, 6, 4)).shape == (2, 6, 4)


def test_a_folder_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "first_plugin.py").write_text("made = 1\n")
    for left_out in ("_private.py", "test_first_plugin.py", "conftest.py"):
        (tmp_path / left_out).write_text("raise RuntimeError\n")
    monkeypatch.setenv("MIXKIT_PLUGINS", str(EXAMPLE))
    assert load_plugins([str(tmp_path)]) == ("gated_time", "first_plugin")


def test_nothing_is_found_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lying_around.py").write_text("raise RuntimeError\n")
    monkeypatch.chdir(tmp_path)
    assert load_plugins() == ()
    assert "lying_around" not in sys.modules


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("missing.py", None, "plugin {path} is no file. Check the path."),
        ("broken.py", "def\n", "plugin {path} is not valid Python: invalid syntax ({path}:1)."),
        (
            "raising.py",
            "x = 1\nraise KeyError('k')\n",
            "plugin {path} failed while it was imported: KeyError: 'k' ({path}:2).",
        ),
        (
            "leaving.py",
            "import sys\nsys.exit(3)\n",
            "plugin {path} failed while it was imported: SystemExit: 3 ({path}:2).",
        ),
        (
            "json.py",
            "",
            "plugin {path} has the name of the module 'json', which is in use. Rename the file.",
        ),
    ],
)
def test_faults_name_the_plugin(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(MixkitError) as caught:
        load_plugins([str(path)])
    assert str(caught.value) == message.format(path=path)
    assert path.stem not in sys.modules or path.stem == "json"


def test_a_file_that_no_recipe_can_import(tmp_path: Path) -> None:
    (tmp_path / "my-plugin.py").touch()
    with pytest.raises(MixkitError) as caught:
        load_plugins([str(tmp_path / "my-plugin.py")])
    assert str(caught.value) == (
        f"plugin {tmp_path}/my-plugin.py has a name that no recipe can import. "
        "Rename the file: letters, digits and _, and .py."
    )


def test_half_a_plugin_leaves_nothing_behind(tmp_path: Path) -> None:
    half = EXAMPLE.read_text().replace('"gated_time"', '"half"')
    (tmp_path / "half.py").write_text(f"{half}\nraise ValueError\n")
    with pytest.raises(MixkitError, match="failed while it was imported: ValueError"):
        load_plugins([str(tmp_path / "half.py")])
    assert "half" not in operator.names()
    (tmp_path / "half.py").write_text(half)
    load_plugins([str(tmp_path / "half.py")])
    assert "half" in operator.names(), "the control: without the error it is registered"


def test_a_name_of_ours_cannot_be_taken_first(tmp_path: Path) -> None:
    """In a process that has not looked at the operators yet, a plugin comes before them."""
    path = tmp_path / "early.py"
    path.write_text(EXAMPLE.read_text().replace('"gated_time"', '"channel"'))
    code = f"from mixkit.plugins.load import load_plugins\nload_plugins([{str(path)!r}])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MixkitError: plugin" in said.stderr
    assert "operator 'channel'" in said.stderr
    assert "is already defined at" in said.stderr


def test_a_module_that_is_not_installed() -> None:
    with pytest.raises(MixkitError, match=r"^plugin no_such_module failed while it was imported: ModuleNotFoundError"):
        load_plugins(["no_such_module"])


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(MixkitError) as caught:
        load_plugins([str(tmp_path)])
    assert str(caught.value) == f"plugin folder {tmp_path} holds no .py file."


TASK = '''
from mixkit import task

@task("bare")
class Bare:
    """Lists nothing much."""

    def __init__(self, *, {settings}seconds: float = 1.0):
        self.labels, self.folds, self.seconds, self.sample_rate = ("a", "b"), (), seconds, 16000
        {more}

    def clips(self, split):
        return ()
'''


@pytest.mark.parametrize(
    ("settings", "more", "message"),
    [
        ("", "", "recipe.task is 'bare', which has no setting 'sample_rate'. Add it."),
        (
            "sample_rate: int = 16000, ",
            "self.notes = ()",
            "the task Bare has no 'protocol'. See mixkit.registry.Task for all parts.",
        ),
        (
            "sample_rate: int = 16000, ",
            "self.notes, self.protocol = (), 'mine'",
            "the split 'train' is empty. Give it clips, or larger shares to be cut from.",
        ),
    ],
)
def test_a_task_that_lacks_a_part_is_told_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, more: str, message: str
) -> None:
    from mixkit.registry import task
    from mixkit.training.loop import train

    task.names()
    monkeypatch.setattr(task, "_entries", dict(task._entries))
    (tmp_path / "bare_task.py").write_text(TASK.format(settings=settings, more=more or "pass"))
    plugins = load_plugins([str(tmp_path / "bare_task.py")])
    recipe = mixkit.load_recipe("asm_rh", settings=["recipe.task = @task.bare()"], plugins=plugins)
    with pytest.raises(MixkitError) as caught:
        train(recipe, tmp_path / "runs") if settings else mixkit.build(recipe, classes=2)
    assert message in str(caught.value)
    assert not (tmp_path / "runs").exists()
