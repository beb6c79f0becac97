"""Shards on a server give what they give on a disk; a server that fails is named, and no clip is blamed for it."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import mixkit
from mixkit.audio.cache import AudioCache
from mixkit.audio.store import Store
from mixkit.data.batches import Batches, ClipAudio, Order
from mixkit.data.kept_clips import compare_content, find_clips, name_clips
from mixkit.data.pack import pack
from mixkit.data.unusable import usable
from mixkit.data.waveforms import Waveforms
from mixkit.download import pieces
from mixkit.errors import DamagedError, DataError, MixkitError, ReadingFailed
from mixkit.tasks.clip import SPLITS
from mixkit.training.prepare import prepare
from tests.downloads import be_quick
from tests.http_server import Answer, Server, Visit, first_then, running, status, whole
from tests.test_shards import RATE, folder_spec, record, shards


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards on the disk."""
    folder = tmp_path_factory.mktemp("packed")
    pack(folder_spec(record(folder / "files")), folder / "shards", 5, lambda *_: None)
    return folder / "shards"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    be_quick(monkeypatch)
    monkeypatch.setattr(pieces, "PATIENCE", 0.05)
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path / "data"))
    with running() as found:
        yield found


def serve(server: Server, root: Path) -> str:
    for path in root.iterdir():
        server.serve(f"/set/{path.name}", path.read_bytes())
    return f"http://127.0.0.1:{server.port}/set"


def instead(server: Server, answer: Answer) -> None:
    """All archives are given out in another way."""
    server.answers |= {path: answer for path in server.answers if path.endswith(".tar")}


def read(clip: Any, cache: AudioCache | None = None) -> torch.Tensor:
    return Waveforms(RATE, cache or AudioCache(None)).read(clip)


def test_it_is_what_it_is_on_a_disk(server: Server, root: Path) -> None:
    here, there = shards(root), shards(serve(server, root))
    assert (there.labels, there.protocol, there.notes) == (here.labels, here.protocol, here.notes)
    for split in SPLITS:
        assert there.count(split) == here.count(split)
        for one, other in zip(here.clips(split), there.clips(split), strict=True):
            assert (one.label, one.group, one.path.parts[-2:]) == (other.label, other.group, other.path.parts[-2:])
            assert torch.equal(read(one), read(other))
    assert server.count("/set/task.json") == server.count("/set/clips.jsonl") == 1
    assert len(server.asked) == 2 + 16, "one request for each clip, and no index of an archive"
    kept = name_clips({split: here.clips(split) for split in SPLITS}, {}, AudioCache(None))
    again = shards(f"http://127.0.0.1:{server.port}/set/")
    found = find_clips(kept, {split: again.clips(split) for split in SPLITS})
    assert not str(compare_content(found, AudioCache(None)).differ)
    assert len(server.asked) == 2 + 16 + 1, "the index is kept, and says what is in the files"


def test_what_was_decoded_is_not_asked_for_again(server: Server, root: Path, tmp_path: Path) -> None:
    there = shards(serve(server, root))
    splits = {split: there.clips(split) for split in SPLITS}
    listed = len(server.asked)
    for _ in range(2):
        cache = AudioCache(Store(tmp_path / "cache", 2**30))
        good, bad, _clips = usable(splits, "stop", Waveforms(RATE, cache), str)
        assert good == splits
        assert bad == []
        read(good["train"][0], cache)
        assert len(server.asked) == listed + 16


def test_an_epoch_goes_on_from_where_it_stopped(server: Server, root: Path) -> None:
    lines = [f"task.shards.root = {serve(server, root)!r}", f"task.shards.sample_rate = {RATE}"]
    prepared = prepare(mixkit.load_recipe("small_data", ["task/shards"], [*lines, "task.shards.seconds = 0.5"]), "cpu")

    def batches(made: Any) -> Batches:
        audio = ClipAudio(made.clips("train"), made.labels, Waveforms(RATE), prepared.splits.network.length, seed=3)
        return Batches(audio, Order(len(audio), 3, seed=5), torch.device("cpu"))

    of_disk = list(batches(shards(root)).epoch(2))
    rest = list(batches(shards(f"http://127.0.0.1:{server.port}/set")).epoch(2, skip=1))
    assert len(of_disk) == 1 + len(rest)
    for one, other in zip(of_disk[1:], rest, strict=True):
        assert torch.equal(one.waveform, other.waveform)
        assert torch.equal(one.items, other.items)


def breaks_off(body: bytes, after: int) -> Answer:
    def answer(visit: Visit) -> None:
        rest = body[visit.start : visit.stop]
        range_ = f"bytes {visit.start}-{visit.start + len(rest) - 1}/{len(body)}"
        visit.reply(206, rest[:after], Content_Length=len(rest), Content_Range=range_)

    return answer


def test_a_clip_that_breaks_off_is_gone_on_with(server: Server, root: Path) -> None:
    there = shards(serve(server, root))
    clip = there.clips("train")[0]
    name = clip.path.parent.name
    body = (root / name).read_bytes()
    good = server.answers[f"/set/{name}"]
    for came, first in ((1000, breaks_off(body, 1000)), (0, status(503)), (0, breaks_off(body, 0))):
        server.asked.clear()
        server.answers[f"/set/{name}"] = first_then(first, 1, good)
        assert torch.equal(read(clip), read(shards(root).clips("train")[0]))
        starts = [int(asked.removeprefix("bytes=").split("-")[0]) for _, asked in server.asked]
        assert [start - starts[0] for start in starts] == [0, came]


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (
            status(404),
            r"^http://.*/train-\d+.tar: the server answers 404 Not Found. Look whether the data have moved.",
        ),
        (
            status(503),
            r"^http://.*/train-\d+.tar: the server answers 503 Service Unavailable; given up after \d attempts. "
            "Try again later; a run goes on by --resume.$",
        ),
        (
            whole(bytes(10**5), resumes=False),
            r"^http://.*/train-\d+.tar: the server gives out whole files only, and no parts \(Range requests\). Choose "
            "a server that does, or copy the shards to a disk.$",
        ),
        (
            whole(bytes(10**5)),
            r"^http://.*/train-\d+.tar: the [\d,]+ bytes from [\d,]+ on are not those that the index names. The "
            "archive is damaged there, or another than was packed.$",
        ),
    ],
)
def test_a_server_that_fails_is_named_and_no_clip_is_left_out(
    server: Server, root: Path, behaviour: Answer, expected: str
) -> None:
    there = shards(serve(server, root))
    splits = {split: there.clips(split) for split in SPLITS}
    instead(server, behaviour)
    with pytest.raises(ReadingFailed, match=expected):
        usable(splits, "skip", Waveforms(RATE, AudioCache(None)), str)


def test_a_server_that_has_gone_is_named(server: Server, root: Path) -> None:
    said = r"^http://127.0.0.1:9/set/task.json: .* See that the address is right; try again.$"
    with pytest.raises(ReadingFailed, match=said):
        shards("http://127.0.0.1:9/set").clips("train")


def test_other_shards_at_the_same_address_are_others(server: Server, root: Path, tmp_path: Path) -> None:
    address = serve(server, root)
    before = shards(address).clips("test")
    pack(folder_spec(root.parent / "files", test_share=0.4), tmp_path / "again", 3, lambda *_: None)
    serve(server, tmp_path / "again")
    after = shards(address).clips("test")
    assert len(after) > len(before)
    assert [len(read(clip)) for clip in after] == [len(read(clip)) for clip in shards(tmp_path / "again").clips("test")]
    with pytest.raises(ReadingFailed, match="another than was packed"):
        [read(clip) for clip in before]


def changed(path: str) -> bytes:
    return json.dumps({"split": "test", "path": path, "start": 512, "size": 9, "sha256": "0" * 64}).encode()


@pytest.mark.parametrize(
    "path", ["../x.tar/a.wav", "/x.tar/a.wav", "x.tar/../a.wav", ".x.tar/a.wav", "x/a.wav", "x.tar/a b.wav", "x.tar/"]
)
def test_an_index_leads_nowhere_else(server: Server, root: Path, tmp_path: Path, path: str) -> None:
    address, index = serve(server, root), changed(path)
    about = json.loads((root / "task.json").read_text())
    about["index"] = {"size": len(index), "sha256": hashlib.sha256(index).hexdigest()}
    server.serve("/set/task.json", json.dumps(about).encode())
    server.serve("/set/clips.jsonl", index)
    with pytest.raises(DataError, match=r"^http://.*/set/clips.jsonl: is not what was written \(path "):
        shards(address).clips("test")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["shards"]
    assert not list((tmp_path / "data" / "shards").iterdir())


def test_a_damaged_index_is_refused(server: Server, root: Path, tmp_path: Path) -> None:
    address = serve(server, root)
    server.serve("/set/clips.jsonl", (root / "clips.jsonl").read_bytes().replace(b"cat", b"dog"))
    with pytest.raises(DamagedError, match=r"clips.jsonl: what came has the sha256 .* \(in task.json beside it\)"):
        shards(address).clips("test")
    server.serve("/set/task.json", b"{}")
    with pytest.raises(DataError, match=r"/set/task.json: is not what was written \('index'\). Pack them anew"):
        shards(address).clips("test")
    assert not list((tmp_path / "data" / "shards").iterdir())


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("pipe:touch x", "a command. mixkit runs none that a recipe names. Run it yourself"),
        ("PIPE: touch x", "a command. mixkit runs none that a recipe names. Run it yourself"),
        ("gs://b/x", "address: https://storage.googleapis.com/BUCKET/FOLDER"),
        ("s3://b/x", "address: https://BUCKET.s3.amazonaws.com/FOLDER"),
        ("hdfs://b/x", "Of addresses, it takes those of http and https. Copy the shards to a disk"),
        ("file:///x", "Of addresses, it takes those of http and https."),
        ("https://example.org/x/shard-{000..009}.tar", "Name the folder of the shards; the index in it says which"),
        ("https://example.org/x?token=1", "which is not the address of a folder"),
        ("https://me:secret@example.org/x", "holds a name or password"),
        ("https:///x", "which is no web address"),
    ],
)
def test_other_addresses_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch, asked: str, expected: str) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    monkeypatch.setattr("os.system", None)
    monkeypatch.setattr("socket.socket.connect", None)
    with pytest.raises(MixkitError) as caught:
        shards(asked).clips("train")
    assert expected in str(caught.value)
