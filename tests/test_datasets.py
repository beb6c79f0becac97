"""Every data set as its publishers pack it, in small: got, looked over, trained on for an epoch, and measured.

The commands are those that a user types; only the server is another one.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import new
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest

from mixkit.download.sources import SOURCES
from mixkit.registry import task
from mixkit.tasks.clip import SPLITS
from tests import archives
from tests.archives import Recordings
from tests.conftest import Said
from tests.http_server import Server, running

Command = Callable[..., Said]

ONE_EPOCH = [
    "model.width = 16",
    "model.depth = 1",
    "features.log_mel.bins = 32",
    "train.epochs = 1",
    "train.batch_size = 128",
    "operator.roll_time.bands = 1",
]


@dataclass(frozen=True)
class Case:
    """A fragment of a recipe, and what has to come of it.

    Args:
        task: that it is for.
        fragment: below `task/`.
        protocol: that stands beside every figure.
        sizes: of train, valid and test.
        notes: how those begin that a user is told.
        settings: besides those of an epoch.
    """

    task: str
    fragment: str
    protocol: str
    sizes: tuple[int, int, int]
    notes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


RANDOM = "protocol paper-random: clips of one group stand in training and test alike."
URBAN = "204 clips found; 8,732 are published."
LEFT_OUT = "1 clip is left out of train: others of the same group are held out (recording 132016)."
TWICE = "192 files stand there twice and counted once; passed over: audio_speech_actors_01-24/Actor_01/03-01-01-01-01-"
WORDS = "140 clips found; 105,829 are published."

FETCHED = [
    Case("speech_commands", "speech_commands", "official lists, V2-35", (70, 35, 35), (WORDS, "70 / 35 / 35 clips")),
    Case("speech_commands", "speech_commands_12", "official lists, V2-12", (24, 12, 12), (WORDS,)),
    Case("urbansound8k", "urbansound8k", "official", (160, 20, 23), (URBAN, LEFT_OUT)),
    Case("urbansound8k", "urbansound8k_random", "paper-random", (162, 21, 21), (URBAN, RANDOM)),
    Case("ravdess", "ravdess", "actors", (128, 32, 32), ("192 clips found; 1,440 are published.", TWICE)),
    Case("ravdess", "ravdess_random", "paper-random", (152, 20, 20), ("192 clips found;", TWICE, RANDOM)),
    Case("esc50", "esc50", "official", (150, 50, 50), ("250 clips found; 2,000 are published.",)),
    Case("esc50", "esc10", "official, ESC-10", (30, 10, 10), ("50 clips found; 400 are published.",)),
]
PLACED = [
    Case("casia", "casia", "speakers", (36, 18, 18), ("72 clips found;",)),
    Case("gtzan", "gtzan", "fault-filtered", (20, 20, 20), ("20 / 20 / 20 clips found",)),
]


def spoken_once() -> list[str]:
    """One weak clip of each actor and emotion."""
    return [name for name in archives.ravdess_names() if name[9:].startswith("01-01-01-")]


PACK: Mapping[str, Callable[[], bytes]] = {
    "speech_commands": lambda: archives.tar_gz(
        archives.speech_commands(
            Recordings(16_000), speakers={"train": 2, "valid": 1, "test": 1}, noise=Recordings(16_000, seconds=1.0)
        ),
        "./",
    ),
    "urbansound8k": lambda: archives.tar_gz(
        archives.urbansound8k(
            sound=Recordings(
                *(44_100, 48_000, 44_100, 96_000, 22_050, 8_000, 11_025, 192_000, 16_000),
                kinds=("PCM_16", "PCM_24", "PCM_U8", "MS_ADPCM", "IMA_ADPCM"),
                channels=(2, 1),
            )
        ),
        "UrbanSound8K/",
    ),
    "ravdess": lambda: archives.zipped(
        archives.ravdess(spoken_once(), (archives.by_actor, archives.nested), Recordings(48_000))
    ),
    "esc50": lambda: archives.zipped(archives.esc50(8, Recordings(44_100)), f"{SOURCES['esc50'].archive.inside}/"),
}
PLACE: Mapping[str, Callable[[], archives.Files]] = {
    "casia": lambda: archives.casia(sentences=3, sound=Recordings(16_000)),
    "gtzan": lambda: {**archives.gtzan((0, 1, 50, 51, 70, 71), Recordings(22_050)), **archives.gtzan_lists()},
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as found:
        yield found


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of data sets."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture(scope="module")
def packed() -> Callable[[str], bytes]:
    """Each archive, built once."""
    built: dict[str, bytes] = {}

    def get(name: str) -> bytes:
        if name not in built:
            built[name] = PACK[name]()
        return built[name]

    return get


def serve(server: Server, name: str, body: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    """Has the data set fetched from here; how it is unpacked stays as it is for the published one."""
    source = SOURCES[name]
    assert source.archive is not None
    kind = source.archive.checksum.kind
    address = server.serve(f"/{source.archive.name}", body)
    checksum = replace(source.archive.checksum, value=new(kind, body, usedforsecurity=False).hexdigest())
    here = replace(source.archive, address=address, size=len(body), checksum=checksum, unpacked=50_000_000)
    monkeypatch.setitem(SOURCES, name, replace(source, archive=here))  # type: ignore[misc]
    return address


def done(said: Said) -> str:
    assert said.code == 0, said.err
    return said.out


def expect_all(case: Case, mixkit: Command, tmp_path: Path) -> Any:
    """Looks the data over, trains for an epoch and measures; returns the results."""
    settings = [f"task.{case.task}.seconds = 0.2", *ONE_EPOCH, *case.settings]
    sets = [word for line in settings for word in ("--set", line)]
    looked = mixkit("data", "check", case.fragment, *sets[:2], "--json", "--picture", tmp_path / "look.png")
    report = json.loads(done(looked))
    assert (report["clean"], report["protocol"]) == (True, case.protocol)
    assert tuple(report["splits"][split]["clips"] for split in SPLITS) == case.sizes
    assert len(report["notes"]) == len(case.notes)
    for said, begins in zip(report["notes"], case.notes, strict=True):
        assert said.startswith(begins)
    assert report["findings"]["silent"] == report["findings"]["shorter"] == []
    picture = matplotlib.image.imread(tmp_path / "look.png")
    assert picture.shape[1] == 1320
    assert picture.std() > 0.05

    train = ["train", "asm_rh", "--with", f"task/{case.fragment}", *sets, "--device", "cpu", "--runs", tmp_path]
    told = done(mixkit(*train, "--name", "run"))
    sizes = "{} train, {} valid, {} test clips".format(*case.sizes)
    assert f"{sizes} ({case.protocol}); the model hears 0.20 s." in told
    assert f"asm_rh on {case.task} ({case.protocol}): test accuracy " in told
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["protocol"] == case.protocol
    assert [results[split]["clips"] for split in ("valid", "test")] == list(case.sizes[1:])

    measured = json.loads(done(mixkit("evaluate", tmp_path / "run", "--device", "cpu", "--json")))["test"]
    labels = task.build(task.spec(case.task, **_subset(case))).labels
    assert tuple(measured["per_class"]) == tuple(results["test"]["per_class"]) == labels
    assert measured["accuracy"] == results["test"]["accuracy"]
    assert list(report["splits"]["train"]["labels"]) == list(labels)
    return report


def _subset(case: Case) -> dict[str, str]:
    return {"speech_commands_12": {"variant": "v2-12"}, "esc10": {"subset": "esc10"}}.get(case.fragment, {})


@pytest.mark.parametrize("case", FETCHED, ids=lambda case: case.fragment)
def test_what_can_be_fetched(
    case: Case,
    server: Server,
    packed: Callable[[str], bytes],
    data: Path,
    tmp_path: Path,
    mixkit_command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = serve(server, case.task, packed(case.task), monkeypatch)
    told = done(mixkit_command("data", "get", case.task))
    assert f"from     {address}" in told
    assert f"{case.task} is complete: {data / case.task}" in told
    assert sorted(path.name for path in data.iterdir()) == [case.task]
    report = expect_all(case, mixkit_command, tmp_path)
    if case.fragment == "urbansound8k":
        assert set(report["sample_rates"]) >= {"8000", "44100", "192000"}
        assert report["channels"] == {"2": 102, "1": 101}
    if case.protocol == "paper-random":
        assert report["findings"]["mixed_group"] != []


@pytest.mark.parametrize("case", PLACED, ids=lambda case: case.fragment)
def test_what_a_user_has_to_place(case: Case, data: Path, tmp_path: Path, mixkit_command: Command) -> None:
    train = ["train", "asm_rh", "--with", f"task/{case.fragment}", "--device", "cpu"]
    for asked in (["data", "get", case.task], train):
        said = mixkit_command(*asked)
        assert said.code == 2
        assert str(data / case.task) in said.err
        assert "lace" in said.err
        assert not (data / case.task).exists()
    archives.put(data / case.task, PLACE[case.task]())
    expect_all(case, mixkit_command, tmp_path)


@pytest.mark.parametrize(
    ("fragment", "fold", "tested"),
    [
        ("urbansound8k", 10, {"fold10"}),
        ("ravdess", 6, {"Actor_21", "Actor_22", "Actor_23", "Actor_24"}),
    ],
)
def test_folds_are_where_the_archive_has_them(
    fragment: str,
    fold: int,
    tested: set[str],
    server: Server,
    packed: Callable[[str], bytes],
    data: Path,
    mixkit_command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serve(server, fragment, packed(fragment), monkeypatch)
    done(mixkit_command("data", "get", fragment))
    clips = task.build(task.spec(fragment, fold=fold)).clips("test")
    assert Counter(clip.path.parent.name for clip in clips).keys() == tested


def test_a_damaged_recording_in_an_archive_is_named(
    server: Server, data: Path, mixkit_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the look over an archive can fail."""
    files = archives.ravdess(spoken_once(), sound=Recordings(48_000))
    bad = archives.by_actor(spoken_once()[7])
    serve(server, "ravdess", archives.zipped({**files, bad: files[bad][:4000]}), monkeypatch)
    done(mixkit_command("data", "get", "ravdess"))
    said = mixkit_command("data", "check", "ravdess", "--json")
    assert said.code == 4
    assert [found["file"] for found in json.loads(said.out)["findings"]["unreadable"]] == [str(data / "ravdess" / bad)]
