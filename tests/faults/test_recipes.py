"""G1 and G3: hostile recipes through every command, alone and as the recorded recipe of a run."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from safetensors.torch import load_file

from mixkit.checkpoints.weights import PROOF, proof
from tests.faults.host import Host, Outcome
from tests.faults.recipes import BOMBS, CALLS, LIVE, harmed, open_naively, texts, write
from tests.faults.tensors import header_of, with_header

HOSTILE = dict(texts())
ALIVE = [
    *LIVE,
    *("indented import", "import behind a form feed", "import with carriage returns", "import in an include"),
    *("import two includes deep", "the browser", "hook", "hook with a dot", "code in text", *CALLS),
]
UNBOUNDED = {"nesting", "many strings", "itself", "itself by a detour"}
COMMANDS = ("check", "show", "train", "data check")
PLACE = re.compile(r"(error: )?\S+\.gin(:\d+)?: .{10,}")


def refused(said: Outcome) -> str:
    """What is wrong with how a command took a hostile file; nothing if it was refused by file, line and reason."""
    lines = said.err.splitlines()
    if said.code is None or said.seconds > 10:
        return f"took {said.seconds:.1f} s"
    if said.code not in (2, 3, 4):
        return f"ended with {said.code}: {said.out[-300:]}{said.err[-300:]}"
    if "Traceback" in said.err or not lines or not lines[0].startswith("error: "):
        return f"said {said.err[-500:]}"
    unplaced = [line for line in lines if not PLACE.fullmatch(line)]
    if unplaced or not any(re.search(r"\.gin:\d+: ", line) for line in lines):
        return f"names no place: {unplaced or lines}"
    return ""


def test_the_set_is_live(host: Host, tmp_path: Path, measured: list[str]) -> None:
    """The control: a program that trusts its recipes runs their code, or falls over."""
    ran, ends = set(), {}
    for label, files in HOSTILE.items():
        if label in BOMBS and label not in UNBOUNDED:
            continue  # gin takes most of them well, some in half a minute
        folder, canary = tmp_path / f"{len(ends)}", tmp_path / f"{len(ends)}.canary"
        write(files, folder, canary)
        variables = {"CANARY": str(canary)}
        naive = f"{open_naively.__module__}:{open_naively.__name__}"
        ends[label] = host.call(naive, str(folder / "mine.gin"), folder=folder, environment=variables, limit=3)
        if harmed(folder, canary):
            ran.add(label)
    assert ran == set(ALIVE)
    assert len(HOSTILE) >= 80
    unbounded = {label for label, end in ends.items() if end.code is None or "RecursionError" in (end.value or ())}
    assert unbounded >= UNBOUNDED
    measured.append(f"G1 control: {len(ran)} of {len(HOSTILE)} recipes run code in plain gin")


def test_no_command_follows_a_hostile_recipe(host: Host, tmp_path: Path, release: bool, measured: list[str]) -> None:
    """G1."""
    faults, slowest, tried = {}, 0.0, 0
    for number, (label, files) in enumerate(HOSTILE.items()):
        folder, canary = tmp_path / f"{number}", tmp_path / f"{number}.canary"
        write(files, folder, canary)
        before = sorted(folder.rglob("*"))
        commands = COMMANDS if release or number % 12 == 0 else COMMANDS[:1]
        for command in commands:
            said = host.mixkit(*command.split(), "mine.gin", folder=folder, environment={"CANARY": str(canary)})
            fault = refused(said) or ("ran code" if harmed(folder, canary) else "")
            if fault or sorted(folder.rglob("*")) != before:
                faults[label, command] = fault or "left something behind"
            slowest, tried = max(slowest, said.seconds), tried + 1
    assert not faults, "\n".join(f"{key}: {fault}" for key, fault in faults.items())
    measured.append(f"G1: {tried} commands on {len(HOSTILE)} recipes, 0 canaries; the slowest took {slowest:.1f} s")


def test_no_command_follows_a_hostile_record(
    host: Host, tmp_path: Path, stopped_run: Path, release: bool, measured: list[str]
) -> None:
    """G3: the same as the recipe that a run folder keeps, and as the one in the header of its weights."""
    faults, slowest, tried = {}, 0.0, 0
    for number, (label, files) in enumerate(HOSTILE.items()):
        if number % 3 and not release and label not in ALIVE:
            continue
        run, canary = tmp_path / f"{number}", tmp_path / f"{number}.canary"
        plant(files, stopped_run, run, canary)
        for command in (("evaluate", run), ("train", "--resume", run)):
            said = host.mixkit(*command, folder=tmp_path, environment={"CANARY": str(canary)})
            fault = refused(said) or ("ran code" if harmed(run, canary) else "")
            if fault:
                faults[label, command[0]] = fault
            slowest, tried = max(slowest, said.seconds), tried + 1
    assert not faults, "\n".join(f"{key}: {fault}" for key, fault in faults.items())
    measured.append(f"G3: {tried} commands on run folders, 0 canaries; the slowest took {slowest:.1f} s")


def plant(files: Mapping[str, bytes], good: Path, run: Path, canary: Path) -> None:
    """A run whose recipe is a hostile one, wherever it stands."""
    shutil.copytree(good, run)
    write(files, run, canary)
    recipe = (run / "mine.gin").read_bytes()
    (run / "recipe.gin").write_bytes(recipe)
    weights = run / "best.safetensors"
    header = header_of(weights.read_bytes())
    said = header["__metadata__"]
    said["recipe"] = recipe.decode(errors="replace").replace("\ufffd", "\x00")
    del said[PROOF]
    said[PROOF] = proof(said, load_file(weights))  # whoever writes the file can prove it, too
    weights.write_bytes(with_header(weights.read_bytes(), header))


@pytest.mark.parametrize("label", ["import", "a command", "import in an include"])
def test_the_canary_sees_what_trust_lets_through(host: Host, tmp_path: Path, label: str) -> None:
    """The control of the commands: with the user's word, a plugin that the recipe imports is run, and noticed."""
    canary = tmp_path / "canary"
    write(HOSTILE[label], tmp_path / "folder", canary)
    host.mixkit(
        "check", "--plugin", "evil", "mine.gin", folder=tmp_path / "folder", environment={"CANARY": str(canary)}
    )
    assert canary.exists()
