"""The table of commands."""

from typing import Annotated

import typer

from mixkit.cli.command import Command
from mixkit.cli.commands.ablate import ablate
from mixkit.cli.commands.bench import bench
from mixkit.cli.commands.check import check
from mixkit.cli.commands.compare import compare
from mixkit.cli.commands.copy import copy
from mixkit.cli.commands.data import data
from mixkit.cli.commands.doctor import doctor
from mixkit.cli.commands.embed import embed
from mixkit.cli.commands.evaluate import evaluate
from mixkit.cli.commands.export import export
from mixkit.cli.commands.list import list_
from mixkit.cli.commands.look import look
from mixkit.cli.commands.new import new
from mixkit.cli.commands.predict import predict
from mixkit.cli.commands.pretrain import pretrain
from mixkit.cli.commands.pull import pull
from mixkit.cli.commands.push import push
from mixkit.cli.commands.report import report
from mixkit.cli.commands.runs import runs
from mixkit.cli.commands.search import search
from mixkit.cli.commands.show import show
from mixkit.cli.commands.train import train
from mixkit.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Declare a Mixer in a short gin file, train it, and learn which perspective of a sound earns its place.",
)
for command in (
    *(train, pretrain, runs, look, bench, new, ablate, search, report, compare, evaluate),
    *(show, check, list_, copy, predict, embed, export, push, pull, doctor),
):
    app.command(command.__name__.rstrip("_"), cls=Command)(command)
app.add_typer(data, name="data")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mixkit {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the code an error arose.")] = False,
) -> None:
    """Options of mixkit itself."""
