"""Trainings that do something wrong on purpose: controls that a test has to catch, and faults that it injects."""

import errno
import os
import resource
import signal
import time
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch


def forget(*parts: str) -> None:
    """Resumes without those parts of the state."""
    from mixkit.training.progress import RunProgress
    from mixkit.training.step import Step

    real = Step.go_on

    def forgetful(self: Step, state: Mapping[str, Any]) -> None:
        own = self.state()
        real(self, {**state, **{part: own[part] for part in parts if part != "progress"}})

    Step.go_on = forgetful  # type: ignore[method-assign]
    if "progress" in parts:
        RunProgress.from_state = classmethod(lambda cls, path, state: cls())


def in_place() -> None:
    """Saves the state the plain way: over the one before, under one name, without a proof."""
    from mixkit.training import fit, loop

    def save(run: Any, step: int, state: Mapping[str, Any]) -> None:
        folder = run.folder / "last"
        folder.mkdir(exist_ok=True)
        sign = folder / ".state.part"  # tells the test that a state is being written
        sign.touch()
        content = BytesIO()
        torch.save(dict(state), content)
        data = content.getvalue()
        with (folder / "state.pt").open("wb") as file:
            for start in range(0, len(data), 4096):
                file.write(data[start : start + 4096])
                file.flush()
            os.fsync(file.fileno())
        sign.unlink()

    fit.save_state = save
    loop.states = lambda run: list((run.folder / "last").glob("state.pt"))
    loop.load_state = lambda path: torch.load(path, map_location="cpu", weights_only=True)


def fail_at(call: str, number: int, fault: str, folder: str) -> None:
    """Lets one system call on a folder fail, or be the last thing that the process does.

    Args:
        call: `open`, `opened`, `fsync`, `replace`, `unlink` or `mkdir`.
        number: which of the calls of that kind on the folder, from 1; 0 lets none fail.
        fault: `SIGKILL`, `ENOSPC`, `EIO`.
        folder: the run's.
    """
    count = 0

    def strike(path: Any) -> None:
        nonlocal count
        if not _inside(folder, path):
            return
        count += 1
        note(f"{call} {count} {path}")
        if count == number:
            note(f"fault {fault}")
            if fault == "SIGKILL":
                os.kill(os.getpid(), signal.SIGKILL)
            code = getattr(errno, fault)
            raise OSError(code, os.strerror(code), str(path))

    _watch(call, strike)


def fail_in_place(call: str, number: int, fault: str, folder: str) -> None:
    """The same, of a training that saves the plain way."""
    in_place()
    fail_at(call, number, fault, folder)


def after_saves(count: int, command: list[str]) -> None:
    """Runs a command after so many saved states."""
    import subprocess

    _after(count, lambda: subprocess.run(command, check=True))


def read_only(count: int, folder: str) -> None:
    """After so many saved states, refuses to change anything in a folder, as a disk does that has had a fault."""

    def refuse(path: Any) -> None:
        if _inside(folder, path):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    def begin() -> None:
        import io

        for call in ("replace", "unlink", "mkdir"):
            _watch(call, refuse)
        real = io.open

        def opened(path: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            if "r" not in mode:
                refuse(path)
            return real(path, mode, *more, **named)

        io.open = opened  # type: ignore[assignment]

    _after(count, begin)


def few_files(count: int) -> None:
    """No more files may be open at once."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def limit_files(count: int, size: int) -> None:
    """After so many saved states, lets files have so many bytes only; without the signal, as in Python."""
    _after(count, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))


def limit_files_in_place(count: int, size: int) -> None:
    """The same, of a training that saves the plain way."""
    in_place()
    limit_files(count, size)


def clock_back(step: int) -> None:
    """Sets the clock back by an hour at each look, and stops after so many steps."""
    now = time.time()

    def earlier() -> float:
        nonlocal now
        now -= 3600.0
        return now

    time.time = earlier
    real = time.strftime
    time.strftime = lambda form, *told: real(form, *(told or (time.gmtime(earlier()),)))
    stop_at(step)


def _after(count: int, act: Callable[[], Any]) -> None:
    from mixkit.training import fit

    save, done = fit.save_state, 0

    def counted(*arguments: Any) -> None:
        nonlocal done
        save(*arguments)
        done += 1
        if done == count:
            act()

    fit.save_state = counted


def record(folder: str) -> None:
    """Writes down every call on a folder, in order, with the path that it is about."""
    for call in (name for name in CALLS if name != "opened"):
        _watch(call, lambda path, call=call: note(f"{call} {path}") if _inside(folder, path) else None)


def stages(pause: float = 0.0) -> None:
    """Writes down when a step is taken, an epoch validated, a state saved, and lingers there."""
    from mixkit.training import fit
    from mixkit.training.step import Step

    told = Step.validated, fit.save_state, Step.__call__

    def step(self: Step, *arguments: Any) -> Any:
        note("stepping")
        return told[2](self, *arguments)

    def evaluate(*arguments: Any) -> Any:
        note("validating")
        time.sleep(pause)
        return told[0](*arguments)

    def save(*arguments: Any) -> None:
        note("saving")
        time.sleep(pause)
        told[1](*arguments)

    Step.validated, fit.save_state, Step.__call__ = evaluate, save, step  # type: ignore[method-assign]


def deaf() -> None:
    """Hears no signal."""
    from contextlib import nullcontext

    from mixkit.training.signals import Signals

    Signals.listening = lambda self: nullcontext(self)  # type: ignore[method-assign,assignment]
    stages(0.1)


def ignoring(*numbers: int) -> None:
    """Was started with these signals ignored, as nohup does."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    stages(0.1)


def orphan() -> None:
    """Leaves a process behind."""
    if not os.fork():
        time.sleep(300)
        os._exit(0)


def slow(seconds: float) -> None:
    """Takes its time for each step."""
    from mixkit.training.step import Step

    real = Step.__call__

    def step(self: Step, *arguments: Any) -> Any:
        time.sleep(seconds)
        return real(self, *arguments)

    Step.__call__ = step  # type: ignore[method-assign]


def stop_at(step: int) -> None:
    """Has the training sent SIGTERM after so many steps; 0 before the first ends, -1 while it validates."""
    from mixkit.training.step import Step

    real, real_evaluate, count = Step.__call__, Step.validated, 0

    def counted(self: Step, *arguments: Any) -> Any:
        nonlocal count
        if count == step == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        outcome = real(self, *arguments)
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return outcome

    def evaluate(*arguments: Any) -> Any:
        if step == -1:
            os.kill(os.getpid(), signal.SIGTERM)
        return real_evaluate(*arguments)

    Step.__call__, Step.validated = counted, evaluate  # type: ignore[method-assign]


def global_generator() -> None:
    """Draws augmentation from torch's own generator, whose state a worker gets a copy of, and not by seed and clip."""
    from mixkit.data.batches import ClipAudio

    real = ClipAudio.__getitem__

    def shaken(self: ClipAudio, key: tuple[int, int]) -> Any:
        found = real(self, key)
        return found if isinstance(found, str) else (found[0] * torch.rand(1), *found[1:])

    ClipAudio.__getitem__ = shaken  # type: ignore[method-assign]


def version(package: str, number: str) -> None:
    """Says that it is another version."""
    if package == "torch":
        torch.__version__ = number
    else:
        from mixkit.training import fingerprint

        fingerprint.__version__ = number


def bad_number(place: str, number: int, value: str) -> None:
    """Puts a number that is none where it does harm.

    Args:
        place: `input`, `loss`, `gradient`, `weight`, `schedule`, or `metric`, which is validation.
        number: of the step, or of the validation, from 1; 0 takes all.
        value: `nan` or `inf`.
    """
    from mixkit.training import step as stepping
    from mixkit.training.step import Step

    real, back, real_evaluate, count, bad = Step.__call__, Step._backward, stepping.evaluate, 0, float(value)

    def step(self: Step, batch: Any, done: int) -> Any:
        nonlocal count
        count += place != "metric"
        if now("input"):
            batch.waveform[0, 5] = bad
        if now("weight"):
            with torch.no_grad():
                next(iter(self.model.mixer.parameters())).view(-1)[0] = bad
        if now("schedule"):
            self.rate = lambda done: bad
        return real(self, batch, done)

    def backward(self: Step, *arguments: Any) -> torch.Tensor:
        loss = back(self, *arguments)
        if now("gradient"):
            weight = next(iter(self.model.mixer.parameters()))
            assert weight.grad is not None
            weight.grad.view(-1)[0] = bad
        return loss * bad if now("loss") else loss

    def evaluate(model: Any, *arguments: Any) -> Any:
        nonlocal count
        count += place == "metric"
        if now("metric"):
            return real_evaluate(_BadScores(model, bad), *arguments)
        return real_evaluate(model, *arguments)

    def now(here: str) -> bool:
        return place == here and number in (0, count)

    Step.__call__, Step._backward, stepping.evaluate = step, backward, evaluate  # type: ignore[method-assign,assignment]


class _BadScores:
    """A network whose scores are none."""

    def __init__(self, model: Any, bad: float):
        self.model, self.bad = model, bad

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(x)
        return logits + self.bad


def unguarded(place: str, number: int, value: str) -> None:
    """The same, of a training that does not look."""
    from mixkit.training.nan_guard import NanGuard
    from mixkit.training.step import Step

    Step._is_sound = lambda *_: True  # type: ignore[method-assign]
    NanGuard.__call__ = lambda *_: None  # type: ignore[method-assign,assignment]
    bad_number(place, number, value)


def unlocked() -> None:
    """Writes without asking who else does."""
    from contextlib import nullcontext

    from mixkit.runs.folder import Run

    Run.hold = lambda self: nullcontext()  # type: ignore[method-assign,assignment,return-value]


def threads(number: int) -> None:
    """Computes with so many."""
    torch.set_num_threads(number)


def note(text: str) -> None:
    """A line for the test, in the file that `$NOTES` names."""
    descriptor = os.open(os.environ["NOTES"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


def wait_for_tracer() -> None:
    """Goes on when strace has come."""
    while "TracerPid:\t0\n" in Path("/proc/self/status").read_text():
        time.sleep(0.002)


def _inside(folder: str, path: Any) -> bool:
    return f"{path}/".startswith(f"{folder}/")


CALLS = ("open", "opened", "fsync", "replace", "unlink", "mkdir")


def _watch(call: str, strike: Callable[[Any], None]) -> None:
    """Has `strike(path)` called ahead of each call of a kind, and after an `opened`, when a file is empty."""
    import io

    def around(real: Callable[..., Any]) -> Callable[..., Any]:
        def called(path: Any, *more: Any, **named: Any) -> Any:
            if call != "opened":
                strike(Path(f"/proc/self/fd/{path}").readlink() if call == "fsync" else path)
            found = real(path, *more, **named)
            if call == "opened":
                strike(path)
            return found

        return called

    if call in ("open", "opened"):
        io.open, os.open = around(io.open), around(os.open)
    else:
        setattr(os, call, around(getattr(os, call)))
