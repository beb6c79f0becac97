"""The final comparison: winner, base and best shipped recipe anew, with seeds that nothing was chosen by."""

from dataclasses import replace

from mixkit.errors import RunError
from mixkit.runs.folder import Run
from mixkit.search.candidates import Base, Candidate
from mixkit.search.definition import Searched, base_name
from mixkit.search.trial import Trial
from mixkit.study.definition import Study
from mixkit.study.plan import Plan, PlannedRun, command_of, with_seed
from mixkit.study.record import RUNS, Arm, ArmRun, Record

WINNER = "winner"
FOLDER = "final"
SEEDS = 3


def candidate_of(trial: Trial, base: Base) -> Candidate:
    """The recipe of a trial."""
    return base.load(tuple(trial.facts["lines"]), recipe=str(trial.facts["recipe"]))


def plan_finals(found: Searched, slots: int) -> Plan | None:
    """The study that opens the test split: for the few that are left, and for nothing else of the search.

    Args:
        found: what the search came to.
        slots: runs at once, by which the seeds that the time allows are counted.

    Returns:
        The study; None where there is nothing to compare.

    Raises:
        RunError: no candidate was trained to its end.
    """
    search, winner = found.search, found.best(found.trials)
    if winner is None:
        raise RunError(
            "no candidate was trained to its end: see the reasons in the table. Give it more time, or a smaller space."
        )
    base = next(trial for trial in found.shipped if trial.chosen["recipe"] == search.base.recipe)
    entries = {base_name(search): base, WINNER: winner}
    shipped = found.best(found.shipped)
    if shipped is not None and shipped is not base:
        entries[str(shipped.chosen["recipe"])] = shipped
    arms: dict[str, tuple[Trial, Candidate]] = {}
    for name, trial in entries.items():
        if "lines" in trial.facts:
            candidate = candidate_of(trial, search.base)
            if all(candidate.recipe != other.recipe for _, other in arms.values()):
                arms[name] = (trial, candidate)
    if len(arms) < 2:
        return None
    first = next(iter(arms))
    folder = search.folder / FOLDER
    runs: dict[str, PlannedRun] = {}
    trials = []
    for number in range(1, _seeds(found, len(arms), slots) + 1):
        seed = search.base.seed + number
        for name, (_, candidate) in arms.items():
            one = replace(candidate, recipe=with_seed(candidate.recipe, seed, None))
            runs[one.key] = one.run
            study = Study(FOLDER, candidate.base, search.base.layers, search.base.settings)
            command = command_of(study, candidate.lines, seed, None, search.plugins)
            trials.append(ArmRun(name, seed, None, folder / RUNS / one.key, "waiting", None, command))
    record = Record(
        name=f"{search.folder.name}: final comparison",
        folder=folder,
        recipe=search.base.recipe,
        layers=search.base.layers,
        settings=search.base.settings,
        base=first,
        arms=tuple(Arm(name, candidate.lines) for name, (_, candidate) in arms.items()),
        trials=tuple(trials),
        quick=False,
        note=f"{WINNER} was chosen on validation among {len(found.trials)} candidates; these seeds are others.",
    )
    return Plan(record, runs, (), search.plugins)


def _seeds(found: Searched, arms: int, slots: int) -> int:
    """How many fresh seeds there is time for: three, or fewer, but one."""
    if found.final_seconds is None:
        return SEEDS
    runs = found.search.folder / RUNS
    done = [t for t in (*found.shipped, *found.trials) if t.state == "done" and "same_as" not in t.facts]
    took = sorted(Run(runs / str(t.facts["key"])).seconds() for t in done)
    each = took[len(took) // 2] if took else 0.0
    fit = [seeds for seeds in range(1, SEEDS + 1) if -(-seeds * arms // slots) * each <= found.final_seconds]
    return max(fit, default=1)
