"""All that one short visit to a GPU machine can show: correctness, speed, the main job. At most seven minutes.

    make gpu                       on a CUDA GPU; what comes out is in $OUT, or gpu-results/
    make gpu DEVICE=cpu            the same, small, on a CPU: it shows that every part reports

The parts are in the order of their worth, and each has a limit of time of its own, so that a visit that is cut short
loses the tail alone: `gpu.json` and `gpu.md` are written anew behind each. Nothing is fetched from a network.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WHOLE = 420.0  # seconds for all parts
TAIL = 4_000  # characters of what a part printed that are kept
BATCH = 48
SLOWER = 8  # how much longer a part may take on a CPU, where all of it is only tried
SOUND = "noise.wav"


@dataclass(frozen=True)
class Part:
    """One thing that is shown.

    Args:
        name: of the part.
        seconds: that it may take.
        command: behind the interpreter.
        read: what it found, from what it printed and the folder of results.
        environment: variables that it has beside ours.
    """

    name: str
    seconds: float
    command: tuple[str, ...]
    read: Callable[[str, Path], Mapping[str, Any]]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What came of a part."""

    name: str
    seconds: float
    ended: str
    found: Mapping[str, Any]
    tail: str


def parts(device: str, out: Path) -> list[Part]:
    """The parts, the most valuable first."""
    gpu = device.startswith("cuda")
    size = ("--with", "size/base") if gpu else ("--set", "model.width = 16", "--set", "model.depth = 2")
    batch = str(BATCH if gpu else 2)
    epochs = () if gpu else ("--set", "train.steps = 4", "--set", "task.demo.clips = 4")
    few = ("--set", "train.steps = None", "--set", f"train.epochs = {3 if gpu else 1}")
    run, base = str(out / "runs" / "main"), str(out / "runs" / "base")
    mixkit = ("-m", "mixkit")
    train = (*mixkit, "train", "asm_rh", "--device", device, "--runs", str(out / "runs"))
    tests = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_cuda.py", "-m", "cuda", "-rfE")
    only = () if gpu else ("-k", "network or loss or predicts")
    rounds = ("--rounds", "5" if gpu else "1")
    step = (str(HERE / "gpu_step.py"), "--device", device, "--batch", batch, *rounds, *(() if gpu else ("--small",)))
    against = ("--device", device, "--batch", batch if gpu else "1", *rounds, "--json")
    shallow = () if gpu else ("--depth", "1", "--precisions", "float32")
    return [
        Part("tests", 150, (*tests, *only), _tests, {"MIXKIT_TEST_DEVICE": device}),
        Part("step", 110, step, _json),
        Part("main job", 90, (*train, "--name", "main", *epochs), lambda _, __: _run(Path(run))),
        Part("features", 40, (str(HERE / "features.py"), "--device", device, *rounds, "--json"), _json),
        Part("export", 40, (*mixkit, "export", run, "--to", "onnx", "--out", str(out / "main.onnx")), _said),
        Part("predict on the CPU", 40, (*mixkit, "predict", run, str(out / SOUND), "--device", "cpu", "--json"), _said),
        Part(
            "base size",
            60,
            (*train, *size, "--name", "base", *few, *(("--set", "task.demo.clips = 4") if not gpu else ())),
            lambda _, __: _run(Path(base)),
        ),
        Part("timm", 50, (str(HERE / "against_timm.py"), *against, *shallow), _json),
        Part("AST", 50, (str(HERE / "against_ast.py"), *against, *shallow), _json),
    ]


def _json(said: str, _: Path) -> Mapping[str, Any]:
    """The document that a script prints."""
    return json.loads(said[said.index("{") :])


def _said(said: str, _: Path) -> Mapping[str, Any]:
    """The end of what a command says."""
    return {"said": said.strip()[-300:]}


def _tests(said: str, _: Path) -> Mapping[str, Any]:
    """How many passed, and which did not."""
    lines = said.strip().splitlines()
    return {
        "summary": lines[-1] if lines else "",
        "failed": [line for line in lines if line.startswith(("FAILED", "ERROR"))],
    }


def _run(folder: Path) -> Mapping[str, Any]:
    """What a training came to, how fast it was, and how long it waited for data."""
    results = json.loads((folder / "results.json").read_text())
    times = [json.loads(line) for line in (folder / "times.jsonl").read_text().splitlines()]
    seconds = sum(one["seconds"] for one in times)
    return {
        "test accuracy": results["test"]["accuracy"],
        "epochs": len(times),
        "seconds of training": round(seconds, 1),
        "clips a second, last epoch": times[-1]["clips_per_second"],
        "share of the time waiting for data": round(sum(one["waiting"] for one in times) / max(seconds, 1e-9), 4),
        "MiB at its peak": round(max(one["memory"] for one in times) / 2**20),
    }


def carried_out(part: Part, out: Path, left: float) -> Found:
    """Runs a part within its time, and what is left of all."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]), **part.environment}
    began, limit = time.monotonic(), min(part.seconds, left)
    log = out / "logs" / f"{part.name.replace(' ', '_')}.txt"
    with log.open("w") as errors:
        try:
            done = subprocess.run(
                [sys.executable, *part.command],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                timeout=limit,
                check=False,
            )
            ended, said = ("well" if done.returncode == 0 else f"with exit code {done.returncode}"), done.stdout
        except subprocess.TimeoutExpired as over:
            ended = f"cut off after {limit:.0f} s"
            said = over.stdout.decode(errors="replace") if isinstance(over.stdout, bytes) else over.stdout or ""
    with log.open("a") as file:
        file.write(said)
    try:
        found = part.read(said, out)
    except (ValueError, KeyError, IndexError, OSError) as error:
        found = {"unread": f"{type(error).__name__}: {error}"}
    return Found(part.name, round(time.monotonic() - began, 1), ended, found, log.read_text()[-TAIL:])


def machine(device: str) -> Mapping[str, Any]:
    """The device, and the versions."""
    asked = (
        "import json, torch, mixkit.bench.machine as m, mixkit.training.device as d;"
        f"print(json.dumps(m.machine(d.choose_device({device!r}))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"mixkit does not start here:\n{done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout)


def write(out: Path, where: Mapping[str, Any], done: list[Found]) -> None:
    """Everything so far, as JSON and to be read."""
    (out / "gpu.json").write_text(
        json.dumps({"machine": where, "parts": [asdict(one) for one in done]}, indent=2) + "\n"
    )
    lines = ["# One visit to a GPU", "", ", ".join(f"{key} {value}" for key, value in where.items()), ""]
    for one in done:
        lines += [f"## {one.name}: ended {one.ended}, {one.seconds:.0f} s", ""]
        lines += [*_readable(one.found), ""]
        if one.ended != "well":
            lines += ["```text", one.tail.strip()[-1500:], "```", ""]
    (out / "gpu.md").write_text("\n".join(lines))


def _readable(found: Mapping[str, Any]) -> list[str]:
    """A row for each fact; of a comparison, the ratio."""
    lines = []
    for key, value in found.items():
        if key == "rows":
            for row in value:
                ratio, target = row["ratio"], row["target"]
                goal = "" if target is None else f" (goal {target:g})"
                lines.append(f"- {row['measure']}: {ratio['median']:.2f} times as fast{goal}")
        elif key != "machine":
            lines.append(f"- {key}: {value}")
    return lines


def main() -> None:
    """Carries out the parts; exits with 1 where one of them did not end well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "gpu-results")))
    parser.add_argument("--seconds", type=float, help=f"for all parts together; {WHOLE:.0f} on a GPU")
    parser.add_argument("--only", nargs="*", help="parts, by name")
    chosen = parser.parse_args()
    out = chosen.out.resolve()
    (out / "logs").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / "runs", ignore_errors=True)  # those of an earlier visit
    soundfile.write(out / SOUND, 0.1 * np.random.default_rng(0).standard_normal(48_000), 16_000)
    began, done = time.monotonic(), list[Found]()
    where = machine(chosen.device)
    patience = 1 if chosen.device.startswith("cuda") else SLOWER
    whole = patience * WHOLE if chosen.seconds is None else chosen.seconds
    for part in parts(chosen.device, out):
        if chosen.only and part.name not in chosen.only:
            continue
        left = whole - (time.monotonic() - began)
        if left < 5:
            done.append(Found(part.name, 0.0, "not begun: the time was over", {}, ""))
            continue
        print(f"{part.name} ...", end=" ", flush=True)  # noqa: T201
        done.append(carried_out(replace(part, seconds=patience * part.seconds), out, left))
        print(f"{done[-1].ended}, {done[-1].seconds:.0f} s", flush=True)  # noqa: T201
        write(out, where, done)
    write(out, where, done)
    print((out / "gpu.md").read_text())  # noqa: T201
    sys.exit(any(one.ended != "well" for one in done))


if __name__ == "__main__":
    main()
