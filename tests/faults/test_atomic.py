"""Files that are whole or absent: every call that can fail does, disks fill, folders vanish, bits flip."""

import random
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from mixkit.checkpoints.state import load_state, states
from mixkit.checkpoints.weights import read_weights
from mixkit.errors import DamagedError
from mixkit.runs.folder import Run
from tests.faults.broken import CALLS
from tests.faults.trainings import bits, training
from tests.nursery import Nursery

KINDS = ("flip", "zeros", "truncated", "extended", "swapped", "empty")


@pytest.fixture(scope="module")
def short(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """A training of one epoch: four saves, the best weights, records and results."""
    return training(sounds, tmp_path_factory.mktemp("recipe") / "short.gin", "train.epochs = 1")


@pytest.fixture(scope="module")
def wanted(nursery: Nursery, short: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Its bits."""
    runs = tmp_path_factory.mktemp("undisturbed")
    assert nursery.run(*short, "--runs", runs, "--name", "run").code == 0
    return bits(runs / "run")


def points(nursery: Nursery, short: tuple[str, ...], folder: Path) -> list[tuple[str, int]]:
    """Every call that a training makes on its run folder, by kind and number."""
    found = []
    for call in CALLS:
        notes, run = folder / f"{call}.notes", folder / call
        how = {"prelude": ("broken:fail_at", (call, 0, "EIO", str(run))), "variables": {"NOTES": str(notes)}}
        assert nursery.run(*short, "--runs", folder, "--name", call, **how).code == 0
        found += [(call, number) for number in range(1, len(notes.read_text().splitlines()) + 1)]
    return found


@pytest.mark.slow
def test_every_call_may_fail_or_be_the_last(
    nursery: Nursery, short: tuple[str, ...], wanted: dict[str, str], tmp_path: Path, release: bool, measured: list[str]
) -> None:
    """A kill, a full disk, a fault of the disk, at each call; then a resume that ends with the same bits."""
    all_points = [
        (*point, fault) for point in points(nursery, short, tmp_path) for fault in ("SIGKILL", "ENOSPC", "EIO")
    ]
    chosen = all_points if release else random.Random(0).sample(all_points, 30)
    struck: Counter[str] = Counter()
    for turn, (call, number, fault) in enumerate(chosen):
        run, notes = tmp_path / str(turn), tmp_path / f"{turn}.notes"
        words = (*short, "--runs", tmp_path, "--name", turn)
        prelude = ("broken:fail_at", (call, number, fault, str(run)))
        ended = nursery.run(*words, prelude=prelude, variables={"NOTES": str(notes)})
        where = f"{call} {number} {fault}"
        assert f"fault {fault}" in notes.read_text(), where
        struck[fault] += 1
        expect_clear(ended.code, ended.err, fault, where)
        expect_same(nursery, words, run, wanted, where)
    measured.append(f"faults of calls on the run folder: {dict(struck)} of {len(all_points)} points")


def expect_clear(code: int, err: str, fault: str, where: str) -> None:
    """Killed, or one error of one line: of writing (2) or reading (4). A fault that harms nothing may pass unsaid."""
    if fault == "SIGKILL":
        assert code == -9, (where, code, err)
    elif code != 0:
        assert code in (2, 4), (where, code, err)
        assert re.fullmatch(r"error: /[^\n]+\.\n", err), (where, err)


def expect_same(nursery: Nursery, words: tuple[object, ...], run: Path, wanted: dict[str, str], where: str) -> None:
    ended = nursery.run(*words, "--resume", "auto")
    assert ended.code == 0, (where, ended.err)
    assert bits(run) == wanted, where
    left = [path.name for path in run.rglob(".*")]
    # The lock of one that was killed when all was written: a complete run is not touched again.
    assert left == ([".lock"] if "is complete" in ended.out and (run / ".lock").exists() else []), where


def test_saving_in_place_is_caught(
    nursery: Nursery, short: tuple[str, ...], wanted: dict[str, str], tmp_path: Path
) -> None:
    """The control: with states written in place, some kill at some call leaves nothing to resume from."""
    lost = 0
    for number in range(1, 40):
        words = (*short, "--runs", tmp_path, "--name", number)
        prelude = ("broken:fail_in_place", ("opened", number, "SIGKILL", str(tmp_path / str(number))))
        nursery.run(*words, prelude=prelude, variables={"NOTES": str(tmp_path / "notes")})
        lost += nursery.run(*words, "--resume", "auto", prelude=("broken:in_place", ())).code != 0
        if lost:
            break
    assert lost


STRACED = {"fsync": "fsync", "rename": "rename,renameat,renameat2", "openat": "openat", "unlink": "unlink,unlinkat"}


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_every_system_call_may_fail_or_be_the_last(
    nursery: Nursery, short: tuple[str, ...], wanted: dict[str, str], tmp_path: Path, release: bool, measured: list[str]
) -> None:
    """The same from outside the process, by strace; at the commit size only a few, to show that it would notice."""
    struck: Counter[str] = Counter()
    for kind, calls in STRACED.items():
        for fault in ("signal=KILL", "error=ENOSPC", "error=EIO"):
            found = straced(nursery, short, tmp_path, kind, calls, None, fault)[0]
            for number in found if release else found[-2:-1]:
                run, code, err = straced(nursery, short, tmp_path, kind, calls, number, fault)[1:]
                where = f"{kind} {number} {fault}"
                expect_clear(code, err, "SIGKILL" if "KILL" in fault else fault, where)
                expect_same(nursery, (*short, "--runs", tmp_path, "--name", run.name), run, wanted, where)
                struck[fault] += 1
            if not release:
                break
    measured.append(f"strace: {sum(struck.values())} system calls on the run folder failed: {dict(struck)}")


def straced(
    nursery: Nursery, short: tuple[str, ...], folder: Path, kind: str, calls: str, number: int | None, fault: str
) -> tuple[list[int], Path, int, str]:
    """Runs under strace, with one call injected; gives which calls were about the run folder, and how it ended."""
    log = folder / "strace.log"
    run = folder / f"{kind} {number} {fault.partition('=')[2]}"
    words = (*short, "--runs", folder, "--name", run.name)
    child = nursery.start(*words, prelude=("broken:wait_for_tracer", ()))
    inject = [] if number is None else ["-e", f"inject={calls}:{fault}:when={number}"]
    command = ["strace", "-y", "-o", str(log), "-e", f"trace={calls}", *inject, "-p", str(child.pid)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as tracer:
        ended = child.wait()
        tracer.wait(30)
    lines = [line for line in log.read_text().splitlines() if line.startswith(tuple(calls.split(",")))]
    if number is None:
        assert ended.code == 0, ended.err
    else:
        assert "KILL" in fault or any("INJECTED" in line for line in lines), (number, lines)
    return [place for place, line in enumerate(lines, 1) if str(run) in line], run, ended.code, ended.err


def test_order_of_a_save(nursery: Nursery, short: tuple[str, ...], tmp_path: Path) -> None:
    """File, its fsync, rename, fsync of the folder; and only then the line in the log, and older states go."""
    notes, run = tmp_path / "notes", tmp_path / "run"
    how = {"prelude": ("broken:record", (str(run),)), "variables": {"NOTES": str(notes)}}
    assert nursery.run(*short, "--runs", tmp_path, "--name", "run", **how).code == 0
    calls = [line.replace(f"{run}/", "").replace(str(run), ".") for line in notes.read_text().splitlines()]
    calls = [re.sub(r"-([0-9a-f]{64}|[0-9a-f]{32}(?=\.part))", "", call) for call in calls]
    for step in range(1, 5):
        name = f"state-{step:09d}.pt"
        start = calls.index(f"open last/.{name}.part")
        expected = [f"open last/.{name}.part", f"fsync last/.{name}.part", f"replace last/.{name}.part"]
        expected += ["open last", "fsync last", "open events.jsonl"]
        assert calls[start : start + 6] == expected
        logged = calls.index("fsync events.jsonl", start)
        if step > 2:
            assert calls.index(f"unlink last/state-{step - 2:09d}.pt") > logged
    saved = calls.index("fsync last", calls.index("open last/.state-000000004.pt.part"))
    best, log = calls.index("replace .best.safetensors.part"), calls.index("open metrics.jsonl", saved)
    assert saved < best < log, "state, weights, log"
    assert calls.index("fsync .", best) < log


@pytest.fixture(scope="module")
def trees(nursery: Nursery, arguments: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs that were stopped after their second epoch, of two seeds."""
    runs = tmp_path_factory.mktemp("trees")
    for seed in (0, 1):
        how = {"prelude": ("broken:stop_at", (9,))}
        ended = nursery.run(*arguments, "--runs", runs, "--name", seed, "--seed", seed, **how)
        assert ended.code == 143, ended.err
    return runs / "0", runs / "1"


def damage(data: bytes, other: bytes, kind: str, rng: random.Random) -> bytes:
    """The content of a file, damaged."""
    place = rng.randrange(len(data))
    if kind == "flip":
        return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]
    if kind == "zeros":
        start = place // 512 * 512
        zeroed = data[:start] + bytes(min(512, len(data) - start)) + data[start + 512 :]
        return zeroed if zeroed != data else damage(data, other, kind, rng)
    if kind == "truncated":
        return data[:place]
    if kind == "extended":
        return data + rng.randbytes(rng.randrange(1, 5000))
    return other if kind == "swapped" else b""


def test_damage_is_noticed(trees: tuple[Path, Path], tmp_path: Path, release: bool, measured: list[str]) -> None:
    """Of states and of the best weights: all of it. A control loads without the checksum."""
    rng, count = random.Random(0), 5000 if release else 200
    noticed: Counter[str] = Counter()
    blind: Counter[str] = Counter()
    owner = Run(Path(shutil.copytree(trees[0], tmp_path / "run")))
    state, best = states(owner)[0], owner.folder / "best.safetensors"
    others = {state: states(Run(trees[1]))[0].read_bytes(), best: (trees[1] / best.name).read_bytes()}
    whole = {path: path.read_bytes() for path in (state, best)}
    for turn in range(count):
        path, kind = (state, best)[turn % 2], KINDS[turn // 2 % len(KINDS)]
        path.write_bytes(damage(whole[path], others[path], kind, rng))
        with pytest.raises(DamagedError, match=re.escape(str(path))):
            load_state(path) if path == state else read_weights(path, owner)
        noticed[kind] += 1
        blind[kind] += unnoticed(path)
        path.write_bytes(whole[path])
    measured.append(f"damages: {noticed.total()} of {count} noticed; {blind.total()} load without a checksum: {blind}")
    load_state(state)
    read_weights(best, owner)
    assert noticed.total() == count
    assert blind["flip"] > noticed["flip"] / 2, "the control"


def unnoticed(path: Path) -> bool:
    """Whether torch or safetensors load a damaged file as if nothing were wrong."""
    try:
        if path.suffix == ".pt":
            torch.load(path, map_location="cpu", weights_only=True)
        else:
            with safe_open(path, framework="pt") as file:
                [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118 (no mapping)
    except Exception:
        return False
    return True


def test_a_damaged_state_is_said_and_the_one_before_it_used(
    nursery: Nursery, trees: tuple[Path, Path], undisturbed: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trees[0], tmp_path / "run"))
    newest, before = states(Run(run))
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    ended = nursery.run("train", "--resume", run, "--device", "cpu")
    assert ended.code == 0, ended.err
    fault = f"{newest} is not what was written: its SHA-256 is another."
    assert f"{fault} Looking at the state before it.\n" in ended.out
    assert "Goes on after epoch 2 of 3.\n" in ended.out
    (event,) = [event for event in Run(run).events() if event["event"] == "damaged"]
    assert (event["file"], event["fault"]) == (newest.name, fault)
    assert bits(run) == bits(undisturbed)
    assert before.name.startswith("state-000000008")


def test_nothing_goes_on_from_damage_alone(nursery: Nursery, trees: tuple[Path, Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(trees[0], tmp_path / "run"))
    newest, before = states(Run(run))
    for path in (newest, before):
        path.write_bytes(path.read_bytes()[:-1])
    ended = nursery.run("train", "--resume", run, "--device", "cpu")
    assert ended.code == 4
    assert ended.err.startswith(f"error: {newest} ")
    assert ended.err.endswith(" No other state is left. Start the run anew under another --name.\n")


def test_evaluate_stops_at_damaged_weights(nursery: Nursery, trees: tuple[Path, Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(trees[0], tmp_path / "run"))
    best = run / "best.safetensors"
    assert nursery.run("evaluate", run, "--device", "cpu").code == 0
    data = bytearray(best.read_bytes())
    data[-3] ^= 1
    best.write_bytes(data)
    ended = nursery.run("evaluate", run, "--device", "cpu")
    message = f"error: {best} is not what was written: its SHA-256 is another. Take it from a copy.\n"
    assert (ended.code, ended.out, ended.err) == (4, "", message)
    shutil.copy(trees[1] / "best.safetensors", best)
    ended = nursery.run("evaluate", run, "--device", "cpu")
    message = f"error: {best} belongs to another run than {run}. Name the file itself to use it anyway.\n"
    assert (ended.code, ended.out, ended.err) == (4, "", message)
