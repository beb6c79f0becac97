"""C1 and C4: hostile and foreign checkpoints through every command that takes one."""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults import checkpoints, pickles
from tests.faults.host import Host, Outcome
from tests.faults.recipes import harmed

NO_GUARD = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}


def load_anyhow(path: str) -> str:
    """The control: what a program does that falls back to the unsafe way."""
    import torch

    try:
        torch.load(path, weights_only=False)
    except Exception as error:
        return type(error).__name__
    return "loaded"


def states_of(run: Path) -> list[Path]:
    """The files of training state of a run."""
    return sorted((run / "last").glob("*.pt"))


def plant(good: Path, run: Path, victim: Path, content: bytes | Callable[[Path], object]) -> None:
    """A run with something else in the place of these files, under the checksums that belong to it."""
    shutil.copytree(good, run)
    for path in [run / victim.relative_to(good)] if victim.suffix == ".safetensors" else states_of(run):
        old = hashlib.sha256(path.read_bytes()).hexdigest()
        new = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else old
        path.unlink()
        target = path.with_name(path.name.replace(old, new).replace(old[:16], new[:16]))
        target.write_bytes(content) if isinstance(content, bytes) else content(target)
        for record in (record for record in run.rglob("*") if record.suffix in (".json", ".sha256", ".txt")):
            record.write_bytes(record.read_bytes().replace(old.encode(), new.encode()))


def fault_of(said: Outcome, size: int, name: str) -> str:
    """What is wrong with how a command took a hostile checkpoint; nothing if it was refused as it should be."""
    lines = said.err.splitlines()
    if said.code not in (2, 3, 4):
        return f"ended with {said.code}: {said.out[-300:]}{said.err[-400:]}"
    if "Traceback" in said.err or not lines or not lines[0].startswith("error: ") or name not in lines[0]:
        return f"said {said.err[-500:]}"
    if said.seconds > 10:
        return f"took {said.seconds:.1f} s"
    if said.memory > 3 * size / 2**20 + 200:
        return f"took {said.memory:.0f} MB"
    return ""


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder that has to survive."""
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "thesis.txt").write_text("years of work\n")
    return tmp_path / "victim"


def attack(
    host: Host, good: Path, folder: Path, target: Path, hostile: Mapping[str, Any], **environment: str
) -> tuple[dict[str, str], float]:
    """Every hostile file in the place of the target, through the command that reads it."""
    faults, slowest = {}, 0.0
    canary = folder / "canary"
    for number, (label, content) in enumerate(hostile.items()):
        run = folder / f"run{number}"
        plant(good, run, target, content)
        before = {path for path in folder.rglob("*") if run not in path.parents}
        command = ("evaluate", run) if target.suffix == ".safetensors" else ("train", "--resume", run)
        said = host.mixkit(*command, folder=folder, environment={"CANARY": str(canary), **environment})
        size = len(content) if isinstance(content, bytes) else 0
        fault = fault_of(said, size, run.name)
        if harmed(folder, canary) or {path for path in folder.rglob("*") if run not in path.parents} != before:
            fault = "ran code"
        if fault:
            faults[label] = fault
        slowest = max(slowest, said.seconds)
        shutil.rmtree(run)
    return faults, slowest


def every(some: Mapping[str, Any], step: int, release: bool) -> dict[str, Any]:
    """All of them before a release, each `step`th for a commit."""
    return dict(list(some.items())[:: 1 if release else step])


def test_the_set_is_live(host: Host, stopped_run: Path, tmp_path: Path, victim: Path, measured: list[str]) -> None:
    """The control: loaded without `weights_only`, each of these runs code or harms a file."""
    canary = tmp_path / "canary"
    live = pickles.live(canary, victim)
    good = states_of(stopped_run)[0].read_bytes()
    files = {label: pickles.zipped(content) for label, content in live.items()}
    files |= {f"hidden: {label}": pickles.hidden_in(good, content) for label, content in list(live.items())[:3]}
    sleeping = []
    for label, content in files.items():
        (tmp_path / "state.pt").write_bytes(content)
        loaded = host.call(f"{__name__}:load_anyhow", str(tmp_path / "state.pt"), environment={"CANARY": str(canary)})
        if not harmed(tmp_path, canary) or (label.startswith("hidden") and loaded.value != "loaded"):
            sleeping.append(label)
        shutil.rmtree(canary) if canary.is_dir() else canary.unlink(missing_ok=True)
        victim.mkdir(exist_ok=True)
        (victim / "thesis.txt").write_text("years of work\n")
    assert not sleeping
    assert len(files) >= 40
    measured.append(f"C1 control: {len(files)} of {len(files)} pickles run code without weights_only")


@pytest.mark.parametrize("environment", [{}, NO_GUARD], ids=["as it is", "guard switched off"])
def test_no_state_runs_code(
    host: Host, stopped_run: Path, tmp_path: Path, victim: Path, release: bool, environment: dict[str, str]
) -> None:
    live = pickles.live(tmp_path / "canary", victim)
    good = states_of(stopped_run)[0].read_bytes()
    files: dict[str, Any] = {label: pickles.zipped(content) for label, content in live.items()}
    files |= {f"hidden: {label}": pickles.hidden_in(good, content) for label, content in live.items()}
    files |= {f"bare: {label}": content for label, content in live.items()}
    faults, _ = attack(host, stopped_run, tmp_path, states_of(stopped_run)[0], every(files, 11, release), **environment)
    assert not faults


def test_no_state_does_harm(
    host: Host, stopped_run: Path, tmp_path: Path, victim: Path, release: bool, measured: list[str]
) -> None:
    target = states_of(stopped_run)[0]
    good = target.read_bytes()
    files: dict[str, Any] = {label: pickles.zipped(content) for label, content in pickles.exhausting().items()}
    files |= {**checkpoints.states(good), **checkpoints.honest_states(good), **checkpoints.specials(tmp_path)}
    files = every(files, 3, release)
    faults, slowest = attack(host, stopped_run, tmp_path, target, files)
    assert not faults, "\n".join(f"{label}: {fault}" for label, fault in faults.items())
    measured.append(f"C1, C4: {len(files)} states refused; the slowest took {slowest:.1f} s")


def test_no_weights_do_harm(
    host: Host, stopped_run: Path, tmp_path: Path, victim: Path, release: bool, measured: list[str]
) -> None:
    target = stopped_run / "best.safetensors"
    live = pickles.live(tmp_path / "canary", victim)
    files: dict[str, Any] = {label: pickles.zipped(content) for label, content in every(live, 8, release).items()}
    files |= {**checkpoints.weights(target.read_bytes()), **checkpoints.specials(tmp_path)}
    faults, slowest = attack(host, stopped_run, tmp_path, target, every(files, 3, release))
    assert not faults, "\n".join(f"{label}: {fault}" for label, fault in faults.items())
    measured.append(f"C1, C4: {len(files)} files of weights refused; the slowest took {slowest:.1f} s")


def test_the_good_ones_are_taken(host: Host, stopped_run: Path, tmp_path: Path) -> None:
    """Strictness costs no good file: as torch wrote it, and written again to a file with a name of its own."""
    import torch

    state = torch.load(states_of(stopped_run)[0], weights_only=True)
    torch.save(state, tmp_path / "again.pt")
    for number, content in enumerate((states_of(stopped_run)[0].read_bytes(), (tmp_path / "again.pt").read_bytes())):
        run = tmp_path / f"run{number}"
        plant(stopped_run, run, states_of(stopped_run)[0], content)
        said = host.mixkit("train", "--resume", run, folder=tmp_path)
        assert said.code == 0, said.err
    assert host.mixkit("evaluate", run, folder=tmp_path).code == 0


def load_all(good: str, folder: str, count: int, seed: int) -> dict[str, Any]:
    """C2: that many mutants of a state through the loader; runs in a child."""
    import random

    from mixkit.checkpoints.state import load_state
    from mixkit.errors import MixkitError

    content = Path(good).read_bytes()
    records = pickles.records_of(content)
    dice = random.Random(seed)
    found: dict[str, Any] = {"loaded": 0, "refused": 0, "odd": {}}
    for number in range(count):
        body = bytearray(records["data.pkl"])
        for _ in range(dice.choice((1, 1, 2, 5))):
            place = dice.randrange(2, len(body))
            change = dice.randrange(3)
            body[place : place + (change != 1)] = dice.randbytes(change != 2)
        data = pickles.zipped(bytes(body), {name: kept for name, kept in records.items() if name != "data.pkl"})
        if number % 3 == 0:  # of the zip file around it
            data = bytearray(content)
            place = dice.choice((dice.randrange(len(data)), len(data) - 1 - dice.randrange(min(2000, len(data)))))
            data[place] = dice.randrange(256)
        path = Path(folder) / f"state-000000001-{hashlib.sha256(data).hexdigest()}.pt"
        path.write_bytes(data)
        try:
            load_state(path)
            found["loaded"] += 1
        except MixkitError as error:
            found["refused"] += 1
            if str(path) not in str(error):
                found["odd"][str(error)[:150]] = f"{seed} {number}"
        except Exception as error:
            found["odd"][f"{type(error).__name__}: {error}"[:150]] = f"{seed} {number}"
        path.unlink()
    return found


def test_mutated_states_are_loaded_or_refused(
    host: Host, stopped_run: Path, tmp_path: Path, release: bool, measured: list[str]
) -> None:
    rounds, count = (10, 300) if release else (1, 150)
    total = {"loaded": 0, "refused": 0}
    for seed in range(rounds):
        good = str(states_of(stopped_run)[0])
        said = host.call(f"{__name__}:load_all", good, str(tmp_path), count, seed, limit=300)
        assert said.code == 0, f"{said.code}: {said.err[-1000:]}"
        assert not said.value["odd"], said.value["odd"]
        assert said.memory < 1000
        total = {key: total[key] + said.value[key] for key in total}
    assert min(total.values()) > 0
    measured.append(f"C2: {total}")
