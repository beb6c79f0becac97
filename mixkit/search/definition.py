"""What is searched, and what a search came to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mixkit.errors import DamagedError, RunError, printable
from mixkit.recipe.figures import figure
from mixkit.search.candidates import Base
from mixkit.search.costs import Costs, Limit, from_values
from mixkit.search.space import Choices, Space
from mixkit.search.trial import Trial
from mixkit.search.trials import Sampler
from mixkit.storage.atomic import write_whole

FILE = "search.json"


@dataclass(frozen=True)
class Search:
    """What is searched, and how far.

    Args:
        folder: of the search.
        base: the recipe that is searched around.
        space: what is chosen.
        best: the figure on validation that is to be best, as `train.best` names it.
        epochs: that the base is trained.
        limits: on costs.
        sampler: what draws candidates.
        toward: a cost that is to be small, too.
        trials: how many candidates are trained; None for as many as the budget allows.
        budget: seconds for all of it, with the final comparison; None for no end.
        plugins: as the user named them.
    """

    folder: Path
    base: Base
    space: Space
    best: str
    epochs: int
    limits: tuple[Limit, ...] = ()
    sampler: Sampler = "tpe"
    toward: str | None = None
    trials: int | None = None
    budget: float | None = None
    plugins: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """What makes it this search and no other: a command that says something else is another search."""
        space = {
            name: {k: [*v] for k, v in of.lines.items()} if isinstance(of, Choices) else [of.kind, of.low, of.high]
            for name, of in self.space.dimensions.items()
        }
        return {
            "recipe": self.base.recipe,
            "layers": [*self.base.layers],
            "settings": [*self.base.settings],
            "seed": self.base.seed,
            "space": space,
            "shipped": [*self.space.beside],
            "best": self.best,
            "limits": [*map(str, self.limits)],
            "sampler": self.sampler,
            "toward": self.toward,
        }

    def claim(self) -> None:
        """Writes what is searched into the folder, or looks whether it is what stands there.

        Raises:
            RunError: it is not; what differs is named.
        """
        path = self.folder / FILE
        now = self.to_json()
        if not path.is_file():
            write_whole(path, (json.dumps(now, indent=2) + "\n").encode())
            return
        try:
            before = json.loads(path.read_bytes())
            different = [name for name in now if before.get(name) != now[name]]
        except (ValueError, AttributeError):
            raise DamagedError(f"{printable(path)} is not what mixkit wrote. Search under another --name.") from None
        if different:
            raise RunError(
                f"{printable(self.folder)} holds another search: {', '.join(different)} differ. "
                "Give the command as it was to go on with it, or choose another --name."
            )


@dataclass(frozen=True)
class Searched:
    """What a search came to.

    Args:
        search: what was searched.
        shipped: trials of recipes as they are shipped, the base among them.
        trials: those of the space.
        importance: by dimension, its share of the spread.
        seconds: that the search took.
        final_seconds: that are left for the final comparison; None for no end.
    """

    search: Search
    shipped: tuple[Trial, ...]
    trials: tuple[Trial, ...]
    importance: Mapping[str, float]
    seconds: float
    final_seconds: float | None

    def best(self, among: tuple[Trial, ...]) -> Trial | None:
        """The trial with the best value of those that are trained to their end; at a tie the smaller network."""
        sign = -1.0 if figure(self.search.best).lower_is_better else 1.0
        done = [trial for trial in among if trial.state == "done" and trial.value is not None]
        return max(done, key=lambda t: (sign * (t.value or 0.0), -costs(t).parameters, -t.number), default=None)


def costs(trial: Trial) -> Costs:
    """What the network of a trial costs."""
    return from_values(trial.facts["costs"])


def base_name(search: Search) -> str:
    """What the base is called among the shipped recipes."""
    return Path(search.base.recipe).stem


def is_counted(trial: Trial) -> bool:
    """Whether a trial was worth a run of its own."""
    return trial.state != "refused" and "same_as" not in trial.facts
