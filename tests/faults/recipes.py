"""Recipes of strangers: each wants to run code, to read what it should not, or never to end.

`LIVE`, `OTHER` and `BOMBS` are texts; `FOLDERS` are folders of files with a `mine.gin`. PACKAGE stands for an
importable package whose import is noticed, CANARY for a file that is not there yet.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

BASE = "recipe.task = @task.demo()\nblock.branches = [@operator.channel()]\n"
KIB = 1024

# Each of these runs code in plain gin, by parsing alone. PACKAGE writes a file when it is imported.
LIVE = {
    "import": "import PACKAGE\n",
    "import of a part": "import PACKAGE.part\n",
    "import under another name": "import PACKAGE as harmless\n",
    "import from": "from PACKAGE import part\n",
    "import from under another name": "from PACKAGE import part as p\n",
    "import below settings": "WIDTH = 3\nimport PACKAGE\n",
    "import after a comment": "# a recipe\n\n\nimport PACKAGE  # harmless\n",
    "import in a joined line": "import \\\nPACKAGE\n",
    "bare include": "include 'PACKAGE/part/x.gin'\n",
    "bare include of what is not there": "include 'PACKAGE/part/none.gin'\n",
    "bare include of raw text": "include r'PACKAGE/part/x.gin'\n",
    "bare include in two strings": "include 'PACK' 'AGE/part/x.gin'\n",
    "dynamic registration": "from __gin__ import dynamic_registration\nimport PACKAGE\n",
    "dynamic registration of a call": (
        "from __gin__ import dynamic_registration\nfrom PACKAGE import part\n"
        "x/part.run.command = 'y'\nvalue = @x/part.run()\n"
    ),
}
# These need more than parsing, or another door; none of them may get anywhere.
OTHER = {
    "two statements in a line": "import PACKAGE; import PACKAGE\n",
    "import in a block": "train:\n    import PACKAGE\n",
    "indented import": "  import PACKAGE\n",
    "key of a call": "x/os.system.command = 'touch CANARY'\n",
    "call": "recipe.name = @os.system()\n",
    "call in a scope": "x/os.system.command = 'touch CANARY'\nrecipe.task = @x/os.system()\n",
    "call of a builtin": "recipe.name = @builtins.exec()\n",
    "macro of a call": "NAME = @os.system()\nrecipe.name = %NAME\n",
    "constant": "recipe.name = %os.environ\n",
    "f-string": "recipe.name = f'{__import__(\"PACKAGE\")}'\n",
    "expression": "recipe.name = __import__('PACKAGE')\n",
    "lambda": "recipe.name = (lambda: __import__('PACKAGE'))()\n",
    "code in text": "train.loss = 'PACKAGE:go'\n",
    "gin's own": "gin.configurable.module = 'PACKAGE'\n",
    "macro value": "x/macro.value = @os.system()\n",
    "singleton": "recipe.name = @x/gin.singleton()\nx/gin.singleton.constructor = @os.system\n",
}


def rows(count: int, line: str) -> str:
    return "".join(line.replace("#N", str(n)).replace("#M", str(n + 1)) for n in range(count))


UNFOLDS = "the recipe unfolds to more than 50,000 values. Write it shorter."
DEEP = "references are nested more than 24 deep. Write fewer inside each other."
BOMBS = {
    "macros that multiply": (
        BASE + "train.augmentations = %M0\n" + rows(20, "M#N = [" + "%M#M, " * 9 + "]\n") + "M20 = 1\n", UNFOLDS
    ),
    "references that multiply": (
        "recipe.task = @task.demo()\nblock.branches = [@operator.hermit()]\n"
        + "operator.hermit.around = [" + "@a/operator.hermit(), " * 100 + "]\n"
        + "a/operator.hermit.around = [" + "@b/operator.hermit(), " * 100 + "]\n"
        + "b/operator.hermit.around = [" + "@operator.token(), " * 100 + "]\n",
        UNFOLDS,
    ),
    "scopes that multiply": (BASE + "model.pattern = [" + rows(8000, "@s#N/block(), ") + "]\n", UNFOLDS),
    "a long chain of macros": (BASE + "train.seed = %M0\n" + rows(8000, "M#N = %M#M\n") + "M8000 = 1\n", DEEP),
    "a deep chain of macros": (
        BASE + "train.augmentations = %M0\n" + rows(200, f"M#N = {'[' * 31}%M#M{']' * 31}\n") + "M200 = 1\n", DEEP
    ),
    "quotes": ("x = '" + "\\'" * (127 * KIB), "a quote is never closed. Close it."),
    "stray quotes": ("\\'" * (127 * KIB), "\\ has no place here. Put text in quotes."),
    "open brackets": (rows(20_000, "a#N = [\n"), "a '[' is never closed. Close it with ']'."),
    "nesting": ("a = " + "[" * 200_000, "brackets are nested more than 32 deep. Write less in one value."),
    "adjacent texts": ("a = " + "'' " * 80_000, "more than 64 strings stand side by side. Write one string."),
    "tokens": ("a = [" + "1," * (127 * KIB) + "]", "a value of more than 100,000 tokens. Write less."),
    "semicolons": (";" * (255 * KIB), "a value of more than 100,000 tokens. Write less."),
    "a long name": ("a" * (255 * KIB) + " = 1", "a name of more than 200 characters. Write a shorter one."),
    "a long scope": (
        "model.pattern = @" + "a/" * (127 * KIB) + "block()", "a name of more than 200 characters. Write a shorter one."
    ),
    "typing errors": (rows(9000, "operator.chanel#N.x = 1\n"), "more is wrong; the first 100 faults are listed."),
    "unknown macros": (BASE + rows(9000, "M#N = %N#N\n"), "more is wrong; the first 100 faults are listed."),
    "one key": ("train.epochs = 1\n" * 15_000, "train.epochs is already set on line 1. Keep one of the two."),
    "joined lines": ("\\\n" * (127 * KIB), "the line cannot be read. Write key = value."),
    "imports": ("import os\n" * 20_000, "more is wrong; the first 100 faults are listed."),
    "a long number": ("train.seed = " + "9" * (255 * KIB), "a number of 261,120 digits. Numbers have at most 40."),
}  # fmt: skip

DYNAMIC = "from __gin__ import dynamic_registration\n"
# What follows a call of code registered by the recipe itself.
CALLS = {
    "a command": ("os", "x/os.system.command = 'touch CANARY'\napp.recipe.name = @x/os.system()\n"),
    "a command by a macro": (
        "os",
        "x/os.system.command = 'touch CANARY'\nGO = @x/os.system()\napp.recipe.name = %GO\n",
    ),
    "a process": (
        "subprocess",
        "subprocess.getoutput.cmd = 'touch CANARY'\napp.recipe.name = @subprocess.getoutput()\n",
    ),
    "a file made": ("os", "os.makedirs.name = 'CANARY'\napp.recipe.name = @os.makedirs()\n"),
    "a module run": ("runpy", "runpy.run_module.mod_name = 'PACKAGE'\napp.recipe.name = @runpy.run_module()\n"),
    "a folder removed": ("shutil", "shutil.rmtree.path = 'victim'\napp.recipe.name = @shutil.rmtree()\n"),
}
_CALLED = CALLS.items()
FOLDERS: Mapping[str, Mapping[str, bytes]] = {
    label: {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    for label, files in {
        "import in an include": {"mine.gin": f"include 'part.gin'\n{BASE}", "part.gin": "import PACKAGE\n"},
        "import two includes deep": {
            "mine.gin": f"include 'a.gin'\n{BASE}", "a.gin": "include 'b.gin'\n", "b.gin": "from PACKAGE import part\n",
        },
        "the browser": {"mine.gin": f"import antigravity\n{BASE}"},
        "import behind a byte order mark": {"mine.gin": f"\ufeffimport PACKAGE\n{BASE}"},
        "import with carriage returns": {"mine.gin": f"import PACKAGE\r\n{BASE}"},
        "import behind a form feed": {"mine.gin": f"\fimport PACKAGE\n{BASE}"},
        **{label: {"mine.gin": f"{DYNAMIC}import {module}\nimport app\n{text}"} for label, (module, text) in _CALLED},
        "hook": {"mine.gin": f"train.hook = 'PACKAGE:go'\n{BASE}"},
        "hook with a dot": {"mine.gin": f"train.hook = 'PACKAGE.go'\n{BASE}"},
        "itself": {"mine.gin": f"include 'mine.gin'\n{BASE}"},
        "itself by a detour": {"mine.gin": f"include 'sub/../mine.gin'\n{BASE}", "sub/x.gin": ""},
        "the password file": {"mine.gin": f"include '/etc/passwd'\n{BASE}"},
        "the folder above": {"mine.gin": f"include '../../../../../../../../etc/passwd'\n{BASE}"},
        "a device": {"mine.gin": f"include '/dev/zero'\n{BASE}"},
        "no UTF-8": {"mine.gin": BASE.encode() + b"recipe.name = '\xff\xfe'\n"},
        "UTF-16": {"mine.gin": BASE.encode("utf-16")},
        "NUL": {"mine.gin": f"{BASE}recipe.name = 'a\0b'\n"},
        "infinite": {"mine.gin": f"{BASE}train.learning_rate = 1e999\n"},
        "not a number": {"mine.gin": f"{BASE}train.learning_rate = nan\n"},
        "set twice": {"mine.gin": f"{BASE}train.seed = 1\ntrain.seed = 2\n"},
        "look-alike key": {"mine.gin": f"{BASE}tr\u0430in.seed = 2\n"},
        "look-alike section": {"mine.gin": f"{BASE}\uff54rain.seed = 2\n"},
        "look-alike operator": {"mine.gin": BASE.replace("channel", "\u0441hannel")},
        "right to left": {"mine.gin": f"{BASE}# \u202e ecruos\ntrain.seed = 3\n"},
        "mark in the middle": {"mine.gin": f"{BASE}\ufefftrain.seed = 3\n"},
        "escape sequence": {"mine.gin": f"{BASE}recipe.name = '\x1b[2J'\n"},
        "only includes": {"mine.gin": "".join(f"include 'p{n}.gin'\n" for n in range(40)) + BASE},
        "many strings": {"mine.gin": BASE + "recipe.name = " + "'abcdefgh' " * 20_000 + "\n"},
        "huge width": {"mine.gin": f"{BASE}model.width = 9223372036854775808\n"},
        "a study": {"mine.gin": "study.base = 'PACKAGE'\nstudy.arms = {'a': ['import PACKAGE']}\n"},
    }.items()
}  # fmt: skip


def texts() -> Iterator[tuple[str, Mapping[str, bytes]]]:
    """Every hostile recipe as a folder of files."""
    for label, text in {**LIVE, **OTHER}.items():
        body = text + (BASE.replace("recipe.task", "x/recipe.task") if "recipe.task" in text else BASE)
        yield label, {"mine.gin": body.encode()}
    for label, (text, _) in BOMBS.items():
        yield label, {"mine.gin": text.encode()}
    yield from FOLDERS.items()


def write(files: Mapping[str, bytes], folder: Path, canary: Path) -> None:
    """Puts a hostile recipe into a folder; the package is `evil`, and `victim/` a folder that has to survive."""
    (folder / "victim").mkdir(parents=True)
    (folder / "victim" / "thesis.txt").write_text("years of work\n")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        content = content.replace(b"PACK' 'AGE", b"ev' 'il").replace(b"PACKAGE", b"evil")
        (folder / name).write_bytes(content.replace(b"CANARY", str(canary).encode()))


def harmed(folder: Path, canary: Path) -> bool:
    """Whether code ran, or the victim is gone."""
    return canary.exists() or not (folder / "victim" / "thesis.txt").exists()


def open_naively(path: str) -> list[str]:
    """What a program does that trusts its recipes: gin, and names of code in settings followed."""
    import importlib

    import gin

    @gin.configurable("train", module="naive")
    def train(hook: str = "", loss: str = "", seed: int = 0, epochs: int = 0, learning_rate: float = 0.0) -> None:
        for setting in (hook, loss):
            module, _, function = setting.replace(":", ".").rpartition(".")
            if module:
                getattr(importlib.import_module(module), function)()

    @gin.configurable("recipe", module="naive")
    def recipe(name: str = "", task: object = None) -> None: ...

    told = []
    for step in (
        lambda: gin.parse_config_file(path),
        lambda: gin.parse_config_file(path, skip_unknown=True),
        lambda: train(),
        lambda: recipe(),
        lambda: gin.get_configurable("app.recipe")(),
    ):
        try:
            step()
        except Exception as error:  # what was run is run
            told.append(type(error).__name__)
    return told
