"""The audio cache: the same bits with and without, nothing damaged is ever used, and it never takes too much."""

import os
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from mixkit.audio import cache
from mixkit.audio.cache import AudioCache
from mixkit.audio.read import read
from mixkit.audio.store import HEAD, MAGIC, Store
from mixkit.errors import DataError
from tests.conftest import Said

RATE = 16_000
ROOM = 2**30


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of a test are older than they are."""
    monkeypatch.setattr(cache, "SETTLED", -1.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", ROOM)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were decoded, one entry each time."""
    found: list[str] = []
    monkeypatch.setattr(cache, "read", lambda path, *rest: found.append(Path(path).name) or read(path, *rest))
    return found


def noise(path: Path, seconds: float = 0.5, rate: int = 44_100, seed: int = 0) -> Path:
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(int(seconds * rate)), rate)
    return path


def entries(store: Store) -> list[Path]:
    """Files of audio; the others are a hash long."""
    return sorted(path for path in store.folder.rglob("*") if path.is_file() and path.stat().st_size > 1000)


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3", "a.wav"])
@pytest.mark.parametrize("section", [(None, None), (0.1, 0.3)])
def test_the_bits_are_those_of_the_decoder(
    tmp_path: Path, store: Store, decoded: list[str], name: str, section: tuple[float | None, float | None]
) -> None:
    path = noise(tmp_path / name)
    expected = read(path, RATE, *section)
    for _ in range(3):
        assert torch.equal(AudioCache(store).read(path, RATE, *section), expected)
    assert decoded == [name]
    assert AudioCache(store).read(path, RATE, *section).dtype == torch.float32


def test_off_it_decodes_each_time(tmp_path: Path, decoded: list[str]) -> None:
    path = noise(tmp_path / "a.flac")
    for _ in range(2):
        AudioCache(None).read(path, RATE)
    assert decoded == ["a.flac"] * 2


def test_what_reads_as_fast_is_not_kept(tmp_path: Path, store: Store, decoded: list[str]) -> None:
    path = noise(tmp_path / "a.wav", rate=RATE)
    for _ in range(2):
        AudioCache(store).read(path, RATE)
    assert decoded == ["a.wav"] * 2
    assert store.usage() == (0, 0)
    AudioCache(store).read(path, 8000)
    assert store.usage()[1] == 2


def test_copies_share_an_entry_and_sections_and_rates_do_not(tmp_path: Path, store: Store) -> None:
    path = noise(tmp_path / "a.flac")
    copy = shutil.copy(path, tmp_path / "b.flac")
    kept = AudioCache(store)
    kept.read(path, RATE)
    kept.read(copy, RATE)
    assert len(entries(store)) == 1
    kept.read(path, 8000)
    kept.read(path, RATE, 0.0, 0.2)
    kept.read(path, RATE, 0.2, 0.4)
    assert len(entries(store)) == 4


@pytest.mark.parametrize("keep_times", [False, True])
def test_a_source_that_changed_is_decoded_anew(tmp_path: Path, store: Store, keep_times: bool) -> None:
    """Even one of the same size whose times were set back: the change time cannot be."""
    path = noise(tmp_path / "a.wav", seed=1)
    other = noise(tmp_path / "b.wav", seed=2)
    before = path.stat()
    assert torch.equal(AudioCache(store).read(path, RATE), read(path, RATE))
    path.write_bytes(other.read_bytes())
    if keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert torch.equal(AudioCache(store).read(path, RATE), read(other, RATE))


def test_of_a_file_that_has_just_changed_nothing_is_kept(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "SETTLED", 60.0)
    AudioCache(store).read(noise(tmp_path / "a.flac"), RATE)
    assert store.usage() == (0, 0)


def test_a_file_that_changes_while_it_is_read_is_not_kept(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = noise(tmp_path / "a.flac")

    def changing(*arguments: object) -> torch.Tensor:
        found = read(*arguments)  # type: ignore[arg-type]
        path.touch()
        return found

    monkeypatch.setattr(cache, "read", changing)
    AudioCache(store).read(path, RATE)
    assert entries(store) == []


def test_another_version_is_another_entry(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = noise(tmp_path / "a.flac")
    AudioCache(store).read(path, RATE)
    monkeypatch.setattr(cache, "_version", lambda *_: "another")
    AudioCache(store).read(path, RATE)
    assert len(entries(store)) == 2


def flip(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


DAMAGES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "a bit of the samples": lambda own, other: flip(own, HEAD + 777),
    "a bit of the checksum": lambda own, other: flip(own, HEAD - 1),
    "a bit of the format": lambda own, other: flip(own, 0),
    "the last bit": lambda own, other: flip(own, len(own) - 1),
    "cut short": lambda own, other: own[:-4],
    "cut to its head": lambda own, other: own[:HEAD],
    "cut within its head": lambda own, other: own[:7],
    "empty": lambda own, other: b"",
    "longer": lambda own, other: own + bytes(4),
    "a sector of zeros": lambda own, other: own[:512] + bytes(512) + own[1024:],
    "another entry": lambda own, other: other,
    "a pickle": lambda own, other: b"\x80\x04cposix\nsystem\n\x8c\x04true\x85R.",
    "another version": lambda own, other: MAGIC.replace(b"1", b"2") + own[len(MAGIC) :],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_made_again(tmp_path: Path, store: Store, decoded: list[str], damage: str) -> None:
    path = noise(tmp_path / "a.flac", seed=1)
    expected = AudioCache(store).read(path, RATE)
    (own,) = entries(store)
    AudioCache(store).read(noise(tmp_path / "b.flac", seed=2), RATE)
    (other,) = set(entries(store)) - {own}
    whole = own.read_bytes()
    own.write_bytes(DAMAGES[damage](whole, other.read_bytes()))
    decoded.clear()
    assert torch.equal(AudioCache(store).read(path, RATE), expected)
    assert decoded == ["a.flac"]
    assert own.read_bytes() == whole
    assert torch.equal(AudioCache(store).read(path, RATE), expected)
    assert decoded == ["a.flac"]


def test_without_its_checksum_damage_would_be_used(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    path = noise(tmp_path / "a.flac")
    expected = AudioCache(store).read(path, RATE)
    (own,) = entries(store)
    own.write_bytes(flip(own.read_bytes(), HEAD + 777))
    monkeypatch.setattr("mixkit.audio.store._head", lambda key, content: own.read_bytes()[:HEAD])
    assert not torch.equal(AudioCache(store).read(path, RATE), expected)


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_file_is_not_waited_for(
    tmp_path: Path, store: Store, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    path = noise(tmp_path / "a.flac")
    expected = AudioCache(store).read(path, RATE)
    (own,) = entries(store)
    elsewhere = own.rename(tmp_path / "elsewhere")
    {"pipe": os.mkfifo, "link": lambda p: p.symlink_to(elsewhere), "folder": Path.mkdir}[kind](own)
    assert torch.equal(AudioCache(store).read(path, RATE), expected)
    if kind == "folder":
        assert caplog.messages == [
            f"The audio cache {store.folder} cannot be written (Is a directory). "
            "What is not in it is decoded anew each time."
        ]
    else:
        assert stat.S_ISREG(own.lstat().st_mode)


@pytest.fixture
def read_only(store: Store) -> None:
    """The place of the cache is a file, which not even root can write below."""
    store.folder.write_bytes(b"")


def test_a_cache_that_cannot_be_written_is_said_once(
    tmp_path: Path, store: Store, read_only: None, caplog: pytest.LogCaptureFixture
) -> None:
    kept = AudioCache(store)
    for number in range(3):
        path = noise(tmp_path / f"{number}.flac", seed=number)
        assert torch.equal(kept.read(path, RATE), read(path, RATE))
    assert caplog.messages == [
        f"The audio cache {store.folder} cannot be written (Not a directory). "
        "What is not in it is decoded anew each time."
    ]


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache._version()  # reads files of ours, once in a process
    real = Path.open

    class Full:
        def __init__(self, file):  # type: ignore[no-untyped-def]
            self.file = file

        def __enter__(self):  # type: ignore[no-untyped-def]
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, content: bytes) -> None:
            self.file.write(content[:20])
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda self, mode="r", *a, **k: Full(real(self, mode, *a, **k)))
    path = noise(tmp_path / "a.flac")
    for _ in range(2):
        assert torch.equal(AudioCache(store).read(path, RATE), read(path, RATE))
    assert [file for file in store.folder.rglob("*") if file.is_file()] == []
    assert len(caplog.messages) == 1
    assert "cannot be written (No space left on device)" in caplog.messages[0]


def test_writers_at_once_and_a_clear_in_between(tmp_path: Path, store: Store) -> None:
    paths = [noise(tmp_path / f"{number}.flac", 0.2, seed=number) for number in range(6)]
    expected = [read(path, RATE) for path in paths]

    def work(number: int) -> bool:
        kept = AudioCache(Store(store.folder, ROOM))
        if number % 5 == 0:
            kept.store.clear()  # type: ignore[union-attr]
        return all(
            torch.equal(kept.read(path, RATE), sound)
            for _ in range(3)
            for path, sound in zip(paths, expected, strict=True)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(12)))


def test_what_is_known_of_a_recording_is_kept_until_it_changes(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    real = cache.open_recording
    monkeypatch.setattr(cache, "open_recording", lambda path, *rest: decoded.append(path) or real(path, *rest))
    path = noise(tmp_path / "a.flac")
    facts, audio = AudioCache(store).examine(path, RATE)
    assert audio is not None
    assert torch.equal(audio, AudioCache(store).read(path, RATE))
    assert AudioCache(store).examine(path, RATE) == (facts, None)
    assert AudioCache(store).examine(shutil.copy(path, tmp_path / "b.flac"), RATE) == (facts, None)
    assert len(decoded) == 1
    section, _ = AudioCache(store).examine(path, RATE, 0.1, 0.2)
    assert section.digest != facts.digest
    assert len(decoded) == 2
    noise(path, seed=1)
    assert AudioCache(store).examine(path, RATE)[0] != facts
    assert len(decoded) == 3
    assert AudioCache(None).examine(path, RATE)[1] is not None


def test_the_size_is_said_in_gib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path / "new" / "place"))
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    assert 0 < cache.most() <= 20 * 2**30
    monkeypatch.setenv(cache.VARIABLE, "0.5")
    assert cache.most() == 2**29
    monkeypatch.setenv(cache.VARIABLE, "0")
    assert AudioCache.of_user().store is None
    for wrong in ("much", "-1", "nan", "inf"):
        monkeypatch.setenv(cache.VARIABLE, wrong)
        with pytest.raises(DataError) as caught:
            cache.most()
        assert str(caught.value) == (
            f"MIXKIT_AUDIO_CACHE is '{wrong}'. Give GiB for the audio cache, such as 20, or 0 for none."
        )


def test_the_command_says_and_clears(
    mixkit_command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv(cache.VARIABLE, "2")
    AudioCache.of_user().read(noise(tmp_path / "a.flac"), RATE)
    folder = tmp_path / "data" / "audio_cache"
    said = mixkit_command("data", "cache")
    assert said.code == 0
    assert said.out == (
        f"2 files, 0.0 MB, in {folder}\n"
        "It takes at most 2 GiB, as MIXKIT_AUDIO_CACHE says in GiB. "
        "It is safe to remove: mixkit data cache --clear\n"
    )
    assert mixkit_command("data", "cache", "--clear").out == f"2 files, 0.0 MB, removed from {folder}\n"
    assert cache.stored().usage() == (0, 0)
