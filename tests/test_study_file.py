"""Study files: what they say, and every mistake in them told at once, by file and line."""

from pathlib import Path

import pytest

from mixkit.recipe import catalog
from mixkit.recipe.faults import RecipeError, UntrustedRecipeError
from mixkit.study.definition import load_study
from mixkit.study.plan import plan

ARMS = "study.arms = {'A': ['train.epochs = 2']}\n"
BASE = "study.base = 'asm_rh'\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.gin"
    path.write_text(text)
    return path


def test_all_that_a_study_says(tmp_path: Path) -> None:
    study = load_study(
        write(
            tmp_path,
            "study.base = 'asm_rh.gin'\nstudy.with = ['size/small']\nstudy.set = ['train.epochs = 3']\n"
            "study.seeds = [4, 5]\nstudy.folds = 'all'\nstudy.name = 'table'\nstudy.note = 'as published'\n"
            "study.drop = ['roll_time']\nstudy.swap = {'roll_time': ['channel', 'shift']}\n"
            "study.arms = {'A B': ['train.epochs = 2', 'train.batch_size = 8']}\n"
            "paper.value = {'A B': {'accuracy': 97, 'valid auc': 99.5}}\npaper.other = {'C': {'best accuracy': 98}}\n"
            "paper.note = {'A B': 'best of ten folds'}\n",
        )
    )
    assert study is not None
    assert (study.name, study.base, study.layers, study.settings) == (
        "table",
        "asm_rh",
        ("size/small",),
        ("train.epochs = 3",),
    )
    assert (study.seeds, study.folds, study.note) == ((4, 5), "all", "as published")
    assert study.arms == {"A B": ("train.epochs = 2", "train.batch_size = 8")}
    assert study.edits == {
        "without roll_time": {"roll_time": None},
        "roll_time -> channel": {"roll_time": "channel"},
        "roll_time -> shift": {"roll_time": "shift"},
    }
    assert study.values == {"A B": {"accuracy": 97.0, "valid auc": 99.5}}
    assert study.others == {"C": {"best accuracy": 98.0}}
    assert study.notes == {"A B": "best of ten folds"}


def test_what_a_study_leaves_out(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, BASE + ARMS))
    assert study is not None
    assert (study.name, study.seeds, study.folds, study.layers, study.edits) == ("mine", (0, 1, 2), None, (), {})


def test_a_recipe_is_no_study() -> None:
    assert all(load_study(name) is None for name in catalog.names())


def test_base_and_layers_beside_the_study(tmp_path: Path) -> None:
    catalog.copy("asm_h", tmp_path / "own.gin")
    (tmp_path / "short.gin").write_text("train.epochs = 1\n")
    study = load_study(write(tmp_path, "study.base = 'own.gin'\nstudy.with = ['short', 'size/tiny']\n" + ARMS))
    assert study is not None
    assert (study.base, study.layers) == (str(tmp_path / "own.gin"), (str(tmp_path / "short.gin"), "size/tiny"))


def test_a_study_may_include_another(tmp_path: Path) -> None:
    write(tmp_path, BASE + ARMS)
    (tmp_path / "more.gin").write_text("include 'mine.gin'\nstudy.seeds = [7]\n")
    study = load_study(tmp_path / "more.gin")
    assert study is not None
    assert (study.name, study.seeds, study.base) == ("more", (7,), "asm_rh")


FAULTS = {
    "a key that is none": (
        BASE + ARMS + "study.seed = [1]\n",
        "{file}:3: study.seed is no setting. Did you mean 'seeds'? "
        "Known: arms, base, drop, folds, name, note, seeds, set, swap, with.",
    ),
    "a key of a recipe": (
        BASE + ARMS + "train.epochs = 3\n",
        "{file}:3: train.epochs belongs to a recipe. For every arm, write study.set = ['train.epochs = ...'].",
    ),
    "no base": (
        ARMS,
        "{file}: study.base is not set. Write study.base = 'asm_rh.gin', the recipe that arms are edits of.",
    ),
    "a base that is not there": (
        "study.base = 'asm_rg'\n" + ARMS,
        "{file}:1: study.base is 'asm_rg', which is no file, here or among the shipped recipes. Did you mean 'asm_rh'? "
        f"Known: asm, asm_h, asm_r, asm_rh and {len(catalog.names()) - 4} others.",
    ),
    "arms in a list": (
        BASE + "study.arms = ['train.epochs = 2']\n",
        "{file}:2: study.arms is ['train.epochs = 2']. It takes a dictionary, such as "
        "{{'ASM-R': ['block.branches = [@operator.token(), @operator.roll_time()]']}}.",
    ),
    "an arm that is no list of lines": (
        BASE + "study.arms = {'A': 'train.epochs = 2'}\n",
        "{file}:2: study.arms['A'] is 'train.epochs = 2' (a str). It takes a list, each a str.",
    ),
    "an arm without a name": (
        BASE + "study.arms = {'': []}\n",
        "{file}:2: study.arms names ''. A name is text of 1 to 80 characters.",
    ),
    "a seed twice": (
        BASE + ARMS + "study.seeds = [1, 2, 1]\n",
        "{file}:3: study.seeds names 1 more than once. Name each once.",
    ),
    "no seeds": (BASE + ARMS + "study.seeds = []\n", "{file}:3: study.seeds is empty. Name at least one."),
    "a fold below 0": (
        BASE + ARMS + "study.folds = [-1]\n",
        "{file}:3: study.folds is [-1]. It takes 'all' or a list, each an int, at least 0 or a str or None.",
    ),
    "an operator that is none": (
        BASE + "study.drop = ['rol_time']\n",
        "{file}:2: no operator named 'rol_time'. Did you mean 'roll_time'? Known: ",
    ),
    "another that is none": (
        BASE + "study.swap = {'roll_time': ['chanel']}\n",
        "{file}:2: no operator named 'chanel'. Did you mean 'channel'? Known: ",
    ),
    "a figure that is none": (
        BASE + ARMS + "paper.value = {'A': {'acuracy': 97.6}}\n",
        "{file}:3: paper.value['A'] has 'acuracy', which is no figure. Did you mean 'accuracy'? "
        "Known: accuracy, auc, f1, map, recall, top_accuracy.",
    ),
    "a figure of no split": (
        BASE + ARMS + "paper.value = {'A': {'validation auc': 97.6}}\n",
        "{file}:3: paper.value['A'] has 'validation auc', which is no figure. Write 'auc', 'valid auc' for validation, "
        "or 'best auc' for the best run.",
    ),
    "a figure of a split that is none": (
        BASE + ARMS + "paper.other = {'B': {'valid acuracy': 97.6}}\n",
        "{file}:3: paper.other['B'] has 'valid acuracy', which is no figure. Did you mean 'accuracy'? "
        "Known: accuracy, auc, f1, map, recall, top_accuracy.",
    ),
    "a figure that is no number": (
        BASE + ARMS + "paper.value = {'A': {'accuracy': '97.6'}}\n",
        "{file}:3: paper.value['A']['accuracy'] is '97.6' (a str). It takes a float.",
    ),
    "a key twice": (BASE + ARMS + BASE, "{file}:3: study.base is already set on line 1. Keep one of the two."),
    "two mistakes": (
        "study.base = 3\nstudy.seeds = 1\n" + ARMS,
        "{file}:1: study.base is 3 (an int). It takes a str.\n"
        "{file}:2: study.seeds is 1 (an int). It takes a list, each an int, at least 0.",
    ),
    "what cannot be read": (
        BASE + ARMS + "study.note = yes\n",
        "{file}:3: yes is no value. Put text in quotes: 'yes'.",
    ),
}


@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS)
def test_every_mistake_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(RecipeError) as caught:
        load_study(path)
    wanted = message.format(file=path)
    found = str(caught.value)
    assert found == wanted or (wanted.endswith("Known: ") and found.startswith(wanted) and "\n" not in found)


ARM_FAULTS = {
    "a line that is none": (
        BASE + "study.arms = {'A': ['block.brnches = []'], 'B': ['train.epochs = 0']}\n",
        "{file}:2: arm 'A': --set \"block.brnches = []\": block.brnches is no setting. Did you mean 'branches'? "
        "Known: branches, drop_path, layer_scale, residual.\n"
        "{file}:2: arm 'B': --set \"train.epochs = 0\": train.epochs is 0. It takes an int, at least 1 or None.",
    ),
    "a line for all that is none": (
        BASE + ARMS + "study.set = ['block.droppath = 0.1']\n",
        "{file}:3: --set \"block.droppath = 0.1\": block.droppath is no setting. Did you mean 'drop_path'? "
        "Known: branches, drop_path, layer_scale, residual.",
    ),
    "a line that no arm uses": (
        BASE + ARMS + "study.set = ['operator.shift.parts = 3']\n",
        '{file}:3: --set "operator.shift.parts = 3": nothing uses operator.shift.parts. Remove it, or write '
        "@operator.shift() where it is due.",
    ),
    "an operator that the base does not have": (
        BASE + "study.drop = ['shift']\n",
        "{file}:2: arm 'without shift': asm_rh has no shift. It has: hermit_frequency, roll_time.",
    ),
    "nothing left": (
        "study.base = 'own'\nstudy.drop = ['channel']\n",
        "{file}:2: arm 'without channel': nothing is left of a block of own. "
        "Put another operator in its place: study.swap.",
    ),
    "a name twice": (
        BASE + "study.drop = ['roll_time']\nstudy.arms = {'without roll_time': ['train.epochs = 2']}\n",
        "{file}:2: arm 'without roll_time' is named by study.arms too. Rename that one.",
    ),
    "a paper's figure of no arm": (
        BASE + ARMS + "paper.value = {'a': {'accuracy': 90.0}}\n",
        "{file}:3: paper.value names no arm with 'a'. Known: A, asm_rh.",
    ),
    "an arm's figures among those of others": (
        BASE + ARMS + "paper.other = {'A': {'accuracy': 90.0}}\n",
        "{file}:3: paper.other names 'A', which is an arm. Write its figures in paper.value.",
    ),
}


@pytest.mark.parametrize(("text", "message"), ARM_FAULTS.values(), ids=ARM_FAULTS)
def test_every_arm_that_cannot_be_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.gin").write_text(
        "recipe.task = @task.demo()\nblock.branches = [@operator.channel()]\nmodel.width = 16\n"
    )
    study = load_study(write(tmp_path, text))
    assert study is not None
    with pytest.raises(RecipeError) as caught:
        plan(study, tmp_path / "runs")
    assert str(caught.value) == message.format(file=tmp_path / "mine.gin")
    assert not (tmp_path / "runs").exists()


HOSTILE = {
    "import os\n" + BASE + ARMS: "{file}:1: import os: that plugin is not loaded. If you trust it, add --plugin os (a "
    "path or an installed module).",
    "study.base = '../secret.gin'\n" + ARMS: "{file}:1: study.base is '../secret.gin', which leads out of the folder "
    "of the study. Move the file into it.",
    "study.base = '/etc/passwd'\n"
    + ARMS: "{file}:1: study.base is '/etc/passwd', which leads out of the folder of the study. Move the file into it.",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_study_reaches_nothing_that_it_should_not(tmp_path: Path, text: str) -> None:
    (tmp_path / "secret.gin").write_text("recipe.task = @task.demo()\n")
    (tmp_path / "inside").mkdir()
    path = write(tmp_path / "inside", text)
    with pytest.raises(UntrustedRecipeError) as caught:
        load_study(path)
    assert str(caught.value) == HOSTILE[text].format(file=path)


def test_an_arm_runs_no_code(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, BASE + "study.arms = {'A': ['model.depth = @os.getpid()']}\n"))
    assert study is not None
    with pytest.raises(UntrustedRecipeError) as caught:
        plan(study, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.gin'}:2: arm 'A': --set \"model.depth = @os.getpid()\": ")


def test_the_list_of_studies_is_not_short() -> None:
    assert set(catalog.studies()) >= {"study/fsdd_speakers", "study/perspectives"}
    assert not set(catalog.studies()) & set(catalog.fragments())


@pytest.mark.parametrize("name", catalog.studies())
def test_a_shipped_study_resolves(tmp_path: Path, name: str) -> None:
    study = load_study(name)
    assert study is not None
    made = plan(study, tmp_path)
    assert len(made.record.trials) >= 2 * len(made.record.arms) >= 4
    assert catalog.summary(catalog.find(name))


@pytest.mark.parametrize("name", catalog.studies())
def test_a_study_is_no_recipe_to_train(name: str) -> None:
    from mixkit.recipe.gin_file import load_recipe

    with pytest.raises(RecipeError, match=r"belongs to a study, not to a recipe. Run it: mixkit ablate \S+$") as caught:
        load_recipe(name)
    assert caught.value.exit_code == 2
