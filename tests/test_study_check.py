"""`mixkit check` on a study: every arm resolved and built, all that is wrong told at once; data may be absent."""

from collections.abc import Callable
from pathlib import Path

import pytest

import mixkit
from mixkit.recipe import catalog
from tests.conftest import Said

Command = Callable[..., Said]

SMALL = ("--with", "size/tiny", "--with", "task/demo", "--set", "task.demo.clips = 4")
PLUGINS = Path(__file__).parents[1] / "plugins"
PREFIX = "has no place for 2 prefix tokens. Set model.prefix = 0, or use an operator over all tokens."


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path))


def write(*lines: str, base: str = "asm_rh") -> None:
    Path("mine.gin").write_text("".join(f"{line}\n" for line in (f"study.base = '{base}'", *lines)))


def test_a_sound_study(mixkit_command: Command) -> None:
    """The base is an arm though none is named so; one that comes to the same as another is left out, and said."""
    write("study.seeds = [0, 1]", "study.arms = {'flat': ['model.depth = 1'], 'again': ['model.depth = 1']}")
    said = mixkit_command("check", "mine.gin", *SMALL)
    assert (said.code, said.err) == (0, "")
    head, base, flat, left_out, updates = said.out.splitlines()
    assert head == "mine is sound: 2 arms x 2 seeds = 4 runs."
    assert base.startswith("  asm_rh  4 blocks over a 8 x ")
    assert flat.startswith("  flat    1 blocks over a 8 x ")
    assert flat.endswith(" parameters for 10 classes")
    assert left_out == "Arm 'again' comes to the same recipe as 'flat': it is left out."
    assert " updates: " in updates
    assert mixkit.check("mine.gin", SMALL[1:4:2], [SMALL[5]]) == said.out.rstrip("\n"), "from Python, too"
    assert sorted(path.name for path in Path().iterdir()) == ["mine.gin"], "nothing is written"


def test_arms_of_other_lengths_each_say_theirs(mixkit_command: Command) -> None:
    write("study.arms = {'short': ['train.steps = 7'], 'long': ['train.steps = 9', 'model.depth = 1']}")
    said = mixkit_command("check", "mine.gin", *SMALL, "--set", "train.steps = 9")
    assert [line.partition(" updates")[0] for line in said.out.splitlines()[-2:]] == ["asm_rh, long: 9", "short: 7"]


def test_all_faults_of_all_arms_at_once(mixkit_command: Command) -> None:
    """What cannot be read and what cannot be built, the base too; `mixkit ablate` would meet the latter run by run."""
    write(
        "study.set = ['model.prefix = 2']",
        "study.arms = {",
        "    'typo': ['model.dpth = 2'],",
        "    'tokens': ['block.branches = [@operator.shift(), @operator.channel()]'],",
        "    'sound': ['block.branches = [@operator.token(), @operator.channel()]'],",
        "}",
        base="shift_mixer",
    )
    said = mixkit_command("check", "mine.gin", *SMALL)
    assert (said.code, said.out) == (2, "")
    base, tokens, typo = said.err.splitlines()
    assert base.startswith("error: mine.gin:1: arm 'shift_mixer': shift mixes the ")
    assert base.endswith(PREFIX)
    assert tokens.startswith("mine.gin:3: arm 'tokens': shift mixes the ")
    assert tokens.endswith(PREFIX)
    assert typo.startswith(
        "mine.gin:3: arm 'typo': --set \"model.dpth = 2\": model.dpth is no setting. Did you mean 'dep"
    )


def test_a_table_of_the_paper_without_its_data(mixkit_command: Command, tmp_path: Path) -> None:
    said = mixkit_command("check", "paper/table_6")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(
        "table_6 is sound: 3 arms x 3 seeds = 9 runs.\n"
        "  ASM-RH  12 blocks over a 12 x 50 grid, 62,454,058 parameters for 10 classes\n"
        "  ASM-H   12 blocks over a 12 x 50 grid, 62,454,058 parameters for 10 classes\n"
        "  ASM-R   12 blocks over a 12 x 50 grid, 62,454,058 parameters for 10 classes\n"
        f"How many updates a run makes is not known: {tmp_path}/urbansound8k: no such folder. "
    )
    assert mixkit_command("check", "paper/table_6", "--set", "model.dpth = 2").code == 2, "the control"


@pytest.mark.parametrize("name", catalog.studies())
def test_every_shipped_study_is_sound(mixkit_command: Command, name: str) -> None:
    said = mixkit_command("check", name)
    assert said.code == 0, said.err
    assert f"{name.split('/')[1]} is sound: " in said.out.splitlines()[0]


@pytest.mark.usefixtures("without_plugins")
def test_a_study_with_a_plugin(mixkit_command: Command) -> None:
    plugin = "import gated_time\n"
    write("study.swap = {'roll_time': ['gated_time']}")
    Path("mine.gin").write_text(plugin + Path("mine.gin").read_text())
    assert mixkit_command("check", "mine.gin").code == 3
    said = mixkit_command("check", "mine.gin", *SMALL, "--plugin", PLUGINS / "gated_time.py")
    assert said.code == 0, said.err
    assert "  roll_time -> gated_time  4 blocks over a 8 x " in said.out


def test_folds_that_are_those_of_absent_recordings(mixkit_command: Command) -> None:
    write("study.with = ['task/esc10_folder']", "study.folds = 'all'", "study.arms = {'flat': ['model.depth = 1']}")
    said = mixkit_command("check", "mine.gin")
    assert (said.code, said.err) == (0, "")
    missing = "task.folder.root is not set. Say where the recordings are: --set \"task.folder.root = 'path'\"."
    assert said.out.splitlines()[0] == f"mine is sound: 2 arms; how many runs is not known: {missing}"
    assert said.out.splitlines()[-1] == f"The number of classes is assumed: {missing}"


@pytest.mark.parametrize("line", ["study.arms = {'same': []}", "study.seeds = [0, 1, 2]"])
def test_a_study_of_one_arm(mixkit_command: Command, line: str) -> None:
    write(line)
    said = mixkit_command("check", "mine.gin")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0].startswith("mine is sound: 3 seeds = 3 runs.")
