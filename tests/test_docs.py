"""What README and docs show is run: recipes load, commands end well, Python does what it says."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import mixkit
from mixkit.recipe import catalog
from mixkit.registry import operator
from mixkit.search.candidates import Base, check_space
from mixkit.search.space import load_space
from mixkit.study.definition import load_study
from mixkit.tasks.clip import BUILT_IN, suffixes
from tests.conftest import Said
from tests.nursery import Ended, Nursery
from tests.test_operators import ours

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHORT = ["--set", "train.epochs = 1"]
QUICK = [*SHORT, "--set", "model.width = 16", "--set", "model.depth = 2"]
WHOLE = {name for name in catalog.names() if mixkit.load_recipe(name).network}  # which have no width and depth
ELSEWHERE = (
    "make ",
    "python benchmarks/",
    "python3 ",
    "pip ",
    "docs/",
    "for ",
    "done",
    "  ",
)  # set-up, and loops over long runs


def blocks(language: str) -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        title = "(?: title=.*?)?" if language == "gin" else ""  # elsewhere it marks a file that commands need
        fence = rf"^```{language}{title}\n(.*?)^```$"
        for number, text in enumerate(re.findall(fence, page.read_text(), re.M | re.S), 1):
            found.append((f"{page.name}-{number}", text))
    return found


def files_of(block: str) -> list[tuple[str, str]]:
    """The files that the page of a block shows, each as ```python title="plugins/name.py", or as ```gin."""
    page = next(page for page in PAGES if page.name == block.rpartition("-")[0])
    return re.findall(r'^```\w+ title="(.+?)"\n(.*?)^```$', page.read_text(), re.M | re.S)


def test_there_is_something_to_run() -> None:
    assert len(blocks("sh")) >= 4
    assert len(blocks("python")) >= 2
    assert len(blocks("gin")) >= 1


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in blocks("gin")])
def test_recipes_load(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.gin"
    path.write_text(text)
    if "study." in text:
        assert load_study(path)
        return
    if "search." in text:
        check_space(load_space(path), Base("small_data", (), (), 0))
        return
    recipe = mixkit.load_recipe(path)
    assert recipe.network or recipe.model.pattern or recipe.model.stages


@pytest.mark.usefixtures("without_plugins")
@pytest.mark.parametrize(
    ("block", "text"),
    [
        pytest.param(name, text, id=name, marks=[pytest.mark.slow] if "mixkit ablate" in text else [])
        for name, text in blocks("sh")
    ],
)
def test_commands_end_well(
    block: str,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mixkit_command: Callable[..., Said],
    nursery: Nursery,
) -> None:
    monkeypatch.chdir(tmp_path)
    # Takes two processes for each row of a bench; tests/test_bench.py measures it.
    monkeypatch.setattr("mixkit.bench.measure.peak_memory", lambda *_: 3 * 2**20)
    shutil.copytree(ROOT / "plugins", tmp_path / "plugins")
    for name, content in files_of(block):
        assert not Path(name).exists(), f"{name} would hide a plugin that is shipped"
        Path(name).write_text(content)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    Path("clips").mkdir()
    soundfile.write("clips/street.wav", 0.1 * np.random.default_rng(0).standard_normal((66_150, 2)), 22_050)
    makefile = (ROOT / "Makefile").read_text()
    for line in text.splitlines():
        command = line.split(" #")[0].strip()
        if command.startswith("make "):
            assert f"\n{command.split()[1]}:" in makefile
        if command.startswith("python benchmarks/"):
            assert (ROOT / command.split()[1]).is_file()
        if not command.startswith("mixkit "):
            assert not command or line.startswith(ELSEWHERE), f"nothing checks {line!r}"
            continue
        arguments = shlex.split(command)[1:]
        if any(part in command for part in ("path/to", "../data", "data get", "task/ravdess")):
            continue  # needs recordings that are not here; the recipes are loaded by tests/test_recipes.py
        if arguments[0] == "train":
            arguments += SHORT if WHOLE & {*arguments} else QUICK
            arguments += ["--set", "task.demo.clips = 4"] if "task/" not in command else []
        if arguments[0] == "ablate":
            arguments += [*QUICK, "--set", "task.demo.clips = 4", "--seeds", "0"]
        if arguments[0] == "bench":
            arguments = [part for part in arguments if part != "--compile"]  # at full size, and compiled: minutes
            arguments += [*QUICK, "--batch", "2", "--rounds", "1"]
        if arguments[:3] == ["data", "check", "demo"]:
            arguments += ["--set", "task.demo.clips = 4"]
        if arguments[:2] == ["copy", "asm_rh"]:
            Path("mine.gin").unlink(missing_ok=True)
        if arguments[0] == "ablate":  # which starts others, and each of them would import torch
            said: Ended | Said = nursery.run(*arguments, folder=tmp_path)
        else:
            said = mixkit_command(*arguments)
        assert said.code == 0, said


@pytest.mark.usefixtures("without_plugins")
@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in blocks("python")])
def test_python_does_what_it_says(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(operator, "_entries", {n: operator.entry(n) for n in operator.names()})
    shutil.copytree(ROOT / "plugins", tmp_path / "plugins")
    quick = '"train.epochs = 1", "model.width = 16", "model.depth = 2", "task.demo.clips = 4"'
    names: dict[str, object] = {"__name__": "docs"}
    exec(compile(text.replace('"train.epochs = 1"', quick), "docs.py", "exec"), names)
    if "trained" in names:
        assert names["trained"].labels == names["task"].labels  # type: ignore[attr-defined]
        assert [path.name for path in Path("runs").iterdir()] == ["asm_rh"]


def shown_errors() -> list[tuple[str, str]]:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    return re.findall(r"^```text\n\$ mixkit (.*?)\n(error: .*?)^```$", page, re.M | re.S)


@pytest.mark.parametrize(("command", "shown"), shown_errors())
def test_errors_are_those_that_are_shown(
    command: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mixkit_command: Callable[..., Said]
) -> None:
    if "--device cuda" in command and torch.cuda.is_available():
        pytest.skip("there is a CUDA GPU, so nothing is wrong")
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    for name, content in files_of("troubleshooting.md-1"):
        Path(name).write_text(content)
    said = mixkit_command(*shlex.split(command))
    assert said.code == 2
    shown = shown.replace(", ".join(BUILT_IN), ", ".join(suffixes()))  # more of them where ffmpeg is installed
    assert re.fullmatch(re.escape(shown).replace(r"\.\.\.", ".*"), said.err), said.err


COMMANDS = [
    (page.name, line)
    for page in PAGES
    for block in re.findall(r"^```(?:text)?\n(.*?)^```$", page.read_text(), re.M | re.S)
    for line in re.findall(r"^(?:\$ )?(?:.* \| )?mixkit ([a-z].*)$", block, re.M)
    if line.split()[0] not in ("failed,",)
]


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_that_are_not_run_exist_with_their_options(
    page: str, line: str, mixkit_command: Callable[..., Said]
) -> None:
    """Those that need a cluster, four GPUs or a film."""
    words = shlex.split(line.split("  #")[0])
    name = words[:2] if words[0] == "data" else words[:1]
    said = mixkit_command(*name, "--help")
    assert said.code == 0, (page, line)
    for option in (word for word in words if word.startswith("--")):
        assert option in said.out, (page, line)


def test_an_option_that_is_not_there_is_noticed(mixkit_command: Callable[..., Said]) -> None:
    """The control of the test above."""
    assert "--wih" not in mixkit_command("train", "--help").out
    assert mixkit_command("trian", "--help").code == 2


def test_the_plugin_in_the_readme_is_the_one_that_is_shipped() -> None:
    shipped = (ROOT / "plugins" / "gated_time.py").read_text()
    (shown,) = (text for name, text in blocks("python") if "@operator" in text and name.startswith("README"))
    body = shown[shown.index("        super()") : shown.index("    def forward")]
    for line in body.strip().splitlines():
        assert line.split("  #")[0].strip() in shipped


def test_the_page_of_parity_has_every_operator_and_names_files_of_tests() -> None:
    text = (ROOT / "docs" / "parity.md").read_text()
    assert re.findall(r"^\| \[`(\w+)`\]\(operators/\1\.md\)", text, re.M) == [spec.name for spec in ours()]
    named = re.findall(r" \| (\w+) \|$", text.partition("| --- |")[2], re.M)
    assert len(named) > 25
    assert set(named) <= {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
