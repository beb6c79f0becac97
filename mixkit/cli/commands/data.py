"""`mixkit data get`, `mixkit data check`, `mixkit data pack` and `mixkit data cache`."""

import json
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixkit.cli.command import Command
from mixkit.cli.options import AsJson
from mixkit.cli.views.terminal import print_json, say, stderr

if TYPE_CHECKING:
    from mixkit.data.check import Report
    from mixkit.download.sources import Archive, Source
    from mixkit.registry import Spec

data = typer.Typer(no_args_is_help=True, help="Fetch data sets, and look over recordings before training.")

Layers = Annotated[
    list[str] | None, typer.Option("--with", metavar="NAME", help="Lay a fragment over the recipe. Repeatable.")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="LINE", help="\"task.folder.root = 'path'\". Repeatable.")
]
Plugins = Annotated[list[str] | None, typer.Option("--plugin", metavar="PATH", help="Load tasks of your own.")]


@data.command(cls=Command)
def get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set, such as ravdess.")],
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where it shall be; $MIXKIT_DATA/NAME without.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep-archive", help="Keep what was fetched, beside the folder.")] = False,
) -> None:
    """Fetch a data set: verified by its published checksum, unpacked whole; what was interrupted is gone on with."""
    from mixkit.cli.views.bar import Bar
    from mixkit.download import get as getting
    from mixkit.download.sources import source_of

    source = source_of(name)
    folder = getting.place_of(source, to)
    if source.archive is not None:
        _introduce(source, source.archive, folder)
    with Bar(stderr(), counts_bytes=True) as bar:
        fetched = getting.get(source, folder, bar, keep)
    say(f"{source.name} is {'complete' if fetched else 'there, and complete'}: {folder}")
    say(f"Next:  mixkit data check {source.name}")


@data.command(cls=Command)
def check(
    asked: Annotated[str, typer.Argument(metavar="TASK", help="A task, such as ravdess, or a recipe.")],
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
    picture: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw classes and lengths.")] = None,
    as_json: AsJson = False,
) -> None:
    """Listen to every recording of a task: what is damaged, what leaks from split to split, what is odd."""
    from mixkit.cli.views.bar import Bar
    from mixkit.cli.views.data_check import show
    from mixkit.data import check as checking
    from mixkit.errors import DamagedError, SettingError
    from mixkit.registry import task

    if picture is not None and picture.suffix.lower() != ".png":
        raise SettingError("--picture", f"is '{picture}'. It is drawn as PNG: name a file such as {picture.stem}.png.")
    spec = _spec(asked, layers or [], settings or [], plugins or [])
    with Bar(stderr(), counts_bytes=False) as bar:
        report = checking.check(task.build(spec), spec.name, bar.progress, str(spec))
    if as_json:
        print_json(report.to_json())
    else:
        show(report)
    if picture is not None:
        from mixkit.cli.views.picture import write_png
        from mixkit.data.plot import draw

        write_png(picture, lambda: draw(report), "Name another file.")
    if not report.clean:
        raise DamagedError(_verdict(report))


@data.command(cls=Command)
def pack(
    asked: Annotated[str, typer.Argument(metavar="TASK", help="A task, such as esc50, or a recipe.")],
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Where the shards shall be; not there yet.")],
    shards: Annotated[int, typer.Option(min=1, metavar="N", help="Tar archives to write; each split has its own.")] = 3,
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
) -> None:
    """Write the clips of a task as tar shards, in WebDataset's form, for sets of more files than a disk likes."""
    from mixkit.cli.views.bar import Bar
    from mixkit.data import pack as packing

    spec = _spec(asked, layers or [], settings or [], plugins or [])
    with Bar(stderr(), counts_bytes=False) as bar:
        packed = packing.pack(spec, folder, shards, bar.progress)
    counts = ", ".join(f"{count:,} {split}" for split, count in packed.clips.items())
    say(f"{counts} clips in {packed.shards} shards, {packed.size / 1e6:,.1f} MB: {folder}")
    lines = [f"task.shards.root = {json.dumps(str(folder), ensure_ascii=False)}", *packed.settings]
    say(f"Next:  mixkit train asm_rh --with task/shards {' '.join(f'--set {shlex.quote(line)}' for line in lines)}")


@data.command("cache", cls=Command)
def audio_cache(
    clear: Annotated[bool, typer.Option("--clear", help="Empty it; running trainings go on.")] = False,
) -> None:
    """Say how much decoded audio is kept so that it is not decoded again."""
    from mixkit.audio import cache

    store = cache.stored()
    size, files = store.usage()
    if clear:
        store.clear()
    done = "removed from" if clear else "in"
    say(f"{files:,} files, {size / 1e6:,.1f} MB, {done} {cache.folder()}")
    if not clear:
        most = cache.most()
        limit = f"It takes at most {most / 2**30:,.3g} GiB" if most else "It is off"
        say(f"{limit}, as {cache.VARIABLE} says in GiB. It is safe to remove: mixkit data cache --clear")


def _introduce(source: "Source", archive: "Archive", folder: Path) -> None:
    from mixkit.storage.folders import nearest

    free = shutil.disk_usage(nearest(folder)).free
    for title, text in (
        (source.title, source.home),
        ("licence", source.licence),
        ("from", archive.address),
        ("size", f"{archive.size / 1e6:,.0f} MB, unpacked about {archive.unpacked / 1e6:,.0f} MB"),
        (archive.checksum.kind, f"{archive.checksum.value} ({archive.checksum.published})"),
        ("to", f"{folder} ({free / 1e9:,.1f} GB free)"),
    ):
        say(f"{title:<8} {text}")


def _spec(asked: str, layers: list[str], settings: list[str], plugins: list[str]) -> "Spec":
    """The task of a recipe, or the one of that name with what its fragment sets."""
    from mixkit.errors import DataError, did_you_mean
    from mixkit.plugins.load import load_plugins
    from mixkit.recipe import catalog
    from mixkit.recipe.gin_file import load_recipe
    from mixkit.registry import task

    loaded = load_plugins(plugins)
    any_recipe = catalog.names()[0]  # a task stands in a recipe, of which nothing else is looked at
    fragment = f"task/{asked.removeprefix('task/')}"
    if fragment in catalog.fragments():
        return load_recipe(any_recipe, [fragment, *layers], settings, loaded).task
    if asked in task.names():
        return load_recipe(any_recipe, layers, [f"recipe.task = @task.{asked}()", *settings], loaded).task
    if asked.isidentifier() and asked not in catalog.names():
        parts = {name.removeprefix("task/") for name in catalog.fragments() if name.startswith("task/")}
        known = {*task.names(), *catalog.names(), *parts}
        raise DataError(f"no task or recipe named {asked!r}.{did_you_mean(asked, known)}")
    return load_recipe(asked, layers, settings, loaded).task


def _verdict(report: "Report") -> str:
    from mixkit.data.check import FAULTS

    counts = [f"{words}: {len(report.findings[kind])}" for kind, words in FAULTS.items() if report.findings[kind]]
    return f"{report.task} is not fit for training: {', '.join(counts)}. Mend or remove what is named above."
