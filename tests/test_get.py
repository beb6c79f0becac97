"""Getting a data set: fetched once, whole under its name or not there, however many want it and whoever is killed."""

import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from mixkit.download.get import get, place_of
from mixkit.download.sources import SOURCES, Archive, Checksum, Source, source_of
from mixkit.errors import DamagedError, DataError
from mixkit.storage.lock import locked
from tests.conftest import Said
from tests.downloads import be_quick
from tests.http_server import Server, running, whole

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    be_quick(monkeypatch, silence=2.0)


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as found:
        yield found


class Told:
    """A watcher that does not mind."""

    def say(self, text: str) -> None:
        pass

    def progress(self, what: str, done: int, total: int) -> None:
        pass


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def packed(files: dict[str, bytes], suffix: str = "gz") -> bytes:
    content = BytesIO()
    with tarfile.open(fileobj=content, mode=f"w:{suffix}") as tar:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, BytesIO(body))
    return content.getvalue()


FILES = {f"Top/{folder}/{number}.wav": random.Random(number).randbytes(9000) for folder in "ab" for number in range(40)}
PACKED = packed(FILES)


def source_at(address: str, body: bytes = PACKED) -> Source:
    archive = Archive(address, len(body), Checksum("sha256", sha(body), "a test"), 2_000_000, 9000, "Top")
    return Source("sounds", "Sounds of a test", "CC0", "http://127.0.0.1", archive)


def expect_sounds(folder: Path, archive: bool = False) -> None:
    found = {f"Top/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*.wav")}
    assert found == FILES
    beside = sorted(path.name for path in folder.parent.iterdir())
    assert beside == (["sounds", "sounds.tar.gz"] if archive else ["sounds"])


@pytest.mark.parametrize("keep", [False, True])
def test_get(server: Server, tmp_path: Path, keep: bool) -> None:
    source = source_at(server.serve("/sounds.tar.gz", PACKED))
    assert get(source, tmp_path / "sounds", Told(), keep)
    expect_sounds(tmp_path / "sounds", keep)
    assert json.loads((tmp_path / "sounds" / ".mixkit.json").read_text()) == {
        "address": f"http://127.0.0.1:{server.port}/sounds.tar.gz",
        "sha256": sha(PACKED),
        "files": len(FILES),
        "size": 9000 * len(FILES),
    }
    assert not get(source, tmp_path / "sounds", Told(), keep)
    assert server.count("/sounds.tar.gz") == 1


def test_get_uses_an_archive_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "sounds.tar.gz").write_bytes(PACKED)
    assert get(source_at("http://127.0.0.1:9/sounds.tar.gz"), tmp_path / "sounds", Told(), True)
    expect_sounds(tmp_path / "sounds", archive=True)


def test_get_leaves_what_it_did_not_fetch(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "sounds"
    folder.mkdir()
    (folder / "mine.wav").write_text("mine")
    source = source_at(server.serve("/sounds.tar.gz", PACKED))
    with pytest.raises(DataError) as caught:
        get(source, folder, Told())
    assert str(caught.value) == (
        f"{folder} is there, and was not fetched by mixkit. "
        "Use it as it is, name another folder with --to, or remove it."
    )
    (folder / "mine.wav").unlink()
    assert get(source, folder, Told())  # an empty folder is as good as none
    (folder / "a" / "0.wav").unlink()
    with pytest.raises(DamagedError) as damaged:
        get(source, folder, Told())
    assert str(damaged.value) == (f"{folder} was unpacked whole and has changed since. Remove it to fetch it again.")
    assert server.count("/sounds.tar.gz") == 1


def test_get_wants_room_first(server: Server, tmp_path: Path) -> None:
    source = source_at(server.serve("/sounds.tar.gz", PACKED))
    assert source.archive is not None
    huge = replace(source, archive=replace(source.archive, unpacked=10**18))
    with pytest.raises(DataError, match=r" GB free, and 1,000,000,000\.0 GB are needed to fetch and unpack\. Free"):
        get(huge, tmp_path / "sounds", Told())
    assert server.asked == []


def test_what_cannot_be_fetched_says_what_to_do(tmp_path: Path) -> None:
    for source in SOURCES.values():
        if source.archive is None:
            with pytest.raises(DataError) as caught:
                get(source, tmp_path / source.name, Told())
            assert str(caught.value).startswith(f"{source.name} cannot be fetched. ")
            assert str(tmp_path / source.name) in str(caught.value)
            assert not (tmp_path / source.name).exists()


def test_data_that_have_changed_may_be_had_in_another_way(server: Server, tmp_path: Path) -> None:
    source = replace(source_at(server.serve("/sounds.tar.gz", PACKED[:-1] + b"?")), by_hand="Clone it to {folder}")
    with pytest.raises(DamagedError) as caught:
        get(source, tmp_path / "sounds", Told())
    assert str(caught.value).endswith(f"the data have changed there. Clone it to {tmp_path / 'sounds'}")
    assert list(tmp_path.iterdir()) == []


def test_sources_are_whole() -> None:
    assert {name for name, source in SOURCES.items() if source.archive} == {
        "speech_commands",
        "urbansound8k",
        "ravdess",
        "esc50",
    }
    for name, source in SOURCES.items():
        assert source.name == name
        assert source.by_hand or source.archive
        if source.archive:
            assert source.archive.address.startswith("https://")
            assert len(source.archive.checksum.value) == {"sha256": 64, "md5": 32}[source.archive.checksum.kind]
            assert source.archive.size < source.archive.unpacked
    with pytest.raises(DataError, match=r"^no data set named 'ravdes'. Did you mean 'ravdess'"):
        source_of("ravdes")


def test_command(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mixkit_command: Callable[..., Said]
) -> None:
    monkeypatch.setenv("MIXKIT_DATA", str(tmp_path))
    monkeypatch.setitem(SOURCES, "sounds", source_at(server.serve("/sounds.tar.gz", PACKED)))  # type: ignore[misc]
    said = mixkit_command("data", "get", "sounds")
    assert said.code == 0
    assert said.out.splitlines()[:3] == [
        "Sounds of a test http://127.0.0.1",
        "licence  CC0",
        f"from     http://127.0.0.1:{server.port}/sounds.tar.gz",
    ]
    assert f"sha256   {sha(PACKED)} (a test)" in said.out
    assert " GB free)" in said.out
    assert f"sounds is complete: {tmp_path / 'sounds'}\nNext:  mixkit data check sounds\n" in said.out
    assert "fetching 100% of 0.7 MB" in said.err
    expect_sounds(tmp_path / "sounds")
    again = mixkit_command("data", "get", "sounds")
    assert again.code == 0
    assert f"sounds is there, and complete: {tmp_path / 'sounds'}" in again.out
    assert mixkit_command("data", "get", "sounds", "--to", tmp_path / "else" / "where").code == 0
    assert (tmp_path / "else" / "where" / "a" / "0.wav").is_file()
    assert mixkit_command("data", "get", "casia").code == 2
    assert mixkit_command("data", "get", "nothing").code == 2
    assert place_of(SOURCES["casia"]) == tmp_path / "casia"


# Several at once, and killed


PROGRAM = """
import contextlib, sys
from pathlib import Path
from mixkit.download import download, server
from mixkit.download import get as getting
from mixkit.download.sources import Archive, Checksum, Source
from mixkit.errors import MixkitError

class Quiet:
    say = progress = lambda *_: None

download.ATTEMPTS, server.PAUSE, server.SILENCE = 3, 0.05, 5.0
address, checksum, size, folder, lock = sys.argv[1:]
if lock == "no":
    getting.locked = lambda *_: contextlib.nullcontext()
archive = Archive(address, int(size), Checksum("sha256", checksum, "a test"), 2_000_000, 9000, "Top")
try:
    getting.get(Source("sounds", "", "", "", archive), Path(folder), Quiet())
except MixkitError as error:
    sys.exit(str(error))
"""


def start(address: str, folder: Path, lock: bool = True, body: bytes = PACKED) -> subprocess.Popen[str]:
    arguments = [address, sha(body), str(len(body)), str(folder), "yes" if lock else "no"]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "no_proxy": "*"},
        cwd=ROOT,
        start_new_session=True,
    )


def together(server: Server, folder: Path, lock: bool, pause: float) -> tuple[int, list[int]]:
    """How often it was fetched, and how three processes ended that wanted it at once."""
    path = f"/{folder.parent.name}/sounds.tar.gz"
    address = server.serve(path, whole(PACKED, chunk=len(PACKED) // 8, pause=pause))
    processes = [start(address, folder, lock) for _ in range(3)]
    for process in processes:
        process.communicate(timeout=30)
    return server.count(path), [process.returncode for process in processes]


def test_three_at_once_fetch_once(server: Server, tmp_path: Path) -> None:
    rounds = 10
    for number in range(rounds):
        folder = tmp_path / str(number) / "sounds"
        fetched, codes = together(server, folder, lock=True, pause=0.02)
        assert (fetched, codes) == (1, [0, 0, 0])
        expect_sounds(folder)


def test_without_the_lock_they_do_not(server: Server, tmp_path: Path) -> None:
    """The control."""
    fetched, codes = together(server, tmp_path / "x" / "sounds", lock=False, pause=0.1)
    assert fetched > 1 or any(codes)


def test_the_lock_of_a_dead_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    program = "import sys, time; from pathlib import Path; from mixkit.storage.lock import locked\n"
    program += "with locked(Path(sys.argv[1]), print): print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waited: list[str] = []
    threading.Timer(0.3, holder.kill).start()
    began = time.monotonic()
    with locked(path, waited.append):
        assert time.monotonic() - began > 0.2
    assert len(waited) == 1
    assert waited[0].startswith(f"process {holder.pid} on {socket.gethostname()}")
    assert not path.exists()
    holder.wait()
    holder.stdout.close()
    path.write_text("process 1 on nowhere")  # left by a power cut
    with locked(path, waited.append):
        pass
    assert len(waited) == 1


def test_a_lock_that_its_holder_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    held, most = 0, 0

    def work() -> None:
        nonlocal held, most
        for _ in range(20):
            with locked(path, lambda _: None):
                assert path.exists()
                held += 1
                most = max(most, held)
                time.sleep(0.001)
                held -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == 1
    assert not path.exists()


def test_a_place_that_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught, locked(tmp_path / "no" / "a.lock", print):
        pass
    assert str(caught.value) == (
        f"{tmp_path / 'no' / 'a.lock'} cannot be locked (No such file or directory). "
        "Use a folder that can be written to."
    )


def test_getting_needs_no_torch() -> None:
    program = "import sys, mixkit.download.get, mixkit.cli.commands.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
