"""A data set fetched, verified and unpacked, by one process at a time; what was killed halfway is gone on with."""

import shutil
from pathlib import Path

from mixkit.download.download import Watcher, download
from mixkit.download.extract import discard_left_overs, extract, is_whole
from mixkit.download.sources import Archive, Source
from mixkit.errors import DamagedError, DataError, printable
from mixkit.storage.folders import data_folder
from mixkit.storage.lock import locked


def place_of(source: Source, to: Path | None = None) -> Path:
    """The folder of a data set: `to`, else `$MIXKIT_DATA/NAME`.

    Raises:
        DataError: there is no home folder to have a cache in.
    """
    return (data_folder() / source.name if to is None else to).absolute()


def get(source: Source, folder: Path, watcher: Watcher, keep: bool = False) -> bool:
    """Have a data set in a folder, whole.

    Args:
        source: what to fetch.
        folder: where it shall be; its parent also takes the archive while it is worked on.
        watcher: is called as it goes on.
        keep: the archive too, beside the folder.

    Returns:
        Whether it had to be fetched; False if it was there.

    Raises:
        DataError: it cannot be fetched at all, the server does not give it out, or there is no room.
        DamagedError: what came, or what is there, is not what was published.
        TrustError: the archive holds what none should, or the server leads elsewhere than to http or https.
    """
    archive = source.archive
    if archive is None:
        raise DataError(f"{source.name} cannot be fetched. {source.advice(folder)}")
    parent = folder.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{printable(parent)} cannot be made ({error.strerror}). Name another folder.") from None

    def waiting(holder: str) -> None:
        watcher.say(f"{source.name} is being fetched by {holder}; waiting for it.")

    with locked(parent / f".{archive.name}.lock", waiting):
        if _is_there(archive, folder):
            return False
        packed = parent / archive.name
        discard_left_overs(packed, parent)
        _expect_room(archive, packed)
        try:
            download(archive, packed, watcher)
        except DamagedError as error:
            raise DamagedError(f"{error} {source.advice(folder)}".rstrip()) from None
        extract(packed, folder, archive, watcher.progress)
        if not keep:
            packed.unlink()
    return True


def _is_there(archive: Archive, folder: Path) -> bool:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    whole = is_whole(folder, archive.checksum)
    if whole is None:
        raise DataError(
            f"{printable(folder)} is there, and was not fetched by mixkit. Use it as it is, name another folder with "
            "--to, or remove it."
        )
    if not whole:
        raise DamagedError(
            f"{printable(folder)} was unpacked whole and has changed since. Remove it to fetch it again."
        )
    return True


def _expect_room(archive: Archive, packed: Path) -> None:
    part = packed.with_name(f"{packed.name}.part")
    have = next((path.stat().st_size for path in (packed, part) if path.is_file()), 0)
    needed = max(archive.size - have, 0) + archive.unpacked
    free = shutil.disk_usage(packed.parent).free
    if needed > free:
        raise DataError(
            f"{printable(packed.parent)} has {free / 1e9:,.1f} GB free, and {needed / 1e9:,.1f} GB are needed to fetch "
            "and unpack. Free the disk, or name another folder with --to."
        )
