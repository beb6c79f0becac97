"""Where an operator stands: the grid of patches, and the place in the model."""

from dataclasses import dataclass

from mixkit.errors import MixkitError


@dataclass(frozen=True)
class Grid:
    """Patches along frequency and time. Token `f * time + t` is the patch at frequency `f`, time `t`."""

    frequency: int
    time: int

    def __post_init__(self) -> None:
        if self.frequency < 1 or self.time < 1:
            raise MixkitError(f"a grid of {self.frequency} x {self.time} patches is empty. Use at least 1 x 1.")

    @property
    def tokens(self) -> int:
        """Number of patches."""
        return self.frequency * self.time


@dataclass(frozen=True)
class Site:
    """Where an operator stands, and nothing more.

    Args:
        grid: patches along frequency and time.
        width: channels of a token.
        layer: which block, counted from 0.
        depth: number of blocks.
        prefix: class tokens ahead of the grid; operators that need the bare grid refuse them.
        first: which block its stage begins with.
    """

    grid: Grid
    width: int
    layer: int = 0
    depth: int = 1
    prefix: int = 0
    first: int = 0

    @property
    def tokens(self) -> int:
        """Prefix and grid tokens together."""
        return self.prefix + self.grid.tokens

    @property
    def layer_in_stage(self) -> int:
        """Which block of its stage, counted from 0."""
        return self.layer - self.first

    def bare(self, name: str) -> Grid:
        """The grid, for an operator that cannot place prefix tokens on it.

        Raises:
            MixkitError: the model has prefix tokens.
        """
        if self.prefix:
            raise MixkitError(
                f"{name} mixes the {self.grid.frequency} x {self.grid.time} grid and has no place for "
                f"{self.prefix} prefix tokens. Set model.prefix = 0, or use an operator over all tokens."
            )
        return self.grid
