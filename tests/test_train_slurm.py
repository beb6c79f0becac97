"""A training as a job on several machines: what is handed to Slurm, and what each machine then does."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch.distributed import DistStoreError
from torch.distributed.elastic.rendezvous.api import RendezvousConnectionError

from mixkit.errors import RunError
from mixkit.study import nodes
from mixkit.training import distributed
from mixkit.training import launch as launching
from tests.conftest import Said

submitit = pytest.importorskip("submitit")
Command = Callable[..., Said]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a Slurm that takes every job, and runs none."""
    for name, says in (("sbatch", "echo Submitted batch job 77"), ("srun", ""), ("scancel", ""), ("sacct", "")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{says}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_job_is_submitted(cluster: Path, mixkit_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("train", "asm_h", "--engine", "slurm", "--nodes", "2", "--gpus-per-node", "4", "--minutes", "90")
    monkeypatch.setattr(sys, "argv", ["mixkit", *words])
    said = mixkit_command(*words)
    assert said.code == 0, said
    assert said.out.startswith("Submitted as job 77: 2 nodes with 4 GPUs each.\n"), said.out
    assert f"tail -F {cluster}/runs/slurm/77-0.txt" in said.out
    lines = (cluster / "runs" / "slurm" / "77_submission.sh").read_text()
    for flag in ("nodes=2", "ntasks-per-node=1", "gpus-per-node=4", "cpus-per-task=16", "time=90", "requeue"):
        assert f"#SBATCH --{flag}\n" in lines, flag
    assert " --kill-on-bad-exit=1 " in lines
    assert f"{sys.executable} -P -u -m submitit.core._submit" in lines
    job = submitit.core.utils.DelayedSubmission.load(cluster / "runs" / "slurm" / "77_submitted.pkl")
    assert job.function is nodes.carry_out_node
    assert job.args == ((*words, "--resume", "auto"), f"{cluster}/runs/slurm")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("asm_rj", "--engine", "slurm"), "no recipe 'asm_rj'"),
        (("asm_h", "--engine", "slurm", "--set", "train.epoch = 1"), "train.epoch"),
        (("asm_h", "--engine", "slurm", "--dry-run"), "--dry-run is no job for --engine slurm. Leave one of them out."),
        (
            ("asm_h", "--engine", "slurm", "--seeds", "0,1"),
            "--engine is of one run, and --seeds or --folds make several",
        ),
        (("asm_h", "--nodes", "2"), "--nodes and --minutes are of a job on a cluster. Add --engine slurm, or leave"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_submitted(
    cluster: Path, mixkit_command: Command, words: tuple[str, ...], expected: str
) -> None:
    said = mixkit_command("train", *words)
    assert said.code == 2
    assert expected in said.err
    assert not (cluster / "runs").exists()


def test_machines_meet_at_the_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of two jobs on the same machines, each has a port of its own."""
    asked: list[Any] = []
    monkeypatch.setattr(nodes, "carry_out", lambda *words: asked.append(words) or 143)
    monkeypatch.setattr("signal.signal", lambda *words: None)
    for job, node in ((77, 1), (78, 0)):
        found = {"job_id": str(job), "raw_job_id": str(job), "num_nodes": 2, "node": node, "hostnames": ["n7", "n9"]}
        monkeypatch.setattr(submitit, "JobEnvironment", lambda found=found: SimpleNamespace(**found))
        with pytest.raises(SystemExit) as caught:
            nodes.carry_out_node(("train", "x"), str(tmp_path))
        assert caught.value.code == 143
    assert asked == [
        (("train", "x"), f"{tmp_path}/77-1.txt", {"MIXKIT_MEETING": "2 n7:29077 77"}),
        (("train", "x"), f"{tmp_path}/78-0.txt", {"MIXKIT_MEETING": "2 n7:29078 78"}),
    ]


@pytest.mark.parametrize("error", [RendezvousConnectionError, DistStoreError])
def test_an_agent_meets_those_of_other_machines(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    configs = []

    def agent(config: Any, *_: object) -> Callable[..., None]:
        configs.append(config)

        def lost(*words: str) -> None:
            raise error("The connection has failed.")

        return lost

    monkeypatch.setattr(launching, "elastic_launch", agent)
    monkeypatch.setenv(launching.MEETING, "2 n7:29077 77")
    with pytest.raises(RunError, match=r"^The others of 2 machines do not meet at n7:29077, or no longer \((Ren|Dist)"):
        launching.launch(("train", "x"), 4, 0, "cpu")
    (config,) = configs
    found = (config.min_nodes, config.max_nodes, config.nproc_per_node, config.rdzv_endpoint, config.run_id)
    assert found == (2, 2, 4, "n7:29077", "77")


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[/src/third_party/gloo/gloo/transport/tcp/pair.cc:545] Read error [10.0.0.7]:57531"), True),
        (DistStoreError("wait timeout after 60000ms"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_a_process_whose_neighbour_has_gone_says_so(
    monkeypatch: pytest.MonkeyPatch, error: RuntimeError, lost: bool
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(distributed, "Thread", lambda **_: SimpleNamespace(start=lambda: None))
    monkeypatch.setattr(distributed, "rendezvous", lambda *_, **__: iter([({}, 0, 2)]))
    monkeypatch.setattr(distributed, "PrefixStore", lambda _, store: store)
    monkeypatch.setattr(distributed.dist, "init_process_group", lambda *_, **__: None)
    monkeypatch.setattr(distributed.dist, "new_group", lambda **_: None)
    said = "another of the 2 processes has gone, or what lies between their machines. Start all again: the run goes on "
    with (
        pytest.raises(RunError if lost else RuntimeError, match=re.escape(said if lost else str(error))),
        distributed.joined("cpu"),
    ):
        raise error
