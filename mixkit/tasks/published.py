"""What published data sets do alike."""

from abc import ABC, abstractmethod
from functools import cached_property

from mixkit.registry import Clip
from mixkit.tasks.protocol import Splits


class Published(ABC):
    """A published data set: listed and divided once, when its clips are first asked for."""

    def clips(self, split: str) -> tuple[Clip, ...]:
        """The clips of a split, in an order that is always the same.

        Raises:
            MixkitError: there is no such split, or the data are not there or not as published.
        """
        return self._splits.clips(split)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user has to know of the listing: what is missing, double or left out."""
        return self._splits.notes

    @cached_property
    def _splits(self) -> Splits:
        return self._divided()

    @abstractmethod
    def _divided(self) -> Splits: ...
