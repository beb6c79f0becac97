"""Disks that are full, folders that vanish, states that are old or young: what was there before is still there."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mixkit.checkpoints.state import load_state, states
from mixkit.runs.folder import Run
from tests.faults.trainings import bits, saved_at
from tests.nursery import Nursery

FULL = "No space left on device; [0-9.,]+ MB are needed, [0-9.,]+ MB are free"
FIX = r"Free the disk, or name another folder with --runs\."


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a file system in memory, where that is allowed."""
    mounted = []

    def mount(options: str) -> Path:
        place = tmp_path / f"disk {len(mounted)}"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True)
        if done.returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.decode().strip()}")
        mounted.append(place)
        return place

    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("nothing can be mounted here")
    yield mount
    for place in mounted:
        subprocess.run(["umount", "--lazy", place], check=True)


def expect_stopped(nursery: Nursery, arguments: tuple[str, ...], runs: Path, reason: str, **how: object) -> Path:
    """A training that fails at a later save, with one clear line; what it saved before is whole."""
    ended = nursery.run(*arguments, "--runs", runs, "--name", "run", **how)
    assert ended.code == 2, (ended.code, ended.err)
    assert re.fullmatch(rf"error: {re.escape(str(runs))}/run/\S+ cannot be written: {reason}\. {FIX}\n", ended.err), (
        ended.err
    )
    run = runs / "run"
    for path in states(Run(run)):
        load_state(path)
    return run


def test_a_full_disk(
    nursery: Nursery,
    arguments: tuple[str, ...],
    undisturbed: Path,
    small_disk: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    """Room for two states and a bit; then there is more, and the run goes on."""
    size = sum(path.stat().st_size for path in states(Run(undisturbed)))
    runs = small_disk(f"size={size + 60_000}")
    run = expect_stopped(nursery, arguments, runs, FULL)
    assert saved_at(run)
    subprocess.run(["mount", "-o", "remount,size=20m", runs], check=True)
    assert nursery.run("train", "--resume", run, "--device", "cpu").code == 0
    assert bits(run) == bits(undisturbed)


def test_no_inode_left(
    nursery: Nursery,
    arguments: tuple[str, ...],
    undisturbed: Path,
    small_disk: Callable[[str], Path],
) -> None:
    runs = small_disk("size=20m,nr_inodes=11")
    run = expect_stopped(nursery, arguments, runs, FULL)
    subprocess.run(["mount", "-o", "remount,nr_inodes=100", runs], check=True)
    assert nursery.run("train", "--resume", run, "--device", "cpu").code == 0
    assert bits(run) == bits(undisturbed)


def test_a_disk_that_becomes_read_only(
    nursery: Nursery, arguments: tuple[str, ...], undisturbed: Path, tmp_path: Path
) -> None:
    prelude = ("broken:read_only", (3, str(tmp_path)))
    run = expect_stopped(nursery, arguments, tmp_path, "Read-only file system", prelude=prelude)
    assert saved_at(run) == [3, 2]
    assert nursery.run("train", "--resume", run, "--device", "cpu").code == 0
    assert bits(run) == bits(undisturbed)


def test_files_may_not_be_so_large(
    nursery: Nursery, arguments: tuple[str, ...], undisturbed: Path, tmp_path: Path
) -> None:
    """`ulimit -f`, which everybody has: at a size at which states still fit and then no more."""
    prelude = ("broken:limit_files", (3, 5_000))
    reason = r"File too large; [0-9.,]+ MB are needed, [0-9.,]+ MB are free"
    run = expect_stopped(nursery, arguments, tmp_path, reason, prelude=prelude)
    assert saved_at(run) == [3, 2]
    assert not list(run.rglob("*.part"))
    assert nursery.run("train", "--resume", run, "--device", "cpu").code == 0
    assert bits(run) == bits(undisturbed)


def test_saving_in_place_is_caught(nursery: Nursery, arguments: tuple[str, ...], tmp_path: Path) -> None:
    """The control: the plain way leaves a state that nothing can read."""
    prelude = ("broken:limit_files_in_place", (3, 5_000))
    assert nursery.run(*arguments, "--runs", tmp_path, "--name", "run", prelude=prelude).code != 0
    ended = nursery.run("train", "--resume", tmp_path / "run", "--device", "cpu", prelude=("broken:in_place", ()))
    assert ended.code != 0


def test_a_folder_that_vanishes(nursery: Nursery, arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Moved away while it is written to, and then moved back."""
    prelude = ("broken:after_saves", (3, ["mv", str(tmp_path / "run"), str(tmp_path / "away")]))
    ended = nursery.run(*arguments, "--runs", tmp_path, "--name", "run", prelude=prelude)
    assert ended.code == 2
    assert re.fullmatch(
        rf"error: {tmp_path}/run/\S+ cannot be written: its folder {tmp_path}/run(/last)? has gone\. {FIX}\n", ended.err
    ), ended.err
    assert saved_at(tmp_path / "away") == [3, 2]
    assert nursery.run("train", "--resume", tmp_path / "away", "--device", "cpu").code == 0


def test_the_latest_is_so_by_step_and_never_by_clock(
    nursery: Nursery, arguments: tuple[str, ...], undisturbed: Path, tmp_path: Path
) -> None:
    """The clock goes backwards while it trains, and the times of files are turned round before it goes on."""
    run = tmp_path / "run"
    how = {"prelude": ("broken:clock_back", (9,))}
    assert nursery.run(*arguments, "--runs", tmp_path, "--name", "run", **how).code == 143
    assert saved_at(run) == [9, 8]
    newest, before = states(Run(run))
    os.utime(newest, (1, 1))
    os.utime(before, (2e9, 2e9))
    ended = nursery.run("train", "--resume", run, "--device", "cpu")
    assert "Goes on after epoch 2 of 3, 1 of 4 batches of the next.\n" in ended.out
    assert bits(run) == bits(undisturbed)
    assert saved_at(run) == [12, 11]
