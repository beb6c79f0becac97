"""How far a run is, in a form that a state holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mixkit.errors import DamagedError, printable

NUMBERS = {"epochs": 0, "batches": 0, "seconds": 0.0, "waiting": 0.0}


@dataclass
class RunProgress:
    """How far a run is.

    Args:
        epochs: that ended, with validation.
        batches: done of the one after them.
        losses: of those batches.
        seconds: spent on them.
        waiting: of those seconds, for data.
        best: record of the best epoch, empty before the first.
        record: of the last epoch that ended, empty before the first.
        times: how long that one took.
    """

    epochs: int = 0
    batches: int = 0
    losses: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0
    waiting: float = 0.0
    best: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    times: dict[str, Any] = field(default_factory=dict)

    def to_state(self) -> dict[str, Any]:
        """Numbers, one tensor and text."""
        return {
            **{key: getattr(self, key) for key in NUMBERS},
            "losses": torch.stack(self.losses).cpu() if self.losses else torch.empty(0),
            "records": json.dumps([self.best, self.record, self.times]),
        }

    @classmethod
    def from_state(cls, path: Path, state: Mapping[str, Any]) -> "RunProgress":
        """What `to_state` made, of the right types already.

        Args:
            path: the file, for the error.
            state: see `example`.

        Raises:
            DamagedError: the records are none.
        """
        try:
            records = json.loads(state["records"])
            best, record, times = records
            filled = [found for found in (best, record) if found]
            right = all(isinstance(found["epoch"], int) and isinstance(found["train"], dict) for found in filled)
            right &= not best or isinstance(best["valid"], dict)
            if not right or (record and not isinstance(times["seconds"], float)):
                raise TypeError
        except (ValueError, TypeError, KeyError):
            raise DamagedError(f"{printable(str(path))}: progress.records holds no records of epochs.") from None
        numbers = {key: state[key] for key in NUMBERS}
        return cls(losses=list(state["losses"]), best=best, record=record, times=times, **numbers)

    @staticmethod
    def example(found: Any) -> dict[str, Any]:
        """What the progress in a state has to look like: as many losses as it has, if it has them at all."""
        losses = found.get("losses") if isinstance(found, Mapping) else None
        count = len(losses) if isinstance(losses, Tensor) and losses.ndim == 1 else 0
        return {**NUMBERS, "losses": torch.empty(count), "records": ""}


def state_example(own: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """What a state of a run looks like; the optimizer's is looked at by itself.

    Args:
        own: the state of a step of the run.
        state: what was loaded.
    """
    random = state.get("random")
    return {
        **own,
        "optimizer": state.get("optimizer"),
        # As many as there were processes, and of whatever kind of device.
        "random": random if isinstance(random, list) and all(map(_is_rng_state, random)) else own["random"],
        "progress": RunProgress.example(state.get("progress")),
        "run": "",
    }


def _is_rng_state(found: Any) -> bool:
    kinds = {"cpu", "cuda"}
    return isinstance(found, dict) and found.keys() == kinds and all(isinstance(found[kind], Tensor) for kind in kinds)
