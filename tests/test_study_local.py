"""Runs as processes: codes, shares of cores and GPUs, and none that outlives its driver."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mixkit.study import local
from mixkit.study.engine import Ended, Job, reason
from mixkit.study.local import Local, gpus, usual_jobs

SLEEPER = """
import os, time
from pathlib import Path
Path({mark!r}).write_text(str(os.getpid()))
time.sleep(600)
"""

DRIVER = """
import sys, time
from pathlib import Path
from mixkit.study.engine import Job
from mixkit.study.local import Local
engine = Local(1, forks={forks})
engine.start(Job("x", ("list", "tasks", "--plugin", sys.argv[1]), Path(sys.argv[2])))
time.sleep(600)
"""

CARELESS = """
import subprocess, sys, time
run = [sys.executable, "-m", "mixkit", "list", "tasks", "--plugin", sys.argv[1]]
process = subprocess.Popen(run, stdin=subprocess.PIPE, stdout=open(sys.argv[2], "ab"))
time.sleep(600)
"""


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)


def sleeper(folder: Path) -> tuple[Path, Path]:
    """A plugin that never ends being imported, and the file in which it says its process."""
    plugin, mark = folder / "sleeper.py", folder / "pid"
    plugin.write_text(SLEEPER.format(mark=str(mark)))
    return plugin, mark


def lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def all_of(engine: Local, count: int) -> dict[str, int]:
    found: list[Ended] = []
    until(lambda: len(found.extend(engine.ended()) or found) == count)  # type: ignore[func-returns-value]
    return {ended.key: ended.code for ended in found}


FORKS = pytest.mark.parametrize("forks", [False, True], ids=["started", "forked"])


@FORKS
def test_codes_and_what_was_said(tmp_path: Path, forks: bool) -> None:
    killer = tmp_path / "killer.py"
    killer.write_text("import os\nos.kill(os.getpid(), 9)\n")
    jobs = {
        "good": ("--version",),
        "bad": ("train", "asm_rj"),
        "killed": ("list", "tasks", "--plugin", str(killer)),
    }
    engine = Local(3, forks=forks)
    for key, arguments in jobs.items():
        engine.start(Job(key, arguments, tmp_path / f"{key}.txt"))
    assert all_of(engine, 3) == {"good": 0, "bad": 2, "killed": 137}
    assert engine.ended() == []
    engine.close()
    assert (tmp_path / "good.txt").read_text().startswith("mixkit ")
    assert reason(2, tmp_path / "bad.txt").startswith("no recipe 'asm_rj'. Did you mean 'asm_rh'?")
    assert reason(137, tmp_path / "killed.txt") == "killed (137), likely out of memory"
    assert reason(143, tmp_path / "killed.txt") == "ended by SIGTERM (143)"
    assert reason(1, tmp_path / "killed.txt") == "ended with exit code 1 and said nothing"


@FORKS
def test_a_job_is_killed_and_the_rest_is_ended(tmp_path: Path, forks: bool) -> None:
    engine = Local(2, forks=forks)
    marks = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        plugin, mark = sleeper(tmp_path / name)
        engine.start(Job(name, ("list", "tasks", "--plugin", str(plugin)), tmp_path / "log"))
        marks.append(mark)
    until(lambda: all(mark.is_file() and mark.read_text() for mark in marks))
    engine.kill("a")
    assert engine.ended() == [Ended("a", 137)]
    other = int(marks[1].read_text())
    assert lives(other)
    engine.close()
    assert not lives(other)
    assert engine.ended() == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes by /proc")
@pytest.mark.parametrize(
    ("driver", "outlives"),
    [(DRIVER.format(forks=False), False), (DRIVER.format(forks=True), False), (CARELESS, True)],
    ids=["started", "forked", "careless"],
)
def test_no_run_outlives_its_driver(tmp_path: Path, driver: str, outlives: bool) -> None:
    plugin, mark = sleeper(tmp_path)
    with subprocess.Popen([sys.executable, "-c", driver, str(plugin), str(tmp_path / "log")]) as process:
        until(lambda: mark.is_file() and mark.read_text() != "")
        worker = int(mark.read_text())
        assert lives(worker)
        process.kill()
        process.wait()
    try:
        if outlives:
            time.sleep(1)
            assert lives(worker)
        else:
            until(lambda: not lives(worker))
    finally:
        if lives(worker):
            os.kill(worker, signal.SIGKILL)


def test_a_module_in_the_working_folder_is_not_taken_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rich.py").write_text("import os\nos._exit(99)\n")
    monkeypatch.chdir(tmp_path)
    careless = [sys.executable, "-c", "import mixkit.cli; mixkit.cli.main()", "list", "tasks"]
    assert subprocess.run(careless, capture_output=True, check=False).returncode == 99  # the file would do what it says
    engine = Local(1)
    engine.start(Job("x", ("list", "tasks"), tmp_path / "log"))
    assert all_of(engine, 1) == {"x": 0}


def test_a_fork_has_the_environment_threads_and_session_of_its_job(tmp_path: Path) -> None:
    plugin, told = tmp_path / "tell.py", tmp_path / "told"
    plugin.write_text(
        "import os, sys, torch\n"
        "sys.stdin.read()\n"
        f"open({str(told)!r}, 'a').write(f\"{{os.environ['MORE']}} {{torch.get_num_threads()}} \"\n"
        "    f\"{os.getsid(0) == os.getpid()} {'torchmetrics' in sys.modules}\\n\")\n"
    )
    engine = Local(1, forks=True)
    for number, extra in enumerate(({}, {"OMP_NUM_THREADS": "3"})):
        job = Job(str(number), ("list", "tasks", "--plugin", str(plugin)), tmp_path / "log", {"MORE": "yes", **extra})
        engine.start(job)
        assert all_of(engine, 1) == {str(number): 0}
    engine.close()
    threads = min(int(os.environ["OMP_NUM_THREADS"]), local.cores())
    assert told.read_text().split("\n") == [f"yes {threads} True True", "yes 3 True True", ""]


def test_a_killed_server_ends_its_runs_and_another_takes_its_place(tmp_path: Path) -> None:
    plugin, mark = sleeper(tmp_path)
    engine = Local(1, forks=True)
    engine.start(Job("lost", ("list", "tasks", "--plugin", str(plugin)), tmp_path / "log"))
    until(lambda: mark.is_file() and mark.read_text() != "")
    assert engine._server
    engine._server._process.kill()
    engine._server._process.wait()
    assert all_of(engine, 1) == {"lost": 137}
    until(lambda: not lives(int(mark.read_text())))
    engine.start(Job("next", ("--version",), tmp_path / "log"))
    assert all_of(engine, 1) == {"next": 0}
    engine.close()


class Noted:
    """In the place of Popen: notes what it was given, and still runs."""

    def __init__(self, arguments: list[str], env: dict[str, str], **rest: object):
        self.env, self.stdin = env, None
        STARTED.append(self)

    def poll(self) -> int | None:
        return None if self in STARTED else 0


STARTED: list[Noted] = []


def test_cores_are_divided_and_each_run_has_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    STARTED.clear()
    monkeypatch.setattr(local.subprocess, "Popen", Noted)
    monkeypatch.setattr(local, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS")
    engine = Local(3, ["4", "GPU-7"])
    for key in ("a", "b", "c"):
        engine.start(Job(key, (), tmp_path / "log"))
    assert [job.env["CUDA_VISIBLE_DEVICES"] for job in STARTED] == ["4", "GPU-7", "4"]
    assert [job.env["OMP_NUM_THREADS"] for job in STARTED] == ["2", "2", "2"]
    del STARTED[1]
    assert engine.ended() == [Ended("b", 0)]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    engine.start(Job("d", (), tmp_path / "log", {"MORE": "1"}))
    assert STARTED[-1].env["CUDA_VISIBLE_DEVICES"] == "GPU-7"
    assert (STARTED[-1].env["OMP_NUM_THREADS"], STARTED[-1].env["MORE"]) == ("5", "1")


def test_which_gpus_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpus("auto") == gpus("cuda") == ("0", "1", "2")
    assert gpus("cpu") == gpus("cuda:1") == ()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, 6,7")
    assert gpus("auto") == ("5", "6", "7")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpus("auto") == ()


def test_how_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "cores", lambda: 2)
    assert usual_jobs(("0", "1", "2"), "auto") == 3
    assert usual_jobs((), "auto") == usual_jobs((), "cpu") == 2
    assert usual_jobs((), "cuda:1") == usual_jobs((), "mps") == 1
    monkeypatch.setattr(local, "cores", lambda: 64)
    assert usual_jobs((), "cpu") == 4
