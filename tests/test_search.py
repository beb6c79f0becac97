"""A search: what it chooses, that it goes on where it was killed, and that the test split stays closed meanwhile."""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixkit.errors import MixkitError, RunError, SettingError, Stopped
from mixkit.recipe.faults import RecipeError
from mixkit.recipe.gin_file import load_recipe
from mixkit.recipe.writer import to_gin
from mixkit.registry import operator
from mixkit.report.search import sentences, trials_table, write_page
from mixkit.search import driver
from mixkit.search.answer import front, write_best
from mixkit.search.candidates import Base, check_space
from mixkit.search.clock import covered
from mixkit.search.costs import Costs, costs_of, limit, over
from mixkit.search.definition import Search, Searched, is_counted
from mixkit.search.driver import search
from mixkit.search.finals import candidate_of, plan_finals
from mixkit.search.processes import process
from mixkit.search.space import load_space
from mixkit.search.trial import Trial
from mixkit.search.trials import Trials
from mixkit.study.engine import Ended, Job
from mixkit.training import loop
from tests.conftest import Said

pytest.importorskip("optuna", reason="mixkit search needs Optuna: pip install 'mixkit[search]'")

EPOCHS = 9
SPACE = """
search.space = {
    'block.branches': [[@operator.channel()], [@operator.time(), @operator.channel()],
                       [@operator.convolution(), @operator.channel()]],
    'model.depth': [1, 2, 4],
    'train.learning_rate': 'log(1e-3, 1e-2)',
}
search.beside = ['asm_rh']
"""
LINES = (f"train.epochs = {EPOCHS}", "train.steps = None", "model.width=16", "task.demo.seconds = 0.5")


def value_of(recipe: str) -> float:
    """What the network of a recipe is pretended to come to: deeper is better, and convolutions are best."""
    depth = int(recipe.split("model.depth = ")[1].split("\n")[0])
    return 0.5 + 0.05 * depth + 0.2 * ("convolution()" in recipe)


class Pretended:
    """An engine whose runs do an epoch whenever they are looked at.

    Args:
        dies: after so many starts the process is stopped.
        value: of a run, by its recipe.
        codes: exit codes, by key.
    """

    def __init__(self, dies: int | None = None, value: Callable[[str], float] = value_of, slots: int = 1):
        self.slots, self.started, self.opened = slots, list[str](), list[str]()
        self._dies, self._value = dies, value
        self._running: dict[str, tuple[Path, float, int]] = {}
        self.codes: dict[str, int] = {}

    def start(self, job: Job) -> None:
        if self._dies == len(self.started):
            raise Stopped(15, "by the test.")
        self.started.append(job.key)
        if "--no-test" not in job.arguments:
            self.opened.append(job.key)
        run = Path(job.arguments[3]) / job.key
        run.mkdir(parents=True, exist_ok=True)
        text = Path(job.arguments[1]).read_text()
        (run / "recipe.gin").write_text(text)
        done = len((run / "metrics.jsonl").read_text().splitlines()) if (run / "metrics.jsonl").exists() else 0
        self._running[job.key] = (run, self._value(text), done)

    def ended(self) -> list[Ended]:
        over = []
        for key, (run, value, done) in [*self._running.items()]:
            if key in self.codes or done == EPOCHS:
                over.append(Ended(key, self.codes.get(key, 0)))
                del self._running[key]
                continue
            record = {"epoch": done + 1, "train": {"loss": 1.0}}
            record |= {"valid": {"loss": 1.0, "accuracy": value * (done + 1) / EPOCHS}}
            with (run / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(record) + "\n")
            self._running[key] = (run, value, done + 1)
        return over

    def kill(self, key: str) -> None:
        self.codes[key] = 137

    def close(self) -> None:
        self._running.clear()


class Noted:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def ended(self, trial: Trial, what: str, seconds: float, left: float | None) -> None:
        self.lines.append(what)

    def show(self, running: list[str], left: float | None) -> None:
        pass


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "LOOK", 0.0)
    monkeypatch.setattr(driver, "costs_of", lambda recipe, classes, device: Costs(1000.0 * recipe.model.depth, 1e6))


def space_file(folder: Path, text: str = SPACE) -> Path:
    path = folder / "space.gin"
    path.write_text(text)
    return path


def asked(folder: Path, trials: int = 8, **other: Any) -> Search:
    base = Base("small_data", (), LINES, 0)
    space = load_space(space_file(folder))
    return Search(folder / "found", base, space, "accuracy", EPOCHS, trials=trials, **other)


def found_in(folder: Path, engine: Pretended | None = None, **other: Any) -> Searched:
    found = search(asked(folder, **other), engine or Pretended(), Noted(), "cpu")
    assert found is not None
    return found


def chosen(trials: tuple[Trial, ...]) -> list[Mapping[str, Any]]:
    return [trial.chosen for trial in trials]


def test_shipped_recipes_first_then_the_space_and_never_the_test_split(tmp_path: Path) -> None:
    engine = Pretended()
    found = found_in(tmp_path, engine)
    assert [trial.chosen["recipe"] for trial in found.shipped] == ["small_data", "asm_rh"]
    assert all(trial.state == "done" for trial in found.shipped)
    assert sum(map(is_counted, found.trials)) == 8
    assert len(engine.started) == len(set(engine.started)), "a candidate was trained twice"
    assert engine.opened == []
    winner = found.best(found.trials)
    assert winner is not None
    assert winner.value == max(t.value for t in found.trials if t.value is not None)
    assert winner.epochs == EPOCHS


def test_what_falls_behind_is_given_up_early(tmp_path: Path) -> None:
    found = found_in(tmp_path, trials=14)
    early = [trial for trial in found.trials if trial.state == "pruned"]
    assert early
    assert all(trial.epochs < EPOCHS for trial in early)
    best = found.best(found.trials)
    assert best is not None
    assert all((trial.value or 0) < (best.value or 0) for trial in early)


def test_killed_five_times_it_makes_the_same_trials_and_none_twice(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "torn").mkdir()
    whole = found_in(tmp_path / "whole", trials=6)
    finished: list[str] = []
    for _ in range(5):
        engine = Pretended(dies=1)
        with pytest.raises(Stopped):
            search(asked(tmp_path / "torn", trials=6), engine, Noted(), "cpu")
        assert not set(engine.started) & set(finished), "a finished run was begun again"
        ended = [t for t in _trials_of(tmp_path / "torn") if t.state in ("done", "pruned")]
        finished = [str(t.facts["key"]) for t in ended]
    torn = found_in(tmp_path / "torn", trials=6)
    assert chosen(torn.trials) == chosen(whole.trials)
    assert [t.value for t in torn.trials] == [t.value for t in whole.trials]


def _trials_of(folder: Path) -> list[Trial]:
    one = asked(folder)
    with process(one.folder) as name:
        return [
            *Trials(one.folder, "search", one.space, 0, name, False).all(),
            *Trials(one.folder, "shipped", one.space, 0, name, False).all(),
        ]


def test_a_trial_belongs_to_one_process_until_that_is_dead(tmp_path: Path) -> None:
    one = asked(tmp_path)
    with ExitStack() as first, ExitStack() as second:
        a = Trials(one.folder, "search", one.space, 0, first.enter_context(process(one.folder)), False)
        b = Trials(one.folder, "search", one.space, 0, second.enter_context(process(one.folder)), False)
        drawn = [a.next(), b.next()]
        assert [trial.number for trial in drawn if trial] == [0, 1]
        first.close()
        again = b.next()
        assert again is not None
        assert drawn[0] is not None
        assert (again.number, again.chosen) == (0, drawn[0].chosen)
        other = b.next()
        assert other is not None
        assert other.number == 2


def test_a_candidate_that_fails_costs_one_trial(tmp_path: Path) -> None:
    class Failing(Pretended):
        def start(self, job: Job) -> None:
            super().start(job)
            if len(self.started) == 4:
                with job.log.open("a") as log:
                    log.write("error: the device is out of memory.\n")
                self.codes[job.key] = 1

    found = found_in(tmp_path, Failing(), trials=5)
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert [trial.facts["why"] for trial in failed] == ["the device is out of memory."]
    assert sum(map(is_counted, found.trials)) == 5


def test_candidates_that_cannot_be_built_or_cost_too_much_are_not_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def priced(recipe: Any, classes: int, device: Any) -> Costs:
        if "time(" in to_gin(recipe):
            raise MixkitError("the grid is too small.")
        return Costs(1000.0 * recipe.model.depth, 1e6)

    monkeypatch.setattr(driver, "costs_of", priced)
    found = found_in(tmp_path, trials=5, limits=(limit("parameters <= 2e3"),))
    refused = {str(t.facts["why"]) for t in (*found.shipped, *found.trials) if t.state == "refused"}
    assert "the grid is too small." in refused
    assert "4,000 parameters, over 2,000" in refused
    trained = [t for t in found.trials if is_counted(t)]
    assert trained
    assert all(t.chosen["model.depth"] != "4" and "time" not in str(t.chosen["block.branches"]) for t in trained)


def test_another_search_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    found_in(tmp_path, trials=2)
    with pytest.raises(RunError, match="holds another search: sampler differ"):
        found_in(tmp_path, trials=2, sampler="random")


def test_a_search_with_more_trials_goes_on(tmp_path: Path) -> None:
    first = found_in(tmp_path, trials=3)
    engine = Pretended()
    more = found_in(tmp_path, engine, trials=5)
    assert chosen(more.trials)[:3] == chosen(first.trials)[:3]
    assert len(engine.started) == 2


def test_random_and_genetic_search_and_two_objectives(tmp_path: Path) -> None:
    for sampler, toward in (("random", None), ("nsga2", "parameters"), ("tpe", "flops")):
        folder = tmp_path / str(sampler)
        folder.mkdir()
        found = found_in(folder, trials=4, sampler=sampler, toward=toward)
        assert sum(t.state in ("done", "pruned") for t in found.trials) >= 4
        assert found.best(found.trials) is not None
        if toward:
            assert not any(t.state == "pruned" for t in found.trials)


def test_the_time_is_kept_and_what_is_in_training_is_given_up(tmp_path: Path) -> None:
    class Endless(Pretended):
        def ended(self) -> list[Ended]:
            over = [Ended(key, 137) for key in self._running if key in self.codes]
            for one in over:
                del self._running[one.key]
            return over

    found = found_in(tmp_path, Endless(), trials=None, budget=0.5)
    assert found.seconds < 5
    states = {trial.state for trial in found.shipped}
    assert states == {"pruned"}
    assert found.shipped[0].facts["why"] == "the time was over"
    with pytest.raises(RunError, match="no candidate was trained to its end"):
        plan_finals(found, 1)


def test_the_final_comparison_has_fresh_seeds_and_fits_the_time(tmp_path: Path) -> None:
    found = found_in(tmp_path, trials=6)
    planned = plan_finals(found, 2)
    assert planned is not None
    arms = [arm.name for arm in planned.record.arms]
    assert arms == ["small_data", "winner"]  # asm_rh is worse on validation than the base
    assert planned.record.base == "small_data"
    assert {trial.seed for trial in planned.record.trials} == {1, 2, 3}
    assert set(planned.runs) == {trial.folder.name for trial in planned.record.trials}
    assert not any((found.search.folder / "runs" / key).exists() for key in planned.runs)
    hurried = plan_finals(replace(found, final_seconds=-1.0), 2)
    assert hurried is not None
    assert {trial.seed for trial in hurried.record.trials} == {1}


def test_the_winner_is_a_short_recipe_that_loads_as_what_was_trained(tmp_path: Path) -> None:
    found = found_in(tmp_path, trials=6)
    winner = found.best(found.trials)
    assert winner is not None
    path = write_best(found, winner)
    assert len(path.read_text().splitlines()) <= 25
    assert "include 'small_data.gin'" in path.read_text()
    wanted = candidate_of(winner, found.search.base).recipe
    assert to_gin(replace(load_recipe(path), name=wanted.name)) == to_gin(wanted)


@pytest.mark.parametrize("own_include", [False, True])
def test_a_winner_over_a_recipe_of_ones_own_stands_by_itself(tmp_path: Path, own_include: bool) -> None:
    (tmp_path / "part.gin").write_text("train.batch_size = 8\n")
    mine = tmp_path / "mine.gin"
    mine.write_text(f"include 'small_data.gin'\n{'include' + chr(32) + repr('part.gin') if own_include else ''}\n")
    one = asked(tmp_path, trials=3)
    one = replace(one, base=replace(one.base, recipe=str(mine)))
    found = search(one, Pretended(), Noted(), "cpu")
    assert found is not None
    winner = found.best(found.trials)
    assert winner is not None
    path = write_best(found, winner)
    (tmp_path / "part.gin").unlink()
    mine.unlink()
    loaded = load_recipe(path)
    assert loaded.train.batch_size == (8 if own_include else 16)
    assert str(loaded.model.depth) == winner.chosen["model.depth"]


def test_the_front_holds_what_nothing_beats_in_both(tmp_path: Path) -> None:
    found = found_in(tmp_path, trials=10)
    line = front(found, "parameters")
    costs = [t.facts["costs"]["parameters"] for t in line]
    values = [t.value or 0 for t in line]
    assert costs == sorted(costs)
    assert values == sorted(values)
    for trial in (*found.shipped, *found.trials):
        if trial.state == "done":
            cost, value = trial.facts["costs"]["parameters"], trial.value or 0
            assert any(c <= cost and v >= value for c, v in zip(costs, values, strict=True))


def test_page_and_sentences_say_what_was_found(tmp_path: Path) -> None:
    found = found_in(tmp_path, trials=12)
    said = sentences(found, None)
    assert said[0].startswith("12 candidates were trained")
    assert "drawn at random" in said[0]
    assert "The best shipped recipe, small_data" in said[0]
    assert found.importance
    page = write_page(found, None).read_text()
    assert "PED-ANOVA" in page
    assert "mixkit train" in page
    assert len(trials_table(found).rows) == 2 + sum(map(is_counted, found.trials))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# nothing", "it has no search.space. Copy one: mixkit copy search/tiny"),
        ("search.space = {}", "It takes a dictionary, such as {'model.depth': [2, 4]}."),
        ("search.space = {'model.depth': [2]}", "which leaves nothing to choose. Name two values at least."),
        ("search.space = {'model.depth': 'two'}", "is 'two', which is no span of numbers."),
        ("search.space = {'model.depth': 'log(0, 1)'}", "A span by ratios begins above 0."),
        ("search.space = {'model.depth': 'integers(1.5, 2)'}", "whose ends are no whole numbers."),
        ("search.space = {'model.depth': 'uniform(2, 1)'}", "The first number has to be less than the second."),
        ("search.space = {'model.depth': 3}", "It takes a list, 'log(1e-4, 1e-2)', or a dictionary of lines."),
        ("search.beside = ['asm_hr']", "names 'asm_hr', which is no shipped recipe. Did you mean 'asm_rh'?"),
        ("search.spaces = {}", "search.spaces is no setting. Did you mean 'space'?"),
        (
            "train.epochs = 3\nsearch.space = {'model.depth': [1, 2]}",
            "belongs to a recipe. Lay it over every candidate",
        ),
    ],
)
def test_what_is_wrong_with_a_space_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError) as told:
        load_space(space_file(tmp_path, text))
    assert message in str(told.value)


def test_a_key_that_no_recipe_has_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    space = load_space(space_file(tmp_path, "search.space = {'model.dpeth': [1, 2]}"))
    with pytest.raises(RecipeError, match=r"model\.dpeth is no setting\. Did you mean 'depth'"):
        check_space(space, Base("small_data", (), (), 0))


def test_one_choice_that_names_what_there_is_not_is_told(tmp_path: Path) -> None:
    text = "search.space = {'block.branches': [[@operator.shift()], [@operator.chanel()]]}"
    with pytest.raises(RecipeError, match=r"block\.branches.*no operator named 'chanel'. Did you mean 'channel'"):
        check_space(load_space(space_file(tmp_path, text)), Base("small_data", (), (), 0))


def test_a_space_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"belongs to a space to search, not to a recipe\. Run it: mixkit search RECIPE"
    ):
        load_recipe(space_file(tmp_path))


def test_lines_that_a_candidate_has_no_use_for_are_left_out() -> None:
    base = Base("small_data", (), (), 0)
    found = base.load(("block.branches = [@operator.channel()]", "operator.convolution.kernel = (3, 3)"))
    assert found.lines == ("block.branches = [@operator.channel()]",)
    with pytest.raises(RecipeError, match="kernle is no setting"):
        base.load(("operator.convolution.kernle = (3, 3)",))


def test_every_registered_operator_is_in_the_shipped_space() -> None:
    space = load_space("search/tiny")
    branches = space.dimensions["block.branches"]
    lines = str(branches)
    assert len(operator.names()) > 20
    assert all(f"@operator.{name}()" in lines for name in operator.names())
    check_space(space, Base("small_data", (), (), 0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameters", "Write --under 'parameters <= 500e3'."),
        ("weights <= 5", "names 'weights'"),
        ("parameters <= 5e", "which is no number"),
    ],
)
def test_limits_that_are_none_are_refused(text: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        limit(text)


def test_costs_are_those_of_the_network_and_held_against_limits() -> None:
    found = costs_of(load_recipe("small_data"), 10)
    assert found.parameters == 98_170
    assert over(found, (limit("parameters <= 98170"),)) == ""
    assert over(found, (limit("parameters <= 98e3"), limit("flops < 1"))).count("over") == 2


def test_time_of_several_processes_counts_once() -> None:
    assert covered([(0.0, 10.0), (5.0, 12.0), (20.0, 21.0), (20.2, 20.5)]) == 13.0
    assert covered([]) == 0.0


class Here:
    """An engine that trains in this process: what a process of its own adds is the import of torch."""

    slots = 1

    def __init__(self) -> None:
        self._ended: list[Ended] = []

    def start(self, job: Job) -> None:
        recipe, runs, name = load_recipe(job.arguments[1]), Path(job.arguments[3]), job.key
        loop.train(recipe, runs, name, "cpu", go_on=True, test="--no-test" not in job.arguments)
        self._ended.append(Ended(job.key, 0))

    def ended(self) -> list[Ended]:
        done, self._ended = self._ended, []
        return done

    def kill(self, key: str) -> None: ...

    def close(self) -> None: ...


@pytest.mark.slow
@pytest.mark.usefixtures("without_plugins")
def test_the_command_searches_compares_and_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mixkit_command: Callable[..., Said]
) -> None:
    monkeypatch.setattr(driver, "costs_of", costs_of)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mixkit.cli.studying.engine_of", lambda *_: Here())
    Path("space.gin").write_text(
        "search.space = {'block.branches': [[@operator.shift(), @operator.channel()], [@operator.channel()]]}\n"
    )
    small = ("train.steps = None", "train.epochs = 1", "model.width = 16", "model.depth = 1", "task.demo.clips = 4")
    lines = [part for line in small for part in ("--set", line)]
    plugin = str(Path(__file__).parents[1] / "plugins" / "gated_time.py")
    said = mixkit_command("search", "small_data", "--space", "space.gin", *lines, "--trials", "1", "--plugin", plugin)
    assert said.code == 0, said
    next_command = f"mixkit train runs/small_data-search/best.gin --plugin {plugin}"
    assert f"Next:  {next_command}    the winner\n" in said.out
    folder = tmp_path / "runs" / "small_data-search"
    assert not list((folder / "runs").glob("*/results.json")), "a candidate has opened the test split"
    assert len(list((folder / "final" / "runs").glob("*/results.json"))) == 6
    assert (folder / "search.html").is_file()
    best = (folder / "best.gin").read_text().splitlines()
    assert len(best) <= 25
    assert best[0].endswith(" on validation, the best of 1 that were tried.")
    assert best[1] == f"#   {next_command}"
    assert "fresh seeds, on test: small_data" in " ".join(said.out.split())
