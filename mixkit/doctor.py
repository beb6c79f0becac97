"""What mixkit finds on this machine, and what to do about it."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soundfile
import torch
from packaging.requirements import Requirement

from mixkit.audio import cache
from mixkit.audio.header import KINDS
from mixkit.download.sources import SOURCES
from mixkit.errors import MixkitError
from mixkit.storage.folders import VARIABLE, data_folder, nearest
from mixkit.study.local import cores
from mixkit.training.device import choose_device
from mixkit.training.precision import bf16_instructions, precision_of
from mixkit.version import __version__

LIBRARIES = ("torch", "torchaudio", "numpy", "scipy", "soundfile", "safetensors", "einops", "gin-config", "matplotlib")
EXTRAS = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "parity": ("timm", "transformers", "sklearn")}
OGG = {"VORBIS": "OGG Vorbis", "OPUS": "OGG Opus"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        topic: what.
        found: in words.
        advice: what to do about it, in a line.
        good: whether nothing has to be done.
        facts: the same for programs.
    """

    topic: str
    found: str
    advice: str
    good: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)


def examine() -> list[Finding]:
    """Looks at everything. What cannot be looked at is a finding, too."""
    parts: dict[str, Callable[[], Finding]] = {
        "python": _python,
        "libraries": _libraries,
        "devices": _devices,
        "precision": _precision,
        "codecs": _codecs,
        "data": _data,
        "audio cache": _cache,
        "extras": _extras,
    }
    findings = []
    for topic, look in parts.items():
        try:
            findings.append(look())
        except MixkitError as error:
            findings.append(Finding(topic, "cannot be told", str(error), good=False))
    return findings


def _python() -> Finding:
    facts = {"mixkit": __version__, "python": platform.python_version(), "platform": platform.platform()}
    place = Path(__file__).parent
    advice = f"mixkit runs from {place}; report these versions with a problem."
    return Finding(
        "python", f"mixkit {facts['mixkit']}, Python {facts['python']}, {facts['platform']}", advice, facts=facts
    )


def _libraries() -> Finding:
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    wrong = []
    for line in importlib.metadata.requires("mixkit") or ():
        wanted = Requirement(line)
        version = versions.get(wanted.name)
        if wanted.marker is None and version and not wanted.specifier.contains(version, prereleases=True):
            wrong.append(f"{wanted.name}{wanted.specifier}")
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    advice = f"Install what mixkit is made for: {', '.join(wrong)}." if wrong else "All as mixkit needs them."
    return Finding("libraries", found, advice, not wrong, versions)


def _devices() -> Finding:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    gpus = [torch.cuda.get_device_properties(number) for number in range(count)]
    usable, threads = cores(), torch.get_num_threads()
    names = [f"cuda:{number} {gpu.name} ({gpu.total_memory / 2**30:.0f} GiB)" for number, gpu in enumerate(gpus)]
    mps = torch.backends.mps.is_available()
    found = [*names, *(["mps"] * mps), f"cpu with {usable} cores (torch uses {threads} threads)"]
    facts = {
        "chosen": str(choose_device("auto")),
        "cuda": [{"name": gpu.name, "bytes": gpu.total_memory} for gpu in gpus],
        "cuda_built": torch.version.cuda,
        "mps": mps,
        "cores": usable,
        "threads": threads,
    }
    if gpus or mps:
        return Finding("devices", ", ".join(found), f"--device auto takes {facts['chosen']}.", facts=facts)
    if Path("/proc/driver/nvidia/version").exists():
        built = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is built without CUDA"
        advice = f"There is an NVIDIA driver, but torch cannot use it; it {built}. Compare with what nvidia-smi says."
        return Finding("devices", ", ".join(found), advice, False, facts)
    advice = "No GPU: size/tiny trains in minutes on the CPU, size/base wants a GPU."
    return Finding("devices", ", ".join(found), advice, facts=facts)


def _precision() -> Finding:
    device = choose_device("auto")
    chosen = precision_of("auto", device)
    instructions = bf16_instructions()
    capability = torch.backends.cpu.get_cpu_capability()
    facts = {"device": str(device), "chosen": chosen, "bf16": instructions, "cpu": capability}
    found = f"{chosen} on {device}; the CPU has {capability}, {instructions or 'no instructions'} for bf16"
    advice = (
        "bf16 is faster here; train.precision = 'float32' for full precision."
        if chosen == "bf16"
        else "bf16 would not be faster here: leave train.precision = 'auto'."
    )
    return Finding("precision", found, advice, facts=facts)


def _codecs() -> Finding:
    formats = soundfile.available_formats()
    kinds = {kind: kind in formats for kind in KINDS if kind != "OGG"}
    inside_ogg = soundfile.available_subtypes("OGG") if "OGG" in formats else {}
    kinds |= {name: subtype in inside_ogg for subtype, name in OGG.items()}
    missing = [kind for kind, there in kinds.items() if not there]
    library = soundfile.__libsndfile_version__
    found = f"libsndfile {library} reads {', '.join(kind for kind, there in kinds.items() if there)}"
    advice = f"It lacks {', '.join(missing)}: pip install --upgrade soundfile." if missing else "All that mixkit reads."
    return Finding("codecs", found, advice, not missing, {"libsndfile": library, **kinds})


def _data() -> Finding:
    folder = data_folder()
    there = sorted(name for name in ("demo", *SOURCES) if (folder / name).is_dir())
    sizes = {name: _size(folder / name) for name in there}
    parent = nearest(folder)
    free = shutil.disk_usage(parent).free
    sets = ", ".join(f"{name} {_amount(size)}" for name, size in sizes.items()) or "no data sets yet"
    found = f"{folder} ({'$' + VARIABLE if os.environ.get(VARIABLE) else 'default'}): {sets}; {_amount(free)} free"
    facts = {"folder": str(folder), "sets": sizes, "free": free}
    if not os.access(parent, os.W_OK):
        return Finding("data", found, f"It cannot be written to. Set {VARIABLE} to another folder.", False, facts)
    missing = [name for name, source in SOURCES.items() if name not in there and source.archive]
    advice = f"To fetch more: mixkit data get {missing[0]}" if missing else "All that can be fetched is there."
    if len(missing) > 1:
        advice += f" (or {', '.join(missing[1:])})"
    return Finding("data", found, f"{advice.rstrip('.')}.", facts=facts)


def _cache() -> Finding:
    cache.AudioCache.of_user()  # says what is wrong with the variable
    size, files = cache.stored().usage()
    chosen = os.environ.get(cache.VARIABLE)
    limit = f"${cache.VARIABLE} = {chosen}" if chosen else f"{cache.MOST:g} GiB, or a tenth of the disk"
    found = f"{_amount(size)} in {files} files; at most {limit}"
    advice = f"It fills itself, and drops the oldest; {cache.VARIABLE} sets its size in GiB, 0 turns it off."
    return Finding("audio cache", found, advice, facts={"bytes": size, "files": files, "most": chosen})


def _extras() -> Finding:
    missing = {
        extra: [name for name in modules if name not in sys.modules and importlib.util.find_spec(name) is None]
        for extra, modules in EXTRAS.items()
    }
    found = "; ".join(f"{extra}: {'no ' + ', '.join(lacks) if lacks else 'there'}" for extra, lacks in missing.items())
    if missing["onnx"]:
        advice = "For mixkit export --to onnx: pip install 'mixkit[onnx]'."
    else:
        advice = "mixkit export --to onnx works."
    return Finding("extras", found, advice, facts={extra: not lacks for extra, lacks in missing.items()})


def _size(folder: Path) -> int:
    """Bytes of all files below a folder; links are not followed."""
    return sum(
        entry.lstat().st_size for root, _, names in os.walk(folder) for entry in (Path(root, name) for name in names)
    )


def _amount(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
