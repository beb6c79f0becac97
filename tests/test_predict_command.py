"""`mixkit predict` and `mixkit embed`: what goes to stdout, what to stderr, and the exit code."""

import csv
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors import safe_open

import mixkit
from mixkit.audio.chunks import UNFINISHED
from mixkit.tasks.clip import suffixes
from tests.conftest import Said
from tests.nursery import Nursery

Command = Callable[..., Said]


@pytest.fixture(autouse=True)
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder `clips` with a short mono clip, a long stereo one and one that is damaged, and nothing else."""
    monkeypatch.chdir(tmp_path)
    Path("clips/more").mkdir(parents=True)
    dice = np.random.default_rng(0)
    soundfile.write("clips/short.wav", 0.1 * dice.standard_normal(4000), 16_000)
    soundfile.write("clips/more/long.flac", 0.1 * dice.standard_normal((33_075, 2)), 22_050)
    Path("clips/notes.txt").write_text("no sound")


def damage() -> str:
    Path("clips/bad.wav").write_bytes(Path("clips/short.wav").read_bytes()[:3000])
    return "clips/bad.wav: says 8000 bytes of audio and has 2956. The file is damaged."


FAILED = "error: 1 of 3 recordings could not be read, for the reason above.\n"


def test_a_table(mixkit_command: Command, small_run: Path) -> None:
    said = mixkit_command("predict", small_run, "clips", "--top", 1)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].strip() == "in clips"
    long, short = (mixkit.load(small_run).predict(f"clips/{name}") for name in ("more/long.flac", "short.wav"))
    for line, name, found in ((4, "more/long.flac", long), (5, "short.wav", short)):
        row = [cell.strip() for cell in lines[line].strip("│").split("│")]
        assert row[0] == name
        assert row[2] == f"{found.probability:.1%}"


def test_a_narrow_table_keeps_a_class_and_its_probability_together(
    mixkit_command: Command, small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = mixkit.load(small_run).predict("clips/short.wav").top(5)
    wanted = [f"{label} {share:.1%}" for label, share in found[1:]]
    for width, most in ((200, 1), (80, 4)):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = mixkit_command("predict", small_run, "clips/short.wav", "--top", 5).out.splitlines()
        assert max(map(len, lines)) <= width
        rows = [line.strip("│").split("│")[-1].strip() for line in lines if line.startswith("│")]
        assert 1 <= len(rows) <= most
        assert [one for row in rows for one in row.removesuffix(",").split(", ")] == wanted


def test_lines_of_json(mixkit_command: Command, small_run: Path) -> None:
    said = mixkit_command("predict", small_run, "clips", "--json", "--top", 2, "--timeline")
    assert (said.code, said.err) == (0, "")
    found = mixkit.load(small_run).predict("clips/more/long.flac")
    long, short = map(json.loads, said.out.splitlines())
    assert long == {
        "file": "clips/more/long.flac",
        "label": found.label,
        "probability": found.probability,
        "top": [{"label": label, "probability": probability} for label, probability in found.top(2)],
        "seconds": 1.5,
        "windows": 5,
        "timeline": [
            {
                "start": 0.25 * window,
                "stop": 0.25 * window + 0.5,
                "label": found.top(1, window)[0][0],
                "probability": found.top(1, window)[0][1],
                "top": [{"label": label, "probability": share} for label, share in found.top(2, window)],
            }
            for window in range(5)
        ],
    }
    assert short["file"] == "clips/short.wav"
    assert short["seconds"] == 0.25
    assert short["timeline"][0]["stop"] == 0.25


def test_csv(mixkit_command: Command, small_run: Path) -> None:
    said = mixkit_command("predict", small_run, "clips/more/long.flac", "--csv", "--top", 2)
    (first, second) = mixkit.load(small_run).predict("clips/more/long.flac").top(2)
    assert said.out == (
        "file,label,probability,label_2,probability_2,error\n"
        f"clips/more/long.flac,{first[0]},{first[1]},{second[0]},{second[1]},\n"
    )
    said = mixkit_command("predict", small_run, "clips/more/long.flac", "--csv", "--top", 1, "--timeline")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [(row["start"], row["stop"]) for row in rows[:2]] == [("0.000", "0.500"), ("0.250", "0.750")]
    assert len(rows) == 5


@pytest.mark.parametrize("form", [["--json"], ["--csv"], []])
def test_others_are_predicted_where_one_is_damaged(mixkit_command: Command, small_run: Path, form: list[str]) -> None:
    reason = damage()
    said = mixkit_command("predict", small_run, "clips", *form)
    assert (said.code, said.err) == (4, f"{reason}\n{FAILED}")
    if form == ["--json"]:
        records = [json.loads(line) for line in said.out.splitlines()]
        assert records[0] == {"file": "clips/bad.wav", "error": reason}
        assert [record.keys() >= {"label", "probability"} for record in records] == [False, True, True]
    elif form == ["--csv"]:
        rows = list(csv.DictReader(io.StringIO(said.out)))
        assert [(row["file"], row["error"]) for row in rows] == [
            ("clips/bad.wav", reason),
            ("clips/more/long.flac", ""),
            ("clips/short.wav", ""),
        ]
        assert [bool(row["label"]) for row in rows] == [False, True, True]
    else:
        assert "bad.wav" not in said.out
        assert "short.wav" in said.out


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("nope.wav", "nope.wav: no such file. Check the path."),
        ("clips/notes.txt", "clips/notes.txt: is not WAV, FLAC, OGG, MP3 or AIFF. Convert it."),
        ("empty", f"empty: no recordings in it or below ({', '.join(suffixes())})."),
        ("silent.wav", "silent.wav: 0 samples of audio."),
        ("loud.wav", "loud.wav: has samples up to 99, far outside -1 to 1. Scale it."),
    ],
)
def test_what_cannot_be_heard(mixkit_command: Command, small_run: Path, named: str, message: str) -> None:
    Path("empty").mkdir()
    Path("silent.wav").touch()
    soundfile.write("loud.wav", np.full(100, 99.0), 16_000, subtype="FLOAT")
    said = mixkit_command("predict", small_run, named)
    assert (said.code, said.out) == (4, "")
    assert said.err == f"{message}\nerror: the only recording could not be read, for the reason above.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clips", "--json", "--csv"], "error: --json and --csv were both given. Choose one.\n"),
        (
            ["clips", "--device", "gpu"],
            "error: --device 'gpu' is no device. Use auto, cpu, cuda, cuda:N or mps.\n",
        ),
    ],
)
def test_mistakes(mixkit_command: Command, small_run: Path, arguments: list[str], message: str) -> None:
    said = mixkit_command("predict", small_run, *arguments)
    assert (said.code, said.out, said.err) == (2, "", message)


def test_a_run_that_is_not_there(mixkit_command: Command) -> None:
    said = mixkit_command("predict", "runs/nope", "clips")
    assert (said.code, said.out) == (2, "")
    assert said.err == "error: runs/nope is no folder. Name a run, such as runs/asm_rh/001.\n"


def test_a_sound_on_standard_input(mixkit_command: Command, small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = Path("clips/more/long.flac").read_bytes()
    for sent, code in ((content, 0), (b"no sound", 4)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(sent)))
        said = mixkit_command("predict", small_run, "-", "--json")
        record = json.loads(said.out)
        assert (said.code, record["file"]) == (code, "-")
    assert record["error"] == "-: is not WAV, FLAC, OGG, MP3 or AIFF. Convert it."
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    said = mixkit_command("predict", small_run, "-")
    assert (said.code, said.err) == (
        2,
        "error: '-' is a sound file on standard input, which is a terminal. Pipe one: ... - < clip.wav\n",
    )


def damaged_files(folder: Path) -> int:
    """Recordings of several kinds with bytes changed and ends missing, and one that makes libsndfile talk."""
    folder.mkdir()
    dice = np.random.default_rng(1)
    sound = 0.1 * dice.standard_normal(3000)
    soundfile.write(folder / "talks.wav", sound, 16_000, format="SDS", subtype="PCM_16")
    with (folder / "talks.wav").open("r+b") as file:
        file.seek(21 + 127)  # the second block behind the header
        file.write(b"!")
    count = 1
    for kind in ("wav", "flac", "ogg", "mp3", "aiff"):
        soundfile.write(folder / f"whole.{kind}", sound, 16_000)
        whole = (folder / f"whole.{kind}").read_bytes()
        for number in range(12):
            content = np.frombuffer(whole, np.uint8).copy()
            places = dice.integers(0, len(content) if number % 2 else 64, 8)
            content[places] = dice.integers(0, 256, len(places))
            stop = len(content) if number % 3 else int(dice.integers(1, len(content)))
            (folder / f"{number}.{kind}").write_bytes(content[:stop].tobytes())
            count += 1
        count += 1
    return count


def test_every_line_parses_whatever_the_files(small_run: Path, nursery: Nursery) -> None:
    count = damaged_files(Path("damaged"))
    ended = nursery.run("predict", small_run, "damaged", "--json", folder=Path.cwd())
    assert ended.code == 4
    records = [json.loads(line) for line in ended.out.splitlines()]
    assert len({record["file"] for record in records}) == len(records) == count
    failed = [record for record in records if "error" in record]
    assert 10 < len(failed) < count - 5
    assert all(record.keys() == {"file", "error"} and record["error"] for record in failed)
    assert all(0 < record["probability"] <= 1 for record in records if "error" not in record)
    assert "Traceback" not in ended.err
    said = ended.err.splitlines()  # libmpg123 has its word there as well
    assert [line for line in said if line.startswith("damaged/")] == [record["error"] for record in failed]


def test_what_was_mended_in_a_file_is_said_once(mixkit_command: Command, small_run: Path) -> None:
    whole = Path("clips/short.wav").read_bytes()
    at = whole.index(b"data") + 4
    Path("killed.wav").write_bytes(whole[:at] + bytes(4) + whole[at + 4 :])
    ended = mixkit_command("predict", str(small_run), "killed.wav", "clips/short.wav")
    assert ended.err.splitlines() == [f"killed.wav: {UNFINISHED}"]
    assert len(json.loads(mixkit_command("predict", str(small_run), "killed.wav", "--json").out)) > 1


def test_one_of_the_damaged_files_prints_to_stdout_when_it_is_just_opened(nursery: Nursery) -> None:
    damaged_files(Path("damaged"))
    ended = nursery.run("-c", "import soundfile; soundfile.read('damaged/talks.wav')", folder=Path.cwd())
    with pytest.raises(json.JSONDecodeError):
        [json.loads(line) for line in ended.out.splitlines()]


def test_a_bar_in_a_terminal_leaves_stdout_alone(small_run: Path) -> None:
    above, below = pty.openpty()
    command = [sys.executable, "-m", "mixkit", "predict", str(small_run), "clips", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TERM": "xterm"}
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=below, env=environment, timeout=120)
    os.close(below)
    drawn = os.read(above, 2**16)
    os.close(above)
    assert ended.returncode == 0
    assert [json.loads(line)["file"] for line in ended.stdout.splitlines()] == [
        "clips/more/long.flac",
        "clips/short.wav",
    ]
    assert b"listening" in drawn
    assert b"2/2" in drawn


def test_embeddings_in_a_file(mixkit_command: Command, small_run: Path) -> None:
    reason = damage()
    model = mixkit.load(small_run)
    for out in ("found.npz", "found.safetensors"):
        said = mixkit_command("embed", small_run, "clips", "--out", out)
        assert said.code == 4
        assert said.out == f"Wrote {out}: embeddings, 2 x 16 float32, and the files' names.\n"
        assert said.err == f"{reason}\n{FAILED}"
    archive = np.load("found.npz", allow_pickle=False)
    assert archive["files"].tolist() == ["clips/more/long.flac", "clips/short.wav"]
    with safe_open("found.safetensors", "numpy") as file:
        assert json.loads(file.metadata()["files"]) == archive["files"].tolist()
        assert np.array_equal(file.get_tensor("embeddings"), archive["embeddings"])
    for name, row in zip(archive["files"], archive["embeddings"], strict=True):
        assert np.allclose(row, model.embed(str(name)).numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("found.pt", "error: --out found.pt ends in none of .npz, .safetensors. Name such a file.\n"),
        (
            "no/found.npz",
            "error: no/found.npz cannot be written: its folder no has gone. Name another file with --out.\n",
        ),
    ],
)
def test_embeddings_that_cannot_be_written(mixkit_command: Command, small_run: Path, out: str, message: str) -> None:
    said = mixkit_command("embed", small_run, "clips", "--out", out)
    assert (said.code, said.out, said.err) == (2, "", message)
    assert sorted(path.name for path in Path().iterdir()) == ["clips"]
