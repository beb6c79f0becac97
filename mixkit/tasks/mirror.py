"""The index of shards that lie on a server, in a folder of this machine, where it is read as that of shards on a disk.

The folder is named after the address and `task.json` there, which has the SHA-256 of the list of clips, which has that
of each recording: other shards under the same address have another folder, and what is read is what was packed.
"""

import hashlib
import json
import logging
import re
from collections import defaultdict
from pathlib import Path

from mixkit.download.archive import ADDRESS, INDEX, TAR, VERSION, mirrors
from mixkit.download.download import download
from mixkit.download.pieces import read_small
from mixkit.download.server import check_address
from mixkit.download.sources import Archive, Checksum
from mixkit.errors import DataError, SettingError, printable
from mixkit.storage.atomic import make_whole
from mixkit.storage.lock import locked
from mixkit.tasks.progress import Progress

ABOUT, CLIPS = "task.json", "clips.jsonl"
FIX = "Pack them anew: mixkit data pack."
SETTING = "task.shards.root"
LARGEST = 2**24  # bytes of `task.json`: a million labels
LARGEST_CLIP = 2**31  # bytes of a recording, which is read to memory
STORES = {"s3": "https://BUCKET.s3.amazonaws.com/FOLDER", "gs": "https://storage.googleapis.com/BUCKET/FOLDER"}

_log = logging.getLogger(__name__)


def is_address(root: str) -> bool:
    """Whether it is the address of a folder on a server, and not a folder of this machine.

    Raises:
        SettingError: it is something else that WebDataset opens, or no address of a folder.
        TrustError: it holds a password.
    """
    scheme = root.partition(":")[0].strip().lower()
    if scheme == "pipe" and ":" in root:
        fix = "Run it yourself, and give the folder of the shards."
        raise SettingError(SETTING, f"is {root!r}, a command. mixkit runs none that a recipe names. {fix}")
    if not re.match(r"[a-z][a-z0-9+.-]*://", root, re.IGNORECASE):
        return False
    if scheme not in ("http", "https"):
        fix = f"A public {scheme} folder has such an address: {STORES[scheme]}." if scheme in STORES else ""
        fix = fix or "Copy the shards to a disk, or give their address by https."
        raise SettingError(SETTING, f"is {root!r}. Of addresses, it takes those of http and https. {fix}")
    if root.rstrip("/").endswith(TAR) or set(root) & set("{}?#"):
        fix = "Name the folder of the shards; the index in it says which there are."
        raise SettingError(SETTING, f"is {root!r}, which is not the address of a folder. {fix}")
    return bool(check_address(root))


def mirror(address: str, progress: Progress) -> Path:
    """The folder with the index of shards on a server, which is fetched unless it is there.

    Args:
        address: of the folder of the shards.
        progress: is told how much has come.

    Raises:
        MixkitError: the server cannot be reached, or has no shards there; or their index is damaged.
    """
    address = address.rstrip("/")
    about = read_small(f"{address}/{ABOUT}", LARGEST)
    name = re.sub(r"[^\w.-]+", "_", address.partition("://")[2], flags=re.ASCII)[-60:].lstrip(".-")
    folder = mirrors() / f"{name}-{hashlib.sha256(address.encode() + b' ' + about).hexdigest()[:16]}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    watcher = _Watcher(progress)
    with locked(
        folder.with_name(f".{folder.name}.lock"), lambda holder: watcher.say(f"{holder} fetches the index; waiting.")
    ):
        make_whole(folder, lambda fresh: _fill(fresh, address, about, watcher))
    return folder


def _fill(folder: Path, address: str, about: bytes, watcher: "_Watcher") -> None:
    where = f"{address}/{ABOUT}"
    try:
        index = json.loads(about)["index"]
        size, sha256 = int(index["size"]), str(index["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"is not what was written ({printable(str(error))}).", where, FIX) from None
    checksum = Checksum("sha256", sha256, f"in {ABOUT} beside it")
    download(Archive(f"{address}/{CLIPS}", size, checksum, unpacked=0, files=0), folder / CLIPS, watcher)
    archives: dict[str, list[str]] = defaultdict(list)
    try:
        with (folder / CLIPS).open(encoding="utf-8") as file:
            for line in file:
                archive, entry = _entry(json.loads(line))
                archives[archive].append(entry)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"is not what was written ({printable(str(error))}).", f"{address}/{CLIPS}", FIX) from None
    for archive, entries in archives.items():
        (folder / archive).with_suffix(INDEX).write_text("".join([f"{VERSION} {len(entries)}\n", *entries]))
    (folder / ABOUT).write_bytes(about)
    (folder / ADDRESS).write_text(address)


def _entry(row: dict[str, object]) -> tuple[str, str]:
    """The archive of a clip, and its line in the index of that: as on a disk, with the SHA-256 at its end."""
    path, start, size, sha256 = (row[key] for key in ("path", "start", "size", "sha256"))
    found = re.fullmatch(rf"(\w[\w.-]*{re.escape(TAR)})/([^\s/]+)", str(path))
    if not (found and isinstance(start, int) and isinstance(size, int) and start > 0 and 0 < size <= LARGEST_CLIP):
        raise ValueError(f"path {path!r}, start {start!r}, size {size!r}")
    if not re.fullmatch(r"[0-9a-f]{64}", str(sha256)):
        raise ValueError(f"sha256 {sha256!r}")
    return found[1], f"{found[2].partition('.')[2]} {start} {size} {found[2]} {sha256}\n"


class _Watcher:
    """Of a download: what goes wrong on the way is logged."""

    def __init__(self, progress: Progress):
        self._progress = progress

    def progress(self, what: str, done: int, total: int) -> None:
        self._progress(what, done, total)

    def say(self, text: str) -> None:
        _log.warning("%s", text)
