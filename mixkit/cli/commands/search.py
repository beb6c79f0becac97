"""`mixkit search`."""

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mixkit.cli import completion
from mixkit.cli.options import Device, Layers, Plugins, Settings
from mixkit.cli.views.terminal import say, stdout

if TYPE_CHECKING:
    from mixkit.search.definition import Search, Searched

BUDGET = "1h"
_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|min|h|d)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def search(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="The recipe to begin from.", autocompletion=completion.recipes)
    ],
    layers: Layers = None,
    settings: Settings = None,
    plugins: Plugins = None,
    space: Annotated[
        str, typer.Option(metavar="FILE", help="What to choose from: a file, or a shipped one.")
    ] = "search/tiny",
    budget: Annotated[
        str | None, typer.Option(metavar="2h", help=f"Time for all of it: 90min, 2h. Without --trials, {BUDGET}.")
    ] = None,
    trials: Annotated[int | None, typer.Option(metavar="N", min=1, help="Candidates to train.")] = None,
    under: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LIMIT", help='"parameters <= 500e3"; also flops and ms_per_clip, of one clip. Repeatable.'
        ),
    ] = None,
    sampler: Annotated[
        Literal["tpe", "nsga2", "random"], typer.Option(help="What draws candidates; random to compare with.")
    ] = "tpe",
    toward: Annotated[
        Literal["parameters", "flops", "ms_per_clip"] | None,
        typer.Option(help="A cost that is to be small, too; then none is given up early."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the search and of its trainings.")] = 0,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Runs at once; one a GPU or a core without.")
    ] = None,
    engine: Annotated[
        Literal["local", "slurm"], typer.Option(help="This machine, or a cluster (needs the extra slurm).")
    ] = "local",
    device: Device = "auto",
    runs: Annotated[Path, typer.Option(help="Folder of the search's folder.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Of the search's folder; RECIPE-search without.")] = None,
) -> None:
    """Search: which mix of perspectives for my recordings, under my budget? The same command goes on where it ended."""
    from mixkit.cli.studying import engine_of
    from mixkit.cli.views.search import LiveSearch
    from mixkit.plugins.load import load_plugins
    from mixkit.runs.folder import expect_name
    from mixkit.search.candidates import Base, check_space
    from mixkit.search.costs import limit
    from mixkit.search.definition import Search
    from mixkit.search.driver import search as carry_out
    from mixkit.search.space import load_space
    from mixkit.search.trials import expect_optuna
    from mixkit.training.budget import of_recipe

    expect_optuna()
    loaded = load_plugins(plugins or ())
    found_space = load_space(space, loaded)
    base = Base(recipe, tuple(layers or ()), tuple(settings or ()), seed, loaded)
    limits = tuple(map(limit, under or ()))
    first = base.load().recipe
    check_space(found_space, base)
    called = name or f"{Path(recipe).stem}-search"
    expect_name(called)
    asked = Search(
        folder=runs / called,
        base=base,
        space=found_space,
        best=first.train.best,
        epochs=of_recipe(first).epochs,
        limits=limits,
        sampler=sampler,
        toward=toward,
        trials=trials,
        budget=_seconds(budget or ("" if trials else BUDGET)),
        plugins=tuple(plugins or ()),
    )
    _introduce(asked)
    with LiveSearch(stdout(), asked.best) as display:
        done = carry_out(asked, engine_of(engine, asked.folder, jobs, device, None), display, device)
    if done is not None:
        _close(done, engine, jobs, device, loaded)


def _introduce(asked: "Search") -> None:
    from mixkit.search.space import Choices

    sizes = [
        f"{name}: {len(of.lines)}" if isinstance(of, Choices) else name for name, of in asked.space.dimensions.items()
    ]
    say(f"{asked.folder.name}: {asked.space.name} ({'; '.join(sizes)}), by {asked.best} on validation.")
    say("The test split stays closed until the best are compared, with seeds that nothing was chosen by.")


def _close(found: "Searched", engine: str, jobs: int | None, device: str, loaded: tuple[str, ...]) -> None:
    """Compares the best, and says what the search came to."""
    from mixkit.cli.studying import engine_of
    from mixkit.cli.views.search import best_trials, not_trained
    from mixkit.cli.views.study import Shown, size_of
    from mixkit.plugins.load import as_options
    from mixkit.report.search import sentences, write_page
    from mixkit.report.write import compare
    from mixkit.search.answer import write_best
    from mixkit.search.finals import plan_finals
    from mixkit.study.driver import StudyFailed, drive

    search = found.search
    say("")
    stdout().print(best_trials(found))
    for line in not_trained(found):
        say(line, "dim")
    carried_out_by = engine_of(engine, search.folder, jobs, device, None)
    final = plan_finals(found, carried_out_by.slots)
    comparison = None
    if final is not None:
        say(f"The final comparison: {size_of(final.record)}.")
        try:
            with Shown(stdout(), final.record) as display:
                drive(final, carried_out_by, display, device)
        except StudyFailed as error:
            say(str(error), "bold red")
        if any((final.record.folder / "runs").glob("*/results.json")):
            comparison = compare([final.record.folder], loaded)
    winner = found.best(found.trials)
    assert winner is not None, "a comparison has a winner"
    best = write_best(found, winner)
    page = write_page(found, comparison)
    say("")
    for sentence in sentences(found, comparison):
        say(sentence, "bold")
    say("")
    folder = shlex.quote(str(search.folder))
    say(
        f"All of it is in {search.folder}: {page.name}, {best.name}, trials.jsonl (Optuna's dashboard opens it), runs/."
    )
    flags = as_options(search.plugins)
    say(f"Next:  mixkit train {shlex.quote(str(best))}{flags}    the winner")
    if comparison is not None:
        say(f"       mixkit report {folder}/final{flags}    the final comparison, class by class")


def _seconds(text: str) -> float | None:
    """A time in seconds; None where none is given.

    Raises:
        SettingError: it is no time.
    """
    from mixkit.errors import SettingError

    if not text:
        return None
    found = _TIME.fullmatch(text.strip())
    if not found or not float(found[1]) > 0:
        raise SettingError("--budget", f"is {text!r}. It takes a time, such as 90min or 2h.")
    return float(found[1]) * _SECONDS[found[2]]
