"""A process that has imported what runs need, and is forked for each: importing takes longer than a small run.

It takes requests as lines of JSON on its input and answers each on its output. A run has its own session, output and
environment, as one that is started anew, and the same bits; when the driver ends, however that ends, this process
ends, and its runs with it.
"""

import json
import os
import runpy
import sys
import threading
from typing import Any

from mixkit.study.engine import THREADS


def main() -> int:
    """Imports, and takes requests until its input ends. A fork leaves from here as well, when its run has ended."""
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    answers = os.dup(1)
    os.dup2(2, 1)  # nothing that is imported answers
    import torch
    import torchmetrics.functional.classification  # noqa: F401

    import mixkit.storage.picture
    import mixkit.training.loop  # noqa: F401
    from mixkit.registry import REGISTRIES

    for registry in REGISTRIES.values():
        registry.names()
    torch.optim.AdamW([torch.zeros(1)])  # the first of all imports much
    watched, held = os.pipe()  # its end tells forks that this process has ended
    while request := requests.readline():
        job = json.loads(request)
        if "ended" in job:
            done, status = os.waitpid(job["ended"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if done else None
        else:
            answer = os.fork()
            if not answer:
                requests.close()
                os.close(answers)
                os.close(held)
                return _run(job, watched)
        os.write(answers, json.dumps(answer).encode() + b"\n")
    return 0


def _run(job: dict[str, Any], watched: int) -> int:
    import torch

    from mixkit.study.worker import end_with

    os.setsid()
    threading.Thread(target=end_with, args=(watched,), daemon=True).start()
    for stream, path, how in ((0, os.devnull, os.O_RDONLY), (1, job["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)):
        file = os.open(path, how, 0o666)
        os.dup2(file, stream)
        os.close(file)
    os.dup2(1, 2)
    if job["environment"][THREADS] != os.environ[THREADS]:  # which is looked at when torch is imported
        torch.set_num_threads(int(job["environment"][THREADS]))
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.argv = ["mixkit", *job["arguments"]]
    runpy.run_module("mixkit", run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
