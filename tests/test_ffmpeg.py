"""ffmpeg as a decoder: what it is given, what is taken from it, and that it always ends. A script stands for it."""

import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixkit.audio import ffmpeg, recording
from mixkit.audio.cache import AudioCache
from mixkit.audio.ffmpeg import FfmpegDecoder, container_of
from mixkit.audio.read import inspect, read
from mixkit.audio.recording import open_recording
from mixkit.audio.store import Store
from mixkit.errors import DataError
from mixkit.storage.programs import find_program
from mixkit.tasks.clip import is_audio, suffixes

RATE = 16_000
HEAD = b"\0\0\0\x1cftypM4A \0\0\0\0"
REMOVE = "Remove the file, or list it in task.folder.skip."
FAKE = """#!{python} -ES
import array, os, struct, sys, time

def say(samples, rate=16000, channels=1, more=b"title"):
    head = struct.pack(">4s5I", b".snd", 24 + len(more), 2**32 - 1, 6, rate, channels)
    values = array.array("f", samples)
    values.byteswap()
    sys.stdout.buffer.write(head + more + values.tobytes())
    sys.stdout.flush()

def fail(text, code=1):
    print(text, file=sys.stderr)
    sys.exit(code)

exec(os.environ["FAKE"])
"""

Says = Callable[[str], Path]

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="a process is limited on Linux alone")


@pytest.fixture
def found_anew() -> Iterator[None]:
    """Programs are looked for in the test, and again after it."""
    find_program.cache_clear()
    suffixes.cache_clear()
    yield
    find_program.cache_clear()
    suffixes.cache_clear()


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found_anew: None) -> Says:
    """An ffmpeg that runs some Python, and a file for it to decode."""
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(FAKE.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    path = tmp_path / "--help http:x.m4a"
    path.write_bytes(HEAD + bytes(1000))

    def say(code: str) -> Path:
        monkeypatch.setenv("FAKE", code)
        return path

    return say


def test_what_it_gives_is_heard(says: Says) -> None:
    path = says("say([0.5, -0.5, 0.25, 0.75] * 50_000, 22050, 2)")
    assert inspect(path) == recording.Header(None, 22_050, 2, "MP4")
    assert read(path, 22_050).tolist() == [0.0, 0.5] * 50_000
    assert read(path, 22_050, 1.0, 2.0).tolist() == [0.0, 0.5] * 11_025


LOOKS = """
import resource
source = sys.argv[sys.argv.index("-i") + 1]
seen = {
    "the file": open(source.removeprefix("file:"), "rb").read() == b"\\0\\0\\0\\x1cftypM4A \\0\\0\\0\\0" + bytes(1000),
    "no name": not any("x.m4a" in word for word in sys.argv),
    "one format": sys.argv[sys.argv.index("-f") + 1] == "mov" and sys.argv.index("-f") < sys.argv.index("-i"),
    "one protocol": sys.argv[sys.argv.index("-protocol_whitelist") + 1] == "file",
    "audio decoders": "h264" not in sys.argv[sys.argv.index("-codec_whitelist") + 1],
    "nothing to read": "-nostdin" in sys.argv and sys.stdin.read() == "",
    "another folder": os.getcwd() == "/",
    "a session": os.getsid(0) == os.getpid(),
    "no report": "FFREPORT" not in os.environ,
}
deadline = time.monotonic() + 10
while sys.platform == "linux" and resource.getrlimit(resource.RLIMIT_CORE) != (0, 0) and time.monotonic() < deadline:
    time.sleep(0.01)
if sys.platform == "linux":
    limits = [resource.getrlimit(which) for which in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE)]
    seen["limits"] = limits == [(2**30, 2**30), (60, 60), (0, 0)]
    try:
        open(os.environ["HERE"] + "/written", "w").write("x")
        seen["no writing"] = os.path.getsize(os.environ["HERE"] + "/written") == 0
    except OSError:
        seen["no writing"] = True
missing = [name for name, good in seen.items() if not good]
fail(", ".join(missing)) if missing else say([0.5])
"""


def test_what_it_is_given(says: Says, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFREPORT", "file=report")
    monkeypatch.setenv("HERE", str(tmp_path))
    assert read(says(LOOKS), RATE).tolist() == [0.5]
    with pytest.raises(DataError, match="no name, one format"):  # the control
        read(says("sys.argv += ['x.m4a']; sys.argv[sys.argv.index('-f') + 1] = 'concat'\n" + LOOKS), RATE)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("fail('[mov,mp4 @ 0x55] moov atom not found')", "cannot be decoded (moov atom not found)."),
        ("fail('file:/dev/fd/9: Invalid data\\x1b[31m.')", "cannot be decoded (Invalid data\\x1b[31m)."),
        ("fail(\"[h264 @ 0x1] Codec (h264) not on whitelist 'aac'\\nA reason\")", "cannot be decoded (A reason)."),
        ("fail('', 9)", "cannot be decoded (ffmpeg ends with 9)."),
        ("say([0.1] * 99_999); fail('Invalid packet')", "cannot be decoded (Invalid packet)."),
        ("say([0.1]); fail('File ended prematurely', 0)", "cannot be decoded (File ended prematurely)."),
        ("say([0.1]); fail('no matter', 0)", ""),
        ("say([0.1, float('nan')])", "has samples that are not numbers."),
        ("say([0.1], channels=0)", "says 0 channels; recordings have 1 to 32."),
        ("say([0.1], rate=500)", "says 500 Hz; recordings have 1000 to 384000."),
        ("sys.stdout.write('RIFF' + 99 * 'x')", "cannot be decoded (ffmpeg gives no float32)."),
        ("os.close(1); time.sleep(99)", "cannot be decoded (ffmpeg gave nothing for 0.5 s)."),
        ("say([0.1]); time.sleep(99)", "cannot be decoded (ffmpeg gave nothing for 0.5 s)."),
    ],
)
def test_what_goes_wrong_is_said(says: Says, monkeypatch: pytest.MonkeyPatch, code: str, reason: str) -> None:
    monkeypatch.setattr(ffmpeg, "PATIENCE", 0.5 if "sleep" in code else 60.0)
    path = says(code)
    if not reason:
        read(path, RATE)
        return
    with pytest.raises(DataError) as caught:
        read(path, RATE)
    assert str(caught.value) == f"{path}: {reason} {REMOVE}"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("fail(\"Stream map '0:a:0' matches no streams.\")", "has no audio."),
        ("say([])", "0 samples of audio."),
        ("say([99.0])", "has samples up to 99, far outside -1 to 1."),
        ("say([])\nwhile True: sys.stdout.buffer.write(bytes(2**20))", "more than 1000 samples to a byte"),
    ],
)
def test_what_no_recording_has_is_refused(says: Says, monkeypatch: pytest.MonkeyPatch, code: str, reason: str) -> None:
    monkeypatch.setattr(recording, "FREE", 2**19)
    with pytest.raises(DataError) as caught:
        read(says(code), RATE)
    assert reason in str(caught.value)


@needs_limits
def test_it_has_little_time_and_memory(says: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "SECONDS", 1)
    with pytest.raises(DataError, match="in 1 s of processor time and 1 GiB"):
        read(says("while True: pass"), RATE)
    with pytest.raises(DataError, match="cannot be decoded"):
        read(says("time.sleep(0.2); kept = bytearray(2**31); say([0.1])"), RATE)


def test_it_ends_with_whoever_hears_it(says: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = []
    begin = FfmpegDecoder.__init__

    def noted(self: FfmpegDecoder, descriptor: int, kind: str) -> None:
        begin(self, descriptor, kind)
        pids.append(self._process.pid)

    monkeypatch.setattr(FfmpegDecoder, "__init__", noted)
    path = says("say([])\nwhile True: sys.stdout.buffer.write(bytes(2**20))")

    def interrupted() -> None:
        with open_recording(path) as found:
            next(found.blocks())
            os.kill(pids[0], 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    inspect(path)
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_program_that_cannot_be_started(says: Says) -> None:
    path = says("")
    program = Path(os.environ["PATH"]) / "ffmpeg"
    program.write_text("#!/nowhere\n")
    with pytest.raises(DataError, match=r"cannot be decoded \(.*ffmpeg cannot be started: No such file or directory\)"):
        read(path, RATE)


@pytest.mark.usefixtures("found_anew")
def test_it_is_never_found_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    for folder in (tmp_path, tmp_path / "bin"):
        (folder / "ffmpeg").write_text("#!/bin/sh\n")
        (folder / "ffmpeg").chmod(stat.S_IRWXU)
    monkeypatch.chdir(tmp_path)
    for path in ("", ".", ":", "bin", str(tmp_path), f"{tmp_path}/./:bin:/nowhere"):
        monkeypatch.setenv("PATH", path)
        find_program.cache_clear()
        assert find_program("ffmpeg") is None
    monkeypatch.setenv("PATH", f".:{tmp_path / 'bin'}")
    find_program.cache_clear()
    assert find_program("ffmpeg") == str(tmp_path / "bin" / "ffmpeg")


def test_without_it_the_way_out_is_said(says: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    path = says("")
    assert is_audio("x.M4A")
    monkeypatch.setenv("PATH", "/nowhere")
    find_program.cache_clear()
    suffixes.cache_clear()
    assert not is_audio("x.m4a")
    assert is_audio("x.wav")
    with pytest.raises(DataError) as caught:
        read(path, RATE)
    assert str(caught.value) == (
        f"{path}: is MP4, which is read through ffmpeg, and there is none on this machine. Install it, or elsewhere "
        "convert the file with `ffmpeg -i OLD NEW.wav`, or list it in task.folder.skip."
    )


def test_another_ffmpeg_decodes_anew(says: Says, tmp_path: Path) -> None:
    cache = AudioCache(Store(tmp_path / "cache", 2**20))
    path = says("say([0.5] * 99)")
    os.utime(path, (time.time() - 99,) * 2)
    time.sleep(2.1)  # until nothing can have changed since
    assert cache.read(path, RATE).tolist() == [0.5] * 99
    says("say([0.25] * 99)")
    assert cache.read(path, RATE).tolist() == [0.5] * 99
    os.utime(Path(os.environ["PATH"]) / "ffmpeg", (1, 1))
    assert cache.read(path, RATE).tolist() == [0.25] * 99


def test_containers_are_known_by_their_content() -> None:
    assert container_of(HEAD) == "MP4"
    assert container_of(b"\xff\xf1\x50\x80\0\0\0\0\0\0\0\0") == "AAC"
    for other in (
        b"\xff\xfb\x90\x64",
        b"\xff\xf3\x40\xc4",
        b"\xff",
        b"",
        b"RIFF\0\0\0\0WAVE",
        b"fLaC",
        b"OggS",
        b"#EXTM3U",
    ):
        assert container_of(other) is None


def chirp() -> np.ndarray:
    moments = np.arange(2 * RATE) / RATE
    return 0.4 * np.sin(2 * np.pi * (300 * moments + 200 * moments**2))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two seconds of a chirp, in all containers."""
    folder = tmp_path_factory.mktemp("recorded")
    soundfile.write(folder / "chirp.wav", chirp(), RATE)
    soundfile.write(folder / "other.wav", 0 * chirp(), RATE)
    films = [
        "-f",
        "lavfi",
        "-i",
        "testsrc=d=2:s=64x64",
        "-i",
        str(folder / "chirp.wav"),
        "-i",
        str(folder / "other.wav"),
    ]
    made = {}
    for name, words in {
        "x.m4a": ["-c:a", "alac"],
        "first.m4a": ["-movflags", "+faststart"],
        "x.aac": [],
        "x.caf": [],
        "x.webm": ["-c:a", "libopus"],
        "x.wma": [],
        "x.mov": [],
        "film.mp4": [*films, "-map", "0:v", "-map", "1:a", "-map", "2:a"],
        "silent.mp4": [*films, "-map", "0:v"],
    }.items():
        given = words if "-i" in words else ["-i", str(folder / "chirp.wav"), *words]
        made[name] = folder / name
        subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", *given, made[name]], check=True)
    return made


@needs_ffmpeg
@pytest.mark.parametrize("name", ["x.m4a", "first.m4a", "x.aac", "x.caf", "x.webm", "x.wma", "x.mov", "film.mp4"])
def test_recordings_are_heard(recorded: dict[str, Path], name: str) -> None:
    found, wanted = read(recorded[name], RATE).numpy(), chirp()
    assert abs(len(found) - len(wanted)) < 2500
    # Wherever it begins: some do not say what their encoder has put ahead.
    alike = np.fft.irfft(np.fft.rfft(found, 2**17) * np.fft.rfft(wanted, 2**17).conj())
    assert np.abs(alike).max() > 0.9 * np.linalg.norm(found) * np.linalg.norm(wanted)


@needs_ffmpeg
@pytest.mark.parametrize("name", ["x.m4a", "first.m4a", "x.aac", "x.caf", "x.webm", "x.wma", "x.mov", "film.mp4"])
def test_recordings_that_were_cut_are_refused(recorded: dict[str, Path], name: str, tmp_path: Path) -> None:
    content = recorded[name].read_bytes()
    path = tmp_path / name
    path.write_bytes(content[: len(content) // 2 + 7])
    with pytest.raises(DataError, match="cannot be decoded"):
        read(path, RATE)


@needs_ffmpeg
def test_a_film_without_sound(recorded: dict[str, Path]) -> None:
    with pytest.raises(DataError, match="has no audio"):
        read(recorded["silent.mp4"], RATE)


@needs_ffmpeg
def test_a_list_opens_nothing(recorded: dict[str, Path], tmp_path: Path) -> None:
    """ffmpeg by itself takes them for lists of files, or of addresses, and opens those."""
    for name, text in (
        ("x.m4a", f"ffconcat version 1.0\nfile '{recorded['x.m4a']}'\n"),
        ("x.mp4", "#EXTM3U\n/etc/passwd\n"),
    ):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(DataError, match="is not WAV"):
            read(path, RATE)
        path.write_bytes(HEAD + text.encode())
        with pytest.raises(DataError, match="cannot be decoded"):
            read(path, RATE)
