"""Runs as jobs of a cluster, here of this machine: the same codes and logs as those of processes."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixkit.errors import MixkitError
from mixkit.study.definition import Study, drops
from mixkit.study.driver import Progress, drive
from mixkit.study.engine import Ended, Job, reason
from mixkit.study.local import Local
from mixkit.study.plan import plan
from mixkit.study.record import ArmRun, read_study
from mixkit.study.slurm import Slurm

pytest.importorskip("submitit")


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """submitit ends its local jobs by SIGINT, which a shell's background commands, and their children, do not heed."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def all_of(engine: Slurm, count: int) -> list[Ended]:
    found: list[Ended] = []
    end = time.monotonic() + 120
    while len(found) < count:
        found += engine.ended()
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_jobs_of_this_machine(tmp_path: Path) -> None:
    engine = Slurm(tmp_path / "slurm", device="cpu", cluster="local")
    engine.start(Job("good", ("--version",), tmp_path / "good.txt"))
    engine.start(Job("bad", ("train", "asm_rj"), tmp_path / "bad.txt"))
    noted = json.loads((tmp_path / "slurm" / "jobs.json").read_text())
    assert noted.keys() == {"good", "bad"}
    assert sorted(all_of(engine, 2), key=lambda ended: ended.key) == [Ended("bad", 2), Ended("good", 0)]
    assert (tmp_path / "good.txt").read_text().startswith("mixkit ")
    assert reason(2, tmp_path / "bad.txt").startswith("no recipe 'asm_rj'. Did you mean 'asm_rh'?")
    assert json.loads((tmp_path / "slurm" / "jobs.json").read_text()) == {}
    engine.close()


@pytest.mark.slow
def test_a_job_is_killed(tmp_path: Path) -> None:
    plugin = tmp_path / "sleeper.py"
    mark = tmp_path / "pid"
    plugin.write_text(
        "import os, time\nfrom pathlib import Path\n"
        f"Path({str(mark)!r}).write_text(str(os.getpid()))\ntime.sleep(600)\n"
    )
    engine = Slurm(tmp_path / "slurm", device="cpu", cluster="local")
    engine.start(Job("x", ("list", "tasks", "--plugin", str(plugin)), tmp_path / "log"))
    end = time.monotonic() + 120
    while not (mark.is_file() and mark.read_text()):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert engine.ended() == []
    engine.kill("x")
    assert [(ended.key, ended.code, ended.why[:22]) for ended in all_of(engine, 1)] == [
        ("x", 137, "ended by the cluster (")
    ]
    engine.close()
    while _lives(int(mark.read_text())):  # what the job started ends with it
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_new_driver_ends_the_jobs_of_one_that_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "told"
    bin = tmp_path / "bin"
    bin.mkdir()
    for name, text in (
        ("srun", "exit 0"),
        ("sbatch", "echo Submitted batch job 77"),
        ("sacct", "echo 'JobID|State'; echo '77|RUNNING'"),
        ("scancel", f"echo $* >> {told}"),
    ):
        (bin / name).write_text(f"#!/bin/sh\n{text}\n")
        (bin / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin}:/usr/bin:/bin")
    killed = Slurm(tmp_path / "slurm", device="cpu")
    killed.start(Job("x", ("--version",), tmp_path / "log"))
    assert not told.exists()
    again = Slurm(tmp_path / "slurm", device="cpu")
    assert not told.exists()  # not before it holds the study
    again.start(Job("x", ("--version",), tmp_path / "log"))
    assert told.read_text().split()[-1] == "77"


def test_without_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MixkitError) as caught:
        Slurm(tmp_path / "slurm")
    assert str(caught.value) == "--engine slurm finds no sbatch here. Log in to the cluster, or use --engine local."
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(MixkitError) as caught:
        Slurm(tmp_path / "slurm")
    assert str(caught.value) == "--engine slurm needs submitit. Install it: pip install 'mixkit[slurm]'"
    assert not (tmp_path / "slurm").exists()


class Quiet:
    """A display that shows nothing."""

    def say(self, text: str) -> None:
        pass

    def ended(self, trial: ArmRun, seconds: float, progress: Progress) -> None:
        pass

    def show(self, progress: Progress) -> None:
        pass


@pytest.mark.slow
def test_the_same_study_has_the_same_results(tmp_path: Path) -> None:
    lines = ("task.demo.clips = 15", "task.demo.seconds = 0.5", "model.width = 16", "model.depth = 1")
    study = Study("x", "asm_h", settings=(*lines, "train.epochs = 1"), seeds=(0,), edits=drops(["channel"]))
    here, there = tmp_path / "here", tmp_path / "there"
    drive(plan(study, here), Local(2), Quiet(), device="cpu")
    drive(plan(study, there), Slurm(there / "slurm", 2, "cpu", cluster="local"), Quiet(), device="cpu")
    assert (here / "study.json").read_bytes() == (there / "study.json").read_bytes()
    for one, other in zip(read_study(here).trials, read_study(there).trials, strict=True):
        assert one.state == "done"
        assert (one.folder / "results.json").read_bytes() == (other.folder / "results.json").read_bytes()


def test_the_script_of_a_job_takes_no_module_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, says in (("sbatch", "Submitted batch job 12"), ("srun", ""), ("scancel", ""), ("sacct", "")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {says}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    engine = Slurm(tmp_path / "slurm", device="cpu")
    engine.start(Job("x", ("list", "tasks"), tmp_path / "log"))
    scripts = [path.read_text() for path in (tmp_path / "slurm").glob("*.sh")]
    assert scripts
    assert all(f"{sys.executable} -P -u -m submitit.core._submit" in script for script in scripts)
    engine.close()
