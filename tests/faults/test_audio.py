"""A1 to A4: sound files of strangers through the only decoder."""

import os
import socket
import threading
from pathlib import Path

import pytest

from tests.faults import audio
from tests.faults.host import Host

TRUE_RATES = [
    *(8_000, 11_025, 11_127, 12_000, 16_000, 22_050, 22_254, 22_255, 24_000, 32_000, 37_800, 44_056, 44_099, 44_100),
    *(47_952, 48_000, 48_001, 50_000, 50_400, 64_000, 88_199, 88_200, 95_904, 96_000, 128_000, 176_400, 191_999),
    *(192_000, 256_000, 352_800, 384_000, 15_999, 16_001, 31_999, 8_001, 9_973, 99_991, 250_007, 383_999, 14_700),
]
LIES = (0, 1, 7, 2**31 - 1)


def test_mutated_files_are_read_or_refused(host: Host, tmp_path: Path, release: bool, measured: list[str]) -> None:
    """A1: no crash, no hang, no traceback; each is read whole, or refused with a reason."""
    rounds, count = (20, 500) if release else (4, 100)
    total = {"ok": 0, "refused": 0, "garbage": 0, "plain garbage": 0}
    for seed in range(rounds):
        found = host.call("tests.faults.audio:read_all", str(tmp_path), count, seed, limit=400)
        told = (tmp_path / "number").read_text()
        assert found.code == 0, f"ended with {found.code} at {told}: {found.err[-1000:]}"
        assert not found.value["odd"], "\n".join(found.value["odd"])
        assert found.value["ok"] + found.value["refused"] == count
        assert found.memory < 1000
        total = {key: total[key] + found.value[key] for key in total}
    assert total["garbage"] == 0
    assert total["plain garbage"] > rounds * count // 100, "a plain reader would do as well"
    assert min(total["ok"], total["refused"]) > rounds * count // 20
    measured.append(f"A1: {total}, of files of {len(audio.available())} kinds")


@pytest.mark.parametrize("label", audio.crafted())
def test_crafted_files(host: Host, tmp_path: Path, label: str) -> None:
    """A2."""
    content, reason = audio.crafted()[label]
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    said = host.call("tests.faults.audio:read_one", str(path), audio.RATE)
    assert said.code == 0, said.err
    assert said.value.startswith(reason) if reason else said.value.endswith(" samples"), said.value
    assert said.seconds < 5
    assert said.memory < 1000
    assert said.out == "", "the C library prints for itself"


def test_true_rates_keep_the_pitch(host: Host, tmp_path: Path, release: bool, measured: list[str]) -> None:
    """A3: in bounded memory, whatever the rate; an odd one would make a kernel of gigabytes."""
    worst, most = 0.0, 0.0
    for true in TRUE_RATES if release else TRUE_RATES[::4]:
        for wanted in (16_000, 32_000) if release else (16_000,):
            said = host.call("tests.faults.audio:pitch_error", str(tmp_path / "x.wav"), true, wanted)
            assert said.code == 0, f"{true} Hz: {said.err}"
            assert said.value < 2e-4, true
            assert said.memory < 500, true
            worst, most = max(worst, said.value), max(most, said.memory)
    assert len(set(TRUE_RATES)) >= 40
    measured.append(f"A3: {len(TRUE_RATES)} rates, pitch within {worst:.1e}, {most:.0f} MB at most")


def test_plain_resampling_takes_gigabytes(host: Host, tmp_path: Path) -> None:
    """The control of A3."""
    (tmp_path / "x.wav").write_bytes(audio.written(audio.sound(1.0, 15_999), 15_999))
    said = host.call("tests.faults.audio:plain_resample", str(tmp_path / "x.wav"), 16_000, limit=8)
    assert said.code != 0 or said.memory > 3000
    assert host.call("tests.faults.audio:read_one", str(tmp_path / "x.wav"), 16_000).memory < 200


@pytest.mark.parametrize("rate", LIES)
def test_lies_about_the_rate_are_refused(host: Host, tmp_path: Path, rate: int) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(audio.wav(audio.form(rate=rate), audio.chunk(b"data", bytes(3200))))
    for wanted in (16_000, 32_000):
        said = host.call("tests.faults.audio:read_one", str(path), wanted)
        assert said.value.startswith((f"says {rate} Hz; recordings have", "cannot be decoded (")), said.value
        assert said.memory < 200


def test_what_is_no_file(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A4: each gives one line and an end, whatever stands under the name of a recording."""
    good = audio.written()
    listener = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(tmp_path)  # the path of a socket has to be short
    makers = {
        "pipe": os.mkfifo,
        "socket": listener.bind,
        "folder": os.mkdir,
        "zeros": lambda name: Path(name).symlink_to("/dev/zero"),
        "terminal": lambda name: Path(name).symlink_to("/dev/tty"),
        "memory": lambda name: Path(name).symlink_to("/proc/self/mem"),
        "loop": lambda name: Path(name).symlink_to(name),
        "dangling": lambda name: Path(name).symlink_to("nothing"),
        "unreadable": lambda name: os.open(name, os.O_CREAT, 0),
        "gone": lambda name: None,
    }
    reasons = {}
    for label, make in makers.items():
        make(f"{label}.wav")
        said = host.call("tests.faults.audio:read_one", str(tmp_path / f"{label}.wav"), audio.RATE, limit=20)
        assert said.code == 0, f"{label}: {said.code} {said.err}"
        assert "\n" not in said.value
        assert said.value.endswith("."), said.value
        reasons[label] = said.value
    listener.close()
    assert reasons["pipe"] == reasons["folder"] == reasons["zeros"]
    assert reasons["pipe"] == "is not a regular file. Remove the file, or list it in task.folder.skip."
    assert reasons["gone"] == "no such file. Check the path, or the folder that the task names."
    (tmp_path / "good.wav").write_bytes(good)
    assert host.call("tests.faults.audio:read_one", str(tmp_path / "good.wav"), audio.RATE).value == "1600 samples"


def test_a_file_that_changes_under_the_reader(host: Host, tmp_path: Path) -> None:
    """A4: cut, grown and removed again and again while it is read."""
    path = tmp_path / "x.wav"
    content = audio.written(audio.sound(2.0))
    done = threading.Event()

    def disturb() -> None:
        number = 0
        while not done.is_set():
            number += 1
            path.write_bytes(content[: len(content) // (1 + number % 3)] + bytes(1000 * (number % 2)))
            if number % 5 == 0:
                path.unlink()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(40):
            said = host.call("tests.faults.audio:read_one", str(path), audio.RATE, limit=20)
            assert said.code == 0, said.err
            assert said.value.endswith((".", " samples")), said.value
    finally:
        done.set()
        thread.join()


def test_a_plain_reader_waits_at_a_pipe(host: Host, tmp_path: Path) -> None:
    """The control of A4."""
    os.mkfifo(tmp_path / "x.wav")
    assert host.call("tests.faults.audio:plain_is_garbage", str(tmp_path / "x.wav"), limit=2).code is None
