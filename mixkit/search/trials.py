"""The trials of a search, kept by Optuna in one file that several processes, and its dashboard, share.

A process that dies leaves its trials running. Whoever comes next takes them up, under the same number and choice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mixkit.errors import DamagedError, MixkitError, printable
from mixkit.search.processes import at_work
from mixkit.search.space import Choices, Space
from mixkit.search.trial import Trial, from_optuna
from mixkit.storage.lock import locked

if TYPE_CHECKING:
    import optuna

JOURNAL = "trials.jsonl"
Sampler = Literal["tpe", "nsga2", "random"]

RUNGS = 3  # a trial goes on past a rung if it is among the best third that got there
FEWEST = 8  # trials from which their importance is told
AT_RANDOM = 10  # trials that are drawn at random, before any is drawn by those that are done


def expect_optuna() -> None:
    """Tells how to install what searches.

    Raises:
        MixkitError: Optuna is not there.
    """
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise MixkitError("mixkit search needs Optuna. Install it: pip install 'mixkit[search]'") from None


class Trials:
    """The trials of one study of Optuna.

    Args:
        folder: of the search.
        name: of the study in its file.
        space: what is chosen from.
        seed: of the choice. Each trial is drawn with a seed of its own, so that a search that goes on draws what it
            would have drawn.
        process: as `process` names it.
        lower_is_better: whether the least value is the best.
        sampler: `tpe`, `nsga2` or `random`.
        toward: a cost that is to be small, too; trials are not cut short then.
        grid: draw every choice of the only dimension once, in its order.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        space: Space,
        seed: int,
        process: str,
        lower_is_better: bool,
        sampler: Sampler = "tpe",
        toward: str | None = None,
        grid: bool = False,
    ):
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._folder, self._space, self._seed, self._process = folder, space, seed, process
        self._kind, self._toward, self._grid = sampler, toward, grid
        self.lower_is_better = lower_is_better
        way = optuna.study.StudyDirection
        directions = [way.MINIMIZE if lower_is_better else way.MAXIMIZE, *([way.MINIMIZE] if toward else [])]

        with self._alone():
            try:
                storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
                self._study = optuna.create_study(
                    storage=storage, study_name=name, directions=directions, load_if_exists=True
                )
                if grid and not self._study.get_trials(deepcopy=False):
                    for choice in next(iter(space.dimensions.values())).lines:  # type: ignore[union-attr]
                        self._study.enqueue_trial(dict.fromkeys(space.dimensions, choice))
            except (ValueError, KeyError, OSError) as error:
                fault = f"{printable(folder / JOURNAL)} is not what Optuna wrote ({printable(str(error))})."
                raise DamagedError(f"{fault} Search under another --name.") from None

    def all(self) -> list[Trial]:
        """Every trial that was drawn, in order."""
        return [
            from_optuna(one, self._toward)
            for one in self._study.get_trials(deepcopy=False)
            if one.state.name != "WAITING"
        ]

    def next(self) -> Trial | None:
        """A trial that a dead process has left, or else a new one; None where every choice of a grid is drawn."""
        import optuna

        with self._alone():
            known = self._study.get_trials(deepcopy=False)
            for one in known:
                if one.state.name == "RUNNING" and not self._is_at_work(one.user_attrs.get("process")):
                    self._of(one.number).set_user_attr("process", self._process)
                    return from_optuna(self._frozen(one.number), self._toward)
            if self._grid and not any(one.state.name == "WAITING" for one in known):
                return None
            self._study.sampler = self._sampler(len(known))
            drawn = self._study.ask({name: _distribution(of) for name, of in self._space.dimensions.items()})
            drawn.set_user_attr("process", self._process)
            assert isinstance(drawn, optuna.trial.Trial)
            return from_optuna(self._frozen(drawn.number), self._toward)

    def note(self, number: int, **facts: Any) -> None:
        """Keeps what was found out about a trial."""
        one = self._of(number)
        for name, fact in facts.items():
            one.set_user_attr(name, fact)

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Keeps the best value up to an epoch. Returns whether to give the trial up: others did better by then."""
        one = self._of(number)
        if self._toward:
            one.set_user_attr("value", value)
            one.set_user_attr("epochs", epoch)
            return False
        if epoch in self._frozen(number).intermediate_values:
            return False
        one.report(value, epoch)
        return not self._grid and one.should_prune()

    def prune_by(self, epochs: int) -> None:
        """Rungs for trials of so many epochs: at a ninth and a third of them."""
        import optuna

        self._study.pruner = optuna.pruners.SuccessiveHalvingPruner(
            min_resource=max(1, round(epochs / RUNGS**2)), reduction_factor=RUNGS
        )

    def done(self, number: int, value: float, cost: float | None = None) -> None:
        """The trial is trained to its end."""
        self._study.tell(number, [value, cost] if self._toward and cost is not None else value, skip_if_finished=True)

    def pruned(self, number: int, why: str) -> None:
        """The trial is given up, with the value that it has."""
        self._end(number, "FAIL" if self._toward else "PRUNED", state="pruned", why=why)

    def refused(self, number: int, why: str) -> None:
        """The trial is not trained at all: it cannot be built, or costs too much. The sampler learns to keep away."""
        self._end(number, "FAIL" if self._toward else "PRUNED", state="refused", why=why)

    def failed(self, number: int, why: str) -> None:
        """Its run has failed."""
        self._end(number, "FAIL", state="failed", why=why)

    def copy(self, number: int, same: Trial, cost: float | None = None) -> None:
        """The trial comes to what another one is of: it ends as that did."""
        self.note(number, same_as=same.number)
        if same.state == "done" and same.value is not None:
            self.done(number, same.value, cost)
        elif same.state == "failed":
            self.failed(number, f"the same as a trial that failed: {same.facts.get('why', '')}")
        else:
            self.refused(number, "the same as another trial")

    def importance(self) -> dict[str, float]:
        """How much each dimension sets the better half of the trials apart (PED-ANOVA, arXiv:2304.10255).

        One that was given up counts with the value that it had by then.

        Returns:
            Shares that add up to one, the largest first; empty where too few trials are known, or all came to the same.
        """
        import optuna

        known = [
            (one, from_optuna(one, self._toward).value) for one in self._study.get_trials(deepcopy=False) if one.params
        ]
        made = [
            optuna.trial.create_trial(params=one.params, distributions=one.distributions, value=value)
            for one, value in known
            if value is not None
        ]
        if len(made) < FEWEST or len({one.value for one in made}) < 2:
            return {}
        study = optuna.create_study(direction="minimize" if self.lower_is_better else "maximize")
        study.add_trials(made)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.5)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
        return {name: float(share) for name, share in found.items() if share == share}  # not that of 0 of 0

    def _end(self, number: int, told: str, **facts: str) -> None:
        import optuna

        self.note(number, **facts)
        self._study.tell(number, state=optuna.trial.TrialState[told], skip_if_finished=True)

    def _sampler(self, number: int) -> "optuna.samplers.BaseSampler":
        import optuna

        seed = (self._seed * 1_000_003 + number) % 2**32
        if self._kind == "random":
            return optuna.samplers.RandomSampler(seed)
        if self._kind == "nsga2":
            return optuna.samplers.NSGAIISampler(seed=seed, population_size=AT_RANDOM)
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=AT_RANDOM, multivariate=True)

    def _is_at_work(self, process: Any) -> bool:
        return isinstance(process, str) and (process == self._process or at_work(self._folder, process))

    def _frozen(self, number: int) -> "optuna.trial.FrozenTrial":
        return self._study.get_trials(deepcopy=False)[number]

    def _of(self, number: int) -> "optuna.trial.Trial":
        import optuna

        return optuna.trial.Trial(self._study, self._frozen(number)._trial_id)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process draws or takes up a trial within the block."""
        with locked(self._folder / ".drawing", lambda _: None):
            yield


def _distribution(of: Any) -> "optuna.distributions.BaseDistribution":
    import optuna

    if isinstance(of, Choices):
        return optuna.distributions.CategoricalDistribution([*of.lines])
    if of.kind == "integers":
        return optuna.distributions.IntDistribution(int(of.low), int(of.high))
    return optuna.distributions.FloatDistribution(of.low, of.high, log=of.kind == "log")
