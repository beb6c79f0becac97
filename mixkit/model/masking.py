"""Masked pretraining: cells of a spectrogram are hidden, and a network tells from the others what is in them.

They are hidden twice: the spectrogram has zeros there, which is its mean, so that nothing of them comes in through
patches that overlap or filters that reach over; and the tokens of the stem in them are replaced by one that is learned,
so that the grid stays whole.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mixkit.model.masks import Cells, Masks
from mixkit.model.mixer import Mixer
from mixkit.model.norms import BatchNorm
from mixkit.recipe.pretrain import Pretrain

CLOSE = 1e-5
"""Scores that differ by a smaller share are the same, such as those of two cells of silence."""


class Told(NamedTuple):
    """How well the hidden cells of each clip were told.

    Args:
        contrastive: InfoNCE, in nats, mean over the hidden cells: `b`.
        accuracy: share of the hidden cells that were told from the clip's others: `b`.
        error: squared error of their values, mean over the hidden cells: `b`.
    """

    contrastive: Tensor
    accuracy: Tensor
    error: Tensor


class MaskedPrediction(nn.Module):
    """What pretraining adds to a network: the token of hidden cells, and two heads that say what is in them.

    Args:
        settings: of the recipe.
        mixer: the network.
        bins: of its spectrograms.
        frames: of its spectrograms.

    Raises:
        SettingError: the grid of the network is too coarse.

    Paper: SSAST, Gong et al. 2022, arXiv:2110.09784, section 2: heads of one hidden layer; equations 1 and 2.
    Differs: the authors' code runs the network once for each loss, with other masks; here both have one pass, as in
        algorithm 1. There the softmax is over the clip's predictions; here over its cells, as in equation 1.
    """

    def __init__(self, settings: Pretrain, mixer: Mixer, bins: int, frames: int):
        super().__init__()
        self.cells = Cells(mixer, bins, frames)
        self.masks = Masks(settings, self.cells.grid)
        width = mixer.sites[-1].width
        self.token = nn.Parameter(nn.init.trunc_normal_(torch.empty(mixer.sites[0].width), std=0.02))
        self.contrastive = _head(width, self.cells.values)
        self.reconstruction = _head(width, self.cells.values)

    def forward(self, mixer: Mixer, x: Tensor, hidden: Tensor) -> Told:
        """How well a network tells what is hidden: spectrograms `b m l`, hidden cells `b k`."""
        said, guessed = self.predicted(mixer, x, hidden)
        target = _taken(self.cells.cut(x), hidden)
        real = _taken(self.cells.inside(x).expand(len(x), -1, -1), hidden)
        with torch.autocast(x.device.type, enabled=False):
            error = squared_error(guessed.float(), target.float(), real)
            return Told(*contrasted(said.float(), target.float()), error)

    def predicted(self, mixer: Mixer, x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """What both heads say of the hidden cells, of which nothing is seen: each `b k v`."""
        whole = x.new_zeros(len(x), self.cells.grid.tokens, dtype=torch.bool)
        whole = whole.scatter(1, hidden, torch.ones_like(hidden, dtype=torch.bool))
        of_stem = self.cells.of_stem(whole)[:, :, None]
        seen = mixer.tokens(
            self.cells.hide(x, whole), lambda tokens: torch.where(of_stem, self.token.to(tokens.dtype), tokens)
        )
        tokens = _taken(seen, hidden)
        return self.contrastive(tokens), self.reconstruction(tokens)


class MaskedNetwork(nn.Module):
    """A network and what pretraining adds to it, as one module.

    Where the network has BatchNorm, hidden cells are told with the statistics of the batch. Those that are kept are of
    clips of which nothing is hidden, as the network will hear them afterwards: a quarter of each batch in training.

    Args:
        mixer: the network.
        prediction: what is added.
    """

    def __init__(self, mixer: Mixer, prediction: MaskedPrediction):
        super().__init__()
        self.mixer, self.prediction = mixer, prediction
        self._norms = [part for part in mixer.modules() if isinstance(part, BatchNorm)]

    def forward(self, x: Tensor, hidden: Tensor) -> Told:
        """How well it tells what is hidden: spectrograms `b m l`, hidden cells `b k`."""
        if self._norms and self.training:
            with torch.no_grad():
                self.mixer.tokens(x[: -(-len(x) // 4)])
        with _of_the_batch(self._norms):
            found: Told = self.prediction(self.mixer, x, hidden)
        return found


def contrasted(said: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """InfoNCE of each clip's predictions over its hidden cells, and the share that is right: `b k v` twice, `b` twice.

    Paper: arXiv:2110.09784, eq. 1: `-log(exp(c_i . x_i) / sum_j exp(c_i . x_j))`, without a temperature.
    """
    scores = said @ target.transpose(1, 2)
    own = scores.diagonal(dim1=1, dim2=2)
    best = scores.amax(2)
    loss = scores.logsumexp(2) - own
    return loss.mean(1), (own >= best - CLOSE * best.abs()).to(loss.dtype).mean(1)


def squared_error(guessed: Tensor, target: Tensor, real: Tensor) -> Tensor:
    """The mean over each clip's hidden cells of the mean squared error of their real values: `b k v` thrice, `b`.

    Paper: arXiv:2110.09784, eq. 2.
    """
    return ((guessed - target).square() * real).sum(2).div(real.sum(2).clamp(min=1)).mean(1)


def _head(width: int, values: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, values))


def _taken(x: Tensor, hidden: Tensor) -> Tensor:
    """The rows of hidden cells: `b n v`, `b k -> b k v`."""
    return x.gather(1, hidden[:, :, None].expand(-1, -1, x.shape[2]))


@contextmanager
def _of_the_batch(norms: Sequence[BatchNorm]) -> Iterator[None]:
    """Norms with the statistics of the batch at hand, which are not kept."""
    before = [(norm.training, norm.recomputes) for norm in norms]
    for norm in norms:
        norm.training = norm.recomputes = True
    try:
        yield
    finally:
        for norm, (training, recomputes) in zip(norms, before, strict=True):
            norm.training, norm.recomputes = training, recomputes
