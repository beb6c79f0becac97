"""`mixkit check PLUGIN` says in words what is wrong, where to look, and ends with 2."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broken_plugins import BROKEN, HEAVY, SOUND
from tests.conftest import Said

pytestmark = pytest.mark.usefixtures("without_plugins")

SQUARE = "blend (6 x 6 tokens, width 16, layer 2): "
STOPPED = {
    "shape": "input, repeats, batch, mixing, gradient, autocast, device, state dict, pickle, compile, export",
    "input": "repeats, batch, mixing, gradient, autocast, device, state dict, pickle, compile, export",
    "repeats": "batch, mixing, gradient, autocast, device, state dict, pickle, compile, export",
    "batch": "mixing, gradient, autocast, device, state dict, pickle, compile, export",
}

# Check that fails, its whole message, where to look.
FAILS = {
    "wrong_shape": (
        "shape",
        f"{SQUARE}[3, 36, 16] torch.float32 came out as [3, 35, 16] torch.float32. Return the shape and type of the "
        "input.",
        "17, forward",
    ),
    "mixes_batch": (
        "batch",
        f"{SQUARE}a clip comes out otherwise in a batch than alone. Leave the first axis alone.",
        "17, forward",
    ),
    "hidden_randomness": (
        "repeats",
        f"{SQUARE}the same input comes out otherwise the second time in evaluation. Draw nothing there.",
        "17, forward",
    ),
    "undeclared_axis": (
        "mixing",
        "blend (6 x 6 tokens, width 16, layer 0): values move along frequency and time. Add 'frequency' and 'time' to "
        "mixes in the decorator.",
        "9, Blend",
    ),
    "in_place": ("input", f"{SQUARE}the input was changed in place. Work on a new tensor.", "17, forward"),
    "cpu_tensor": (
        "device",
        f"{SQUARE}fails on a CUDA device (create tensors on x.device, and decide nothing by their values): "
        "FakeTensorDeviceMismatchError: Expected all tensors to be on the same device, but found at least two devices, "
        "cuda:0 and cpu!",
        "19, forward",
    ),
}

REFUSED = {
    "no_docstring": "operator 'blend' ({path}:9) has no docstring. Say in a sentence what it does.",
    "no_default": "operator 'blend' ({path}:9) has a setting 'gain' without default. Choose one.",
    "name_taken": "operator 'channel' ({path}:9) is already defined at {taken}. Choose another name.",
    "syntax_error": "is not valid Python: '(' was never closed ({path}:18).",
}


@pytest.fixture
def check(
    mixkit_command: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], Said]:
    monkeypatch.chdir(tmp_path)

    def run(name: str, text: str) -> Said:
        (tmp_path / f"{name}.py").write_text(text)
        return mixkit_command("check", f"{name}.py")

    return run


def test_all_ten_are_tried() -> None:
    assert len(BROKEN) == 10
    assert set(BROKEN) == {*FAILS, *REFUSED}


@pytest.mark.parametrize("name", FAILS)
def test_what_fails_is_named(check: Callable[[str, str], Said], name: str) -> None:
    failing, message, look = FAILS[name]
    said = check(name, BROKEN[name])
    assert said.code == 2
    assert said.err == f"error: {name}.py: 1 of 13 checks fail (operator blend).\n"
    lines = said.out.splitlines()
    assert lines[0] == f"operator blend, {name}.py:9"
    wrong = next(place for place, line in enumerate(lines) if line.startswith("  fails"))
    assert lines[wrong] == f"  fails {failing:<12} {message}"
    assert lines[wrong + 1] == f"{'':21}look at {name}.py:{look}"
    assert all(line.startswith("  ok    ") for line in (*lines[1:wrong], *lines[wrong + 2 : -1]))
    if failing in STOPPED:
        assert lines[-1] == (f"  -     not tried    {STOPPED[failing]}: {failing} fails, and so they would mislead")
    else:
        assert len(lines) == 1 + 13 + 1


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_imported_is_named(check: Callable[[str, str], Said], name: str, tmp_path: Path) -> None:
    from mixkit.registry import operator

    said = check(name, BROKEN[name])
    message = REFUSED[name].format(path=tmp_path / f"{name}.py", taken=operator.entry("channel").where)
    between = " " if name == "syntax_error" else ": "
    assert (said.code, said.out, said.err) == (2, "", f"error: plugin {name}.py{between}{message}\n")
    assert "blend" not in operator.names()


def test_a_sound_plugin_and_a_folder(check: Callable[[str, str], Said], mixkit_command: Callable[..., Said]) -> None:
    said = check("sound", SOUND)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[-1] == "sound.py is sound: 13 checks pass (operator blend)."
    assert mixkit_command("check", ".").out.splitlines()[-1] == ". is sound: 13 checks pass (operator blend)."


def test_a_failure_inside_forward_gives_its_very_line(check: Callable[[str, str], Said]) -> None:
    said = check("heavy", HEAVY)
    assert said.code == 2
    assert f"{'':21}look at heavy.py:19, forward" in said.out.splitlines()


def test_a_forward_without_return_is_named(check: Callable[[str, str], Said]) -> None:
    said = check("silent", SOUND.replace("return self.linear(x)", "self.linear(x)"))
    assert said.code == 2
    lines = said.out.splitlines()
    assert lines[2:4] == [
        f"  fails shape        {SQUARE}forward gives nothing. Return the tensor.",
        f"{'':21}look at silent.py:17, forward",
    ]


def test_a_head_and_a_loss_without_return_are_named(check: Callable[[str, str], Said]) -> None:
    said = check("silent", SILENT)
    assert said.err == "error: silent.py: 2 of 2 checks fail (head mute, loss hushed).\n"
    assert [line for line in said.out.splitlines() if line.startswith("  fails")] == [
        "  fails head         mute: forward gives nothing. Return the tensor.",
        "  fails loss         hushed: forward gives a float. Return the tensor.",
    ]


def test_in_a_narrow_terminal_lines_hang_below_themselves(
    check: Callable[[str, str], Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = check("wrong", BROKEN["wrong_shape"]).out
    assert max(map(len, plain.splitlines())) > 80, "the control: where nobody looks a line stays a line"
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes any stream for a terminal
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", check("wrong", BROKEN["wrong_shape"]).out).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines == [line.rstrip() for line in lines]
    (start,) = (place for place, line in enumerate(lines) if line.startswith("  fails shape"))
    assert lines[start + 1].startswith(" " * 21)
    assert lines[start + 1].strip() != ""
    assert " ".join(" ".join(lines).split()) == " ".join(plain.split())


def test_what_registers_nothing(check: Callable[[str, str], Said]) -> None:
    said = check("idle", "x = 1\n")
    assert said.err == (
        "error: idle.py registers nothing. Decorate a class or function, as in @operator('name', ...).\n"
    )


def test_settings_are_for_recipes(mixkit_command: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "sound.py").write_text(SOUND)
    said = mixkit_command("check", tmp_path / "sound.py", "--set", "train.epochs = 1")
    assert said.err == f"error: {tmp_path}/sound.py is a plugin; --with and --set are for recipes. Leave them out.\n"
    assert mixkit_command("check", "asm_rh").code == 0, "the control: a recipe is still checked as one"


SILENT = '''
from mixkit import head, loss
from torch import nn

@head("mute")
class Mute(nn.Module):
    """Says nothing."""
    def __init__(self, width: int, classes: int):
        super().__init__()
        self.map = nn.Linear(width, classes)
    def forward(self, x):
        self.map(x)

@loss("hushed")
class Hushed(nn.Module):
    """Gives a number that has no gradient."""
    def __init__(self, class_weights):
        super().__init__()
    def forward(self, logits, target):
        return (logits - target).square().mean().item()
    def scores(self, logits):
        return logits.softmax(-1)
'''

OTHERS = '''
from mixkit import head, metric, task
from torch import nn

@head("flat")
class Flat(nn.Module):
    """Forgets the classes."""
    def __init__(self, width: int, classes: int):
        super().__init__()
        self.map = nn.Linear(width, 1)
    def forward(self, x):
        return self.map(x)

@metric("wordy")
def wordy():
    """Says it in words."""
    return lambda scores, target: "good"

@task("absent")
class Absent:
    """Has no recordings."""
    def __init__(self, *, sample_rate: int = 16000, seconds: float = 1.0):
        from mixkit.errors import DataError
        raise DataError("no recordings here. Get some.")
'''


def test_other_kinds(check: Callable[[str, str], Said]) -> None:
    said = check("others", OTHERS)
    assert said.code == 2
    assert said.err == "error: others.py: 2 of 3 checks fail (task absent, head flat, metric wordy).\n"
    assert said.out.splitlines() == [
        "task absent, others.py:19",
        "  -     not tried    task: absent lists nothing with its defaults: no recordings here. Get some.",
        "head flat, others.py:5",
        "  fails head         flat: [5, 16] came out as [5, 1]. It should be [5, 3].",
        f"{'':21}look at others.py:11, forward",
        "metric wordy, others.py:14",
        "  fails metric       wordy: it gives 'good' for 12 clips of 3 classes. Return a number, or float('nan').",
        f"{'':21}look at others.py:14, wordy",
    ]
