"""What a user did in a recipe, and the whole message: every fault at once, by file and line, with the fix."""

import pickle
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from mixkit import registry
from mixkit.errors import MixkitError, TrustError, did_you_mean
from mixkit.recipe.faults import Fault, Place, RecipeError, UntrustedRecipeError
from mixkit.recipe.gin_file import load_recipe, recipe_from_text
from mixkit.recipe.keys import section_fields
from mixkit.recipe.schema import SECTIONS

TASK = "recipe.task = @task.demo()\n"
BASE = TASK + "block.branches = [@operator.channel()]\n"  # two lines: faults below it start on line 3
VALUES = "A value is a number, 'text', True, False, None, a list or @kind.name()."
FOREIGN = (
    "is nothing that mixkit knows, and a recipe does not reach other code. Write a plugin for it, and name that with"
)


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)


def told(text: str, **options: tuple[str, ...]) -> list[str]:
    """The lines of the report about a file recipes/mine.gin."""
    path = Path("recipes/mine.gin")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, **options)
    assert str(caught.value) == "\n".join(map(str, caught.value.faults))
    return str(caught.value).split("\n")


def known(*names: str) -> str:
    return f"Known: {', '.join(sorted(names))}."


def near(message: str, names: Iterable[str]) -> str:
    """What is said of a long list: tests/test_near_names.py has the words."""
    asked = re.search(r"(?:named '|train\.)(\w+)", message)
    _, known, rest = did_you_mean(asked[1] if asked else "", names).partition("Known: ")
    return known + rest


def filled(message: str) -> str:
    """A message of the tables below, with the lists of what there is."""
    return (
        message.replace("{operators}", near(message, registry.operator.names()))
        .replace("{tasks}", known(*registry.task.names()))
        .replace("{channel}", known(*(s.name for s in registry.operator.entry("channel").settings)))
        .replace("{train}", near(message, section_fields("train")))
        .replace("{words}", known(*SECTIONS, *registry.REGISTRIES))
    )


SYNTAX = {
    "hello world": "3: no '=' stands behind hello. Write key = value.",
    "word " * 300: "3: no '=' stands behind word. Write key = value.",
    "train.epochs 3": "3: no '=' stands behind train.epochs. Write key = value.",
    "train.epochs : 3": "3: no '=' stands behind train.epochs. Write train.epochs = 3",
    "train.epochs =": f"3: a value is missing. {VALUES}",
    "train.epochs = = 3": f"3: = 3 is no value. {VALUES}",
    "train.epochs = 4 * 2": "3: * 2 stands behind the value. Write one value; there is no arithmetic.",
    "train.epochs = three": "3: three is no value. Put text in quotes: 'three'.",
    "model.positional = true": "3: true is no value. Did you mean True?",
    "train. epochs = 3": (
        "3: train. epochs = 3 is no key. Write scope/section.setting = value, without spaces in the key."
    ),
    "= 3": f"3: = 3 cannot be read. Write key = value. {VALUES}",
    "train.seed = $3": "3: $ has no place here. Put text in quotes.",
    "train.augmentations = [": "3: a '[' is never closed. Close it with ']'.",
    "train.augmentations = [1)": "3: ')' closes the '[' of line 3. Use ']'.",
    "train.epochs = 3]": "3: ']' closes no bracket. Remove it.",
    "recipe.name = 'x": "3: a quote is never closed. Close it.",
    "recipe.name = '''x\n\n": "3: a quote is never closed. Close it.",
    "  train.epochs = 3": "3: the line is indented, but belongs to no block. Start it at the margin.",
    "train:": "3: the block train cannot be read. Write train: and, indented below, key = value.",
    "train:\n    epochs 3\n    seed = 1": "4: no '=' stands behind train.epochs. Write key = value.",
    "train:\n    epochs = 3\n  seed = 1": "5: this line is indented by another depth than the lines above. Align them.",
    "include 3": "3: include 3 names no file. Write include 'size/tiny.gin'.",
    "train.epochs = {[1]: 2}": "3: a dictionary has a list or a dictionary as a key. Use text or numbers.",
    "train.epochs = 1e999": "3: 1e999 is too large to be a finite number. Use one below 1.8e308.",
    "train.epochs = 1j": "3: 1j is a complex number. A recipe holds real ones.",
    "train.epochs = b'x'": "3: b'x' is bytes. Write text, without the b.",
    "train.epochs = f'x'": "3: an f-string is filled in by code. Write plain text.",
    "recipe.name = 'a\\d'": "3: \\d in 'a\\d' is no escape. Write \\\\d for a backslash.",
    "train.epochs = 18446744073709551616": (
        "3: 18446744073709551616 does not fit into 64 bits. Use at most 9223372036854775807."
    ),
    "train.epochs = " + "9" * 5000: "3: a number of 5,000 digits. Numbers have at most 40.",
    "a" * 201 + " = 1": "3: a name of more than 200 characters. Write a shorter one.",
    "x = " + "[" * 33: "3: brackets are nested more than 32 deep. Write less in one value.",
    "x = " + "'a' " * 65: "3: more than 64 strings stand side by side. Write one string.",
}
NAMES = {
    "trian.epochs = 3": "3: no section or kind named 'trian'. Did you mean 'train'? {words}",
    "train.epohcs = 3": "3: train.epohcs is no setting. Did you mean 'epochs'? {train}",
    "operator.chanel.expansion = 3": "3: no operator named 'chanel'. Did you mean 'channel'? {operators}",
    "oprator.channel.expansion = 3": "3: no section or kind named 'oprator'. Did you mean 'operator'? {words}",
    "operator.channel.expnsion = 3": "3: operator.channel.expnsion is no setting. Did you mean 'expansion'? {channel}",
    "channel.expansion = 3": "3: channel is not named in full. Write operator.channel.",
    "operator.channel = 3": "3: operator.channel names the operator itself. Write operator.channel.SETTING = value.",
    "train.loss.label_smoothing = 0.1": (
        "3: train.loss holds a reference. Write the settings of what it holds as loss.NAME.SETTING."
    ),
    "train.epochs.x = 0.1": "3: train.epochs has no settings. Write train.SETTING. Did you mean 'epochs'? {train}",
    "model.head = @head": "3: head is a kind. Write head.NAME. Known: linear, mlp.",
    "model.head = @head.linear": "3: @head.linear is not finished. Write @head.linear().",
    "model.head = @linear()": "3: linear is not named in full. Write head.linear.",
    "model.pattern = [\n @block(),\n @blok()\n]": "5: no section or kind named 'blok'. Did you mean 'block'? {words}",
    "recipe.task = @task.dmo()": "3: no task named 'dmo'. Did you mean 'demo'? {tasks}",
    "recipe.plugins = ['os']": "3: recipe.plugins is not set by hand. Write `import NAME` at the top for a plugin.",
    "WIDTH = 3\nmodel.width = %WIDHT": "4: macro %WIDHT is never set. Did you mean %WIDTH?",
    "model.width = %WIDTH": "3: macro %WIDTH is never set. Set it: WIDTH = value.",
    "model.width = %a.b": "3: macro %a.b is never set. Name macros plainly: %WIDTH.",
    "x/WIDTH = 3": "3: x/WIDTH is no key. Write a macro as WIDTH, without a scope.",
}
KINDS = {
    "train.epochs = 'three'": "3: train.epochs is 'three' (a str). It takes an int, at least 1 or None.",
    "train.batch_size = 0": "3: train.batch_size is 0. It takes an int, at least 1.",
    "train.seed = True": "3: train.seed is True (a bool). It takes an int, at least 0 and at most 4294967295.",
    "stem.patches.size = [16]": (
        "3: stem.patches.size is [16] (1 of them). It takes a list of 2: an int, at least 1 and at most "
        "1000000; an int, at least 1 and at most 1000000."
    ),
    "model.pool = 'max'": "3: model.pool is 'max' (a str). It takes @pool.NAME() or None.",
    "operator.channel.expansion = 'x'": ("3: operator.channel.expansion is 'x' (a str). It takes a float, above 0."),
    "train.loss = 'evil:go'": "3: train.loss is 'evil:go' (a str). It takes @loss.NAME().",
    "recipe.features = 'os.system'": "3: recipe.features is 'os.system' (a str). It takes @features.NAME().",
    "train.augmentations = ['x']": (
        "3: train.augmentations is ['x'] (a str). It takes a list, each @augmentation.NAME()."
    ),
    "train.optimizer = @loss.bce()": "3: train.optimizer is @loss.bce(). It takes @optimizer.NAME().",
    "recipe.model = @train()": "3: recipe.model is @train() (a Train). It takes @model().",
    "model.pattern = [3]": "3: model.pattern is [3] (an int). It takes a list, each @block().",
    "block.branches = 3": "2: block.branches is 3 (an int). It takes a list, each @operator.NAME() or @branch().",
    "block.branches = ['x']": (
        "2: block.branches is ['x'] (a str). It takes a list, each @operator.NAME() or @branch()."
    ),
    "block.branches = [[]]": "2: branch.operators is empty. Name at least one operator.",
    "block.branches = [@head.linear()]": "2: branch.operators holds the head 'linear'. It takes operators.",
    "W = 'wide'\nmodel.width = %W": "4: model.width is 'wide' (a str). It takes an int, at least 1.",
}
WHOLE = {
    "train.epochs = 3\ntrain.epochs = 4": "4: train.epochs is already set on line 3. Keep one of the two.",
    "W = 3\nW = 4\nmodel.width = %W": "4: W is already set on line 3. Keep one of the two.",
    "train:\n  seed = 1\ntrain.seed = 1": "5: train.seed is already set on line 4. Keep one of the two.",
    "wdie/operator.channel.expansion = 3.0": (
        "3: nothing uses wdie/operator.channel.expansion. Did you mean operator.channel.expansion?"
    ),
    "wdie/operator.channel.expansion = 3.0\nmodel.pattern = [@wide/block()]": (
        "3: nothing uses wdie/operator.channel.expansion. Did you mean wide/operator.channel.expansion?"
    ),
    "operator.roll_time.groups = 4": (
        "3: nothing uses operator.roll_time.groups. Remove it, or write @operator.roll_time() where it is due."
    ),
    "branch.operators = [@operator.channel()]": (
        "3: nothing uses branch.operators: it is replaced wherever it would hold. Remove it."
    ),
    "epochs = 3": "3: nothing uses the macro epochs. Did you mean train.epochs?",
    "HEIGHT = 3": "3: nothing uses the macro HEIGHT. Remove it, or write %HEIGHT where it is due.",
    "train.epochs = %gin.REQUIRED": '3: train.epochs has to be chosen: --set "train.epochs = ..."',
    "EPOCHS = %gin.REQUIRED\ntrain.epochs = %EPOCHS": '3: EPOCHS has to be chosen: --set "EPOCHS = ..."',
    "X = %Y\nY = [%X]\ntrain.seed = %X": "4: %X holds itself: %X -> %Y -> %X. Take it out of one of them.",
    "block.branches = [@x/operator.hermit()]\noperator.hermit.around = [@x/operator.hermit()]": (
        "3: @x/operator.hermit() holds itself: @x/operator.hermit() -> @x/operator.hermit(). "
        "Take it out of one of them."
    ),
    "include 'size/tiny.gin'": (
        "3: include 'size/tiny.gin' stands below a setting (line 1). Move it to the top of the file."
    ),
}


@pytest.mark.parametrize(("line", "message"), [*SYNTAX.items(), *NAMES.items(), *KINDS.items(), *WHOLE.items()])
def test_a_fault_is_told_with_line_and_fix(line: str, message: str) -> None:
    base = BASE
    if line.startswith("block.branches"):
        base = TASK
    if line.startswith("recipe.task"):
        base = BASE.replace(TASK, "\n")
    lines = told(base + line + "\n")
    assert lines == [f"recipes/mine.gin:{filled(message)}"]


UNLOADED = "that plugin is not loaded. If you trust it, add --plugin"
NO_PLUGIN = "a recipe imports nothing but plugins, as `import NAME`. Remove the line."
TRUST = {
    "import os": f"1: import os: {UNLOADED} os (a path or an installed module).",
    "import a.b": f"1: import a.b: {UNLOADED} a.b (a path or an installed module).",
    "from os import system": f"1: from os import system: {NO_PLUGIN}",
    "import loaded as l": f"1: import loaded as l: {NO_PLUGIN}",
    "import os; os.system('ls')": f"1: import os; os.system('ls'): {NO_PLUGIN}",
    "from __gin__ import dynamic_registration": f"1: from __gin__ import dynamic_registration: {NO_PLUGIN}",
    "x/os.system.command = 'ls'": f"1: os.system {FOREIGN} --plugin.",
    "recipe.features = @os.system()": f"1: os.system {FOREIGN} --plugin.",
    "recipe.features = @print": f"1: print {FOREIGN} --plugin.",
    "include '/etc/passwd'": "1: include '/etc/passwd' is not relative. Write the path from the folder of this file.",
    "include '../x.gin'": "1: include '../x.gin' leads out of the folder of the recipe. Move the file into it.",
}


@pytest.mark.parametrize(("line", "message"), TRUST.items())
def test_what_would_reach_out_is_refused_for_trust(line: str, message: str) -> None:
    Path("recipes").mkdir()
    Path("recipes/mine.gin").write_text(f"{line}\n{BASE}")
    with pytest.raises(UntrustedRecipeError) as caught:
        load_recipe("recipes/mine.gin", plugins=("loaded",))
    assert str(caught.value) == f"recipes/mine.gin:{message}"
    assert isinstance(caught.value, TrustError)
    assert caught.value.exit_code == 3
    assert [fault.kind for fault in caught.value.faults] == ["untrusted"]


def test_what_a_missing_plugin_brings_is_not_called_wrong_too() -> None:
    """Its operator, and what only that uses, cannot be known before it is loaded; a typing error can wait as well."""
    Path("recipes").mkdir()
    wrong = TASK + "block.branches = [@operator.blend()]\noperator.blend.gain = 2.0\nbranch.residual = False\n"
    Path("recipes/mine.gin").write_text("import own_plugin\n" + wrong)
    with pytest.raises(UntrustedRecipeError) as caught:
        load_recipe("recipes/mine.gin")
    assert (
        str(caught.value)
        == f"recipes/mine.gin:1: import own_plugin: {UNLOADED} own_plugin (a path or an installed module)."
    )
    assert len(told(wrong)) > 1, "the control: without the import, all of it is wrong"


def test_all_faults_of_all_files_come_at_once_and_in_order() -> None:
    Path("recipes").mkdir()
    Path("recipes/part.gin").write_text("train.seed = 'x'\n\ntrian.seed = 2\n")
    lines = told(
        "include 'part.gin'\ninclude 'quite_elsewhere.gin'\ntrain.epochs = 'x'\nblock.branches = [@operator.chanel()\n"
        "model.width = 3.5\nmodel.depth = 4 +\nlos.bce.x = 3\n",
        settings=("train.workers = -1", "nonsense", "train.best = 'x'; 3"),
    )
    assert lines == [
        filled(line)
        for line in (
            "--set \"nonsense\": no '=' stands behind nonsense. Write key = value.",
            "--set \"train.best = 'x'; 3\": ; 3 stands behind the value. Write one value; there is no arithmetic.",
            '--set "train.workers = -1": train.workers is -1. It takes an int, at least 0 and at most 1024.',
            "recipes/mine.gin:2: include 'quite_elsewhere.gin' is no file, here or among the shipped recipes. "
            "Write the path from the folder of this file.",
            "recipes/mine.gin:3: train.epochs is 'x' (a str). It takes an int, at least 1 or None.",
            "recipes/mine.gin:4: a '[' is never closed. Close it with ']'.",
            "recipes/mine.gin:5: model.width is 3.5 (a float). It takes an int, at least 1.",
            "recipes/mine.gin:6: + stands behind the value. Write one value; there is no arithmetic.",
            "recipes/mine.gin:7: no section or kind named 'los'. Did you mean 'loss'? {words}",
            "recipes/part.gin:1: train.seed is 'x' (a str). It takes an int, at least 0 and at most 4294967295.",
            "recipes/part.gin:3: no section or kind named 'trian'. Did you mean 'train'? {words}",
        )
    ]


def test_what_is_missing() -> None:
    assert told("train.epochs = 3\n") == [
        "recipes/mine.gin: block.branches is not set. Write block.branches = [@operator.NAME()].",
        "recipes/mine.gin: recipe.task is not set. Write recipe.task = @task.NAME().",
    ]
    assert told(TASK + "block.branches = [\n    @x/branch()]\n") == [
        "recipes/mine.gin:3: branch.operators is not set. Write branch.operators = [@operator.NAME()]."
    ]


def test_a_fault_does_not_bring_others_with_it() -> None:
    """A part that could not be built may be the only user of a setting, which is then not called unused."""
    assert told(BASE.replace("channel()", "chanel()") + "operator.channel.expansion = 2.0\n") == [
        filled("recipes/mine.gin:2: no operator named 'chanel'. Did you mean 'channel'? {operators}")
    ]
    assert told(BASE + "train.optimizer = 'adam'\noptimizer.adam.eps = 1e-7\n") == [
        "recipes/mine.gin:3: train.optimizer is 'adam' (a str). It takes @optimizer.NAME()."
    ]


def test_two_independent_faults_are_both_told() -> None:
    assert told(BASE + "operator.channel.expansion = 'x'\nwide/operator.channel.dropout = 0.5\n") == [
        "recipes/mine.gin:3: operator.channel.expansion is 'x' (a str). It takes a float, above 0.",
        "recipes/mine.gin:4: nothing uses wide/operator.channel.dropout. Did you mean operator.channel.dropout?",
    ]


def test_a_setting_of_an_option_has_to_be_used() -> None:
    assert told(BASE, settings=("optimizer.adam.eps = 1e-7",)) == [
        '--set "optimizer.adam.eps = 1e-7": nothing uses optimizer.adam.eps. '
        "Remove it, or write @optimizer.adam() where it is due."
    ]
    assert told(BASE, settings=("include 'size/tiny.gin'", "")) == [
        '--set "": is not one setting. Write key = value.',
        "--set \"include 'size/tiny.gin'\": is not one setting. Write key = value.",
    ]


def test_a_setting_of_the_recipe_has_to_be_used_without_options() -> None:
    """An option that happens to use it does not hide the mistake; one that stops using it makes none."""
    text = BASE + "optimizer.adam.eps = 1e-7\n"
    used_by_chance = ("train.optimizer = @optimizer.adam()",)
    Path("mine.gin").write_text(text)
    assert load_recipe("mine.gin", settings=used_by_chance).train.optimizer.params["eps"] == 1e-7
    assert told(text) == [
        "recipes/mine.gin:3: nothing uses optimizer.adam.eps. Remove it, or write @optimizer.adam() where it is due."
    ]


def test_layers_that_are_not_there() -> None:
    lines = told(BASE, layers=("size/bse", "size/../../x"))
    assert lines[0].startswith("--with \"size/../../x\": no recipe to layer is named 'size/../../x'.")
    assert lines[1].startswith(
        "--with \"size/bse\": no recipe to layer is named 'size/bse'. Did you mean 'size/base'? Known: "
    )


def test_a_study_is_not_a_recipe() -> None:
    text = "study.base = 'asm_rh.gin'\nstudy.arms = {'a': ['train.epochs = 3']}\n"
    assert told(text) == [
        "recipes/mine.gin:1: study.base belongs to a study, not to a recipe. Run it: mixkit ablate recipes/mine.gin"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"#" * (256 * 1024 + 1), "1: the file has 262,145 bytes. A recipe has at most 262,144."),
        (b"# fine\nrecipe.name = '\xe9'\n", "2: byte 0xe9 is not UTF-8. Save the file as UTF-8 text."),
        (b"# fine\n\na = '\x00'\n", "3: the character '\\x00' does not belong in a recipe. Remove it."),
        (b"a = 1\rb = 2\n", "1: the character '\\r' does not belong in a recipe. Remove it."),
        ("a = 'x\u202ey'\n".encode(), "1: the character '\\u202e' does not belong in a recipe. Remove it."),
        (b"a = [" + b"1," * 60_000 + b"]", "1: a value of more than 100,000 tokens. Write less."),
        (
            "".join(f"a{n} = 1\n" for n in range(26_000)).encode()[: 256 * 1024],
            "20001: there are more than 100,000 tokens up to here. Write less.",
        ),
    ],
    ids=["size", "encoding", "zero", "return", "direction", "tokens", "tokens in all"],
)
def test_files_that_are_no_recipes(content: bytes, message: str) -> None:
    Path("mine.gin").write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        load_recipe("mine.gin")
    assert f"mine.gin:{message}" in str(caught.value).split("\n")


def test_a_resolved_text_includes_nothing() -> None:
    with pytest.raises(RecipeError) as caught:
        recipe_from_text("include 'size/tiny.gin'\n" + BASE, "x", file="runs/x/recipe.gin")
    assert str(caught.value) == "runs/x/recipe.gin:1: include 'size/tiny.gin' has no place in a resolved recipe."


def test_a_long_report_ends() -> None:
    lines = told("".join(f"train.x{number} = 1\n" for number in range(500)))
    assert len(lines) == 101
    assert lines[-1] == "recipes/mine.gin: more is wrong; the first 100 faults are listed."


def test_reports_survive_pickling_and_print_safely() -> None:
    error = RecipeError((Fault(Place("a\x1b[2J.gin", 3), "is wrong"), Fault(Place(""), "no recipe")))
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "a\\x1b[2J.gin:3: is wrong\nno recipe"
    assert again.faults == error.faults
    assert isinstance(again, MixkitError)
    assert again.exit_code == 2
