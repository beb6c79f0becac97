"""What a result depends on beside the recipe: versions, machine, command, and the user's own code."""

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mixkit.version import __version__

PACKAGES = ("torch", "torchaudio", "numpy", "soundfile", "einops", "gin-config", "safetensors", "torchmetrics")
DIFF_LIMIT = 2**20
"""Characters of a difference to the last commit that are kept."""

# A folder's own configuration may name programs to run; none of them has a part in reading its state.
_GIT = ("git", "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never")


def environment(device: str, precision: str) -> dict[str, Any]:
    """What a result depends on beside the recipe, as plain data.

    Args:
        device: that computes.
        precision: of matrix products.
    """
    import torch

    return {
        "mixkit": __version__,
        "python": platform.python_version(),
        **{package.replace("-", "_"): _version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "device": device,
        "device_name": torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine(),
        "cuda": torch.version.cuda if device.startswith("cuda") else None,
        "precision": precision,
        "threads": torch.get_num_threads(),
        "command": sys.argv[1:],
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def code(folder: Path) -> tuple[dict[str, Any] | None, str]:
    """The commit that a folder stands at, and what differs from it.

    Args:
        folder: of the user, such as the one that mixkit was started in.

    Returns:
        Commit, whether something differs (None where a look would run the folder's own filters) and what is new, or
        None where there is no git; and the difference as text.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None, ""
    # No external diff, text conversion, submodule or filter: each would run what the folder says.
    filters = _git(folder, "config", "--local", "--includes", "--name-only", "--get-regexp", r"^filter\.")
    if filters:
        return {"commit": commit.strip(), "differs": None, "new_files": []}, ""
    diff = _git(folder, "diff", "HEAD", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all") or ""
    new = _git(folder, "ls-files", "--others", "--exclude-standard") or ""
    if len(diff) > DIFF_LIMIT:
        diff = diff[:DIFF_LIMIT] + "\n... cut\n"
    return {"commit": commit.strip(), "differs": bool(diff), "new_files": new.splitlines()[:100]}, diff


def _git(folder: Path, *command: str) -> str | None:
    try:
        done = subprocess.run(
            [*_GIT, "-C", str(folder), *command], capture_output=True, timeout=10, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
