"""A run: what it came to, and the recipe that it was trained with."""

from mixkit.cli.views.recipe import show_recipe
from mixkit.cli.views.results import show_results
from mixkit.cli.views.terminal import say
from mixkit.recipe.gin_file import recorded_recipe
from mixkit.runs.folder import RECIPE, Run
from mixkit.runs.records import read_best
from mixkit.runs.results import Results


def show_run(run: Run, plugins: tuple[str, ...], as_json: bool) -> None:
    """Prints it.

    Args:
        run: that was started.
        plugins: modules already loaded that its recipe may import.
        as_json: as one document, with what `results.json` holds.

    Raises:
        RecipeError: its recipe is not whole, or needs a plugin.
        DamagedError: its results are not what mixkit wrote.
    """
    recipe = recorded_recipe(run.folder / RECIPE, run.folder.name, plugins)
    ended = run.ended() if run.complete else None
    results = ended if isinstance(ended, Results) else None
    if not as_json:
        say(f"{run.folder}: {run.state}, {len(run.metrics())} epochs, {run.seconds():.0f} s", "bold")
        if results is not None:
            best = read_best(run.folder)
            say(results.summary(best))
            show_results({"valid": results.valid, "test": results.test}, best)
        elif ended is not None:
            say(str(ended))
        say("")
    facts = {"run": str(run.folder), "state": run.state, "results": None if ended is None else ended.to_json()}
    show_recipe(recipe, as_json, facts, len(results.labels) if results else None)
