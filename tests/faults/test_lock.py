"""One writer per run folder: the others are told who it is, and a dead one is in nobody's way."""

import re
import time
from pathlib import Path
from signal import SIGKILL

from tests.faults.trainings import bits, saved_at
from tests.nursery import Nursery, Training


def begun(nursery: Nursery, command: tuple[str, ...], run: Path) -> Training:
    """A training that has saved once, and takes its time."""
    writer = nursery.start(*command, "--runs", run.parent, "--name", run.name, prelude=("broken:slow", (0.3,)))
    while not (run.is_dir() and saved_at(run)):
        assert writer.poll() is None, writer.wait()
        time.sleep(0.01)
    return writer


def test_the_second_is_told_who_writes(
    nursery: Nursery, arguments: tuple[str, ...], undisturbed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    writer = begun(nursery, arguments, run)
    named = (*arguments, "--runs", tmp_path, "--name", "run")
    taken = nursery.run(*named)
    assert (taken.code, taken.err) == (2, f"error: {run} is already there. Choose another --name, or remove it.\n")
    for words in (("train", "--resume", run, "--device", "cpu"), (*named, "--resume", "auto")):
        refused = nursery.run(*words)
        assert refused.code == 2
        assert re.fullmatch(
            rf"error: {run} is in use by process {writer.pid} on \S+ since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\. "
            r"Wait for it, or choose another --name\.\n",
            refused.err,
        ), refused.err
    assert writer.wait().code == 0
    assert bits(run) == bits(undisturbed)
    assert not (run / ".lock").exists()


def test_the_lock_of_a_dead_writer_is_in_nobodys_way(
    nursery: Nursery, arguments: tuple[str, ...], undisturbed: Path, tmp_path: Path
) -> None:
    """Its file is still there, and says its name; so does one that was copied from another machine."""
    run = tmp_path / "run"
    writer = begun(nursery, arguments, run)
    writer.signal(SIGKILL)
    writer.wait()
    assert (run / ".lock").read_text().startswith(f"process {writer.pid} on ")
    (run / ".lock").write_text("process 1 on elsewhere since 2001-01-01 00:00:00")
    ended = nursery.run("train", "--resume", run, "--device", "cpu")
    assert ended.code == 0, ended.err
    assert bits(run) == bits(undisturbed)


def test_two_that_begin_at_once(
    nursery: Nursery, arguments: tuple[str, ...], undisturbed: Path, tmp_path: Path
) -> None:
    """Of one name, exactly one trains; without a name, each has a folder of its own."""
    for turn in range(3):
        words = (*arguments, "--runs", tmp_path, "--name", turn, "--resume", "auto")
        both = [nursery.start(*words, prelude=("broken:slow", (0.1,))) for _ in range(2)]
        ends = [training.wait() for training in both]
        assert sorted(end.code for end in ends) == [0, 2], ends
        (loser,) = [end for end in ends if end.code]
        assert re.search(rf"{tmp_path}/{turn} is (in use by process \d+ on|already there)", loser.err)
        assert bits(tmp_path / str(turn)) == bits(undisturbed)
    both = [nursery.start(*arguments, "--runs", tmp_path) for _ in range(2)]
    assert [training.wait().code for training in both] == [0, 0]
    for name in ("001", "002"):
        assert bits(tmp_path / "small" / name) == bits(undisturbed)


def test_without_a_lock_two_write(nursery: Nursery, arguments: tuple[str, ...], tmp_path: Path) -> None:
    """The control."""
    run = tmp_path / "run"
    writer = begun(nursery, arguments, run)
    ended = nursery.run("train", "--resume", run, "--device", "cpu", prelude=("broken:unlocked", ()))
    assert ended.code == 0, ended.err
    writer.signal(SIGKILL)
    writer.wait()


def test_a_folder_that_is_no_run_is_left_alone(nursery: Nursery, arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    refused = nursery.run(*arguments, "--runs", tmp_path, "--name", "mine", "--resume", "auto")
    assert (refused.code, refused.err) == (2, f"error: {tmp_path / 'mine'} is no run: it has no recipe.gin.\n")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
