"""Clips into batches of waveforms. Workers only read audio; all that follows happens on the device."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler, get_worker_info

from mixkit.audio.length import Length
from mixkit.data.waveforms import Waveforms, in_words
from mixkit.data.workers import Key, Readers
from mixkit.draw import Draw
from mixkit.errors import DataError, printable
from mixkit.registry import Clip

LISTED = 10  # of the clips of a batch that cannot be read

CROP_STREAM = 0
"""The stream of random numbers that places crops; augmentations have the ones after it."""


@dataclass
class Batch:
    """Waveforms of one length, their classes, and which clips they are.

    Args:
        waveform: `b s`.
        target: `b k`, share of each class: 1 for the right one, 0 for the others.
        items: `b`, index of the clip in its split; the rows of a clip in several windows have the same.
        epoch: the pass it belongs to.
        total: clips that all processes together have in this batch.
        error: what went wrong with a clip, or None.
    """

    waveform: Tensor
    target: Tensor
    items: Tensor
    epoch: int
    total: int = 0
    error: str | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return self._moved(lambda part: part.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """The same batch in page-locked memory, for copies that do not wait."""
        return self._moved(Tensor.pin_memory)

    def _moved(self, move: Callable[[Tensor], Tensor]) -> "Batch":
        return replace(self, waveform=move(self.waveform), target=move(self.target), items=move(self.items))


class ClipAudio(Dataset[tuple[Tensor, Tensor, int, int] | str]):
    """The audio of a split, in one length.

    Args:
        clips: the split.
        labels: class order of the task.
        waveforms: reads the clips.
        length: that the network takes, and how clips come to it.
        seed: of crops at random; None cuts as `length` says.
        windows: whether a longer clip is given as all its windows.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        labels: Sequence[str],
        waveforms: Waveforms,
        length: Length,
        seed: int | None = None,
        windows: bool = False,
    ):
        self.clips = clips
        self.targets = targets(clips, labels)
        self.waveforms = waveforms
        self.length = length
        self.seed = seed
        self.windows = windows

    def __len__(self) -> int:
        return len(self.clips)

    def waveform(self, item: int) -> Tensor:
        """The whole clip, `s`."""
        return self.waveforms.read(self.clips[item])

    def cut(self, item: int, epoch: int = 0) -> Tensor:
        """The clip, cut or padded to the one length: `s`."""
        audio = self.waveform(item)
        spare = len(audio) - self.length.samples
        if self.seed is None or spare <= 0:
            return self.length(audio)
        start = int(Draw(self.seed, epoch, torch.tensor([item]), CROP_STREAM).integer(1, spare + 1))
        return audio[start : start + self.length.samples]

    def unpadded(self, item: int) -> Tensor:
        """The clip, cut to the one length at most: `s`."""
        return self.length.cut(self.waveform(item))

    def rows(self, item: int, epoch: int = 0) -> Tensor:
        """The clip as the network gets it: itself, or all its windows: `w s`."""
        return self.length.windows(self.waveform(item)) if self.windows else self.cut(item, epoch)[None]

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor, int, int] | str:
        epoch, item = key
        try:
            rows = self.rows(item, epoch)
            return rows, self.targets[item].expand(len(rows), -1), item, epoch
        except DataError as error:
            return str(error)


class Order(Sampler[list[Key]]):
    """Which clips stand in which batch. The same seed and epoch give the same order, whoever asks.

    Several processes share each batch: of its clips, rank r reads those at r, r + ranks, and so on. A batch with fewer
    clips than processes lends its first one to those left over; `Batch.total` tells how many really belong to it.

    Args:
        count: clips in the split.
        batch_size: clips in a batch, over all processes; the last may hold fewer.
        seed: of the order; None keeps the split's.
        weights: how likely each clip is to be drawn, with replacement; None takes each once.
        rank: which process this is.
        ranks: how many there are.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        seed: int | None = None,
        weights: Tensor | None = None,
        rank: int = 0,
        ranks: int = 1,
    ):
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.weights = weights
        self.rank = rank
        self.ranks = ranks
        self.epoch = 0
        self.skip = 0
        self.stop = -(-count // batch_size)

    def __len__(self) -> int:
        return self.stop - self.skip

    def __iter__(self) -> Iterator[list[Key]]:
        items = self._items()
        for number in range(self.skip, self.stop):
            start = number * self.batch_size
            batch = [(self.epoch, item) for item in items[start : start + self.batch_size]]
            yield batch[self.rank :: self.ranks] or batch[:1]

    def total(self, batch: int) -> int:
        """Clips of a batch, counted from 0, over all processes."""
        return min(self.batch_size, self.count - batch * self.batch_size)

    def _items(self) -> Sequence[int]:
        if self.seed is None:
            return range(self.count)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        if self.weights is None:
            chosen = torch.randperm(self.count, generator=generator)
        else:
            chosen = torch.multinomial(self.weights, self.count, replacement=True, generator=generator)
        return chosen.tolist()  # type: ignore[no-any-return, unused-ignore]


class Batches:
    """The batches of a split, epoch by epoch.

    Args:
        audio: the split.
        order: which clips in which batch.
        device: where batches are wanted.
        workers: processes that read; 0 reads in this one.
    """

    def __init__(self, audio: ClipAudio, order: Order, device: torch.device, workers: int = 0):
        self.order = order
        self.device = device
        self.readers = Readers(
            audio,
            workers,
            lambda item: printable(audio.clips[item].path),
            audio.waveforms.share,
            batch_sampler=order,
            collate_fn=_collate,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),  # its own, so that reading leaves the generator of the training alone
        )

    def __len__(self) -> int:
        return -(-self.order.count // self.order.batch_size)

    def epoch(self, epoch: int, skip: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """The batches of one pass, on the device.

        Args:
            epoch: which pass, from 0.
            skip: batches to leave out at its beginning, because they were done before.
            stop: batches of the pass that are wanted, those left out among them; None for all.

        Raises:
            DataError: a clip cannot be read, or a worker died or is stuck; the clip is named.
        """
        self.order.epoch, self.order.skip = epoch, skip
        self.order.stop = len(self) if stop is None else stop
        for number, batch in enumerate(self.readers, start=skip):
            if batch.error:
                raise DataError(batch.error)
            yield replace(batch, total=self.order.total(number)).to(self.device)


def targets(clips: Sequence[Clip], labels: Sequence[str]) -> Tensor:
    """Which classes each clip belongs to: `n k`, 1 or 0; in a multi-label set any number of them, or none."""
    place = {label: number for number, label in enumerate(labels)}
    heard = [(row, place[label]) for row, clip in enumerate(clips) for label in clip.labels]
    wanted = torch.zeros(len(clips), len(labels))
    if heard:
        wanted[tuple(torch.tensor(heard).T)] = 1
    return wanted


def class_weights(targets: Tensor) -> Tensor:
    """One factor a class, inversely proportional to how often it occurs, with mean 1 over the clips.

    Args:
        targets: `n k`, 1 or 0.
    """
    counts = targets.sum(0).clamp(min=1)
    return targets.sum() / (targets.shape[1] * counts)


def _collate(samples: list[tuple[Tensor, Tensor, int, int] | str]) -> Batch:
    good = [sample for sample in samples if not isinstance(sample, str)]
    errors = [sample for sample in samples if isinstance(sample, str)]
    if errors:
        return _failed("\n".join(errors[:LISTED]))
    waveforms, targets, items, epochs = zip(*good, strict=True)
    try:
        rows = torch.tensor([len(waveform) for waveform in waveforms])
        which = torch.tensor(items).repeat_interleave(rows)
        return Batch(_joined(waveforms), _joined(targets), which, epochs[0])
    except Exception as error:  # here and not where the batch is sent, which would be silent
        return _failed(
            f"{len(good)} clips cannot be handed over by a data worker ({in_words(error)}). "
            "Give it more shared memory (/dev/shm), or set train.workers = 0."
        )


def _joined(rows: Sequence[Tensor]) -> Tensor:
    """The rows in one tensor, which in a worker lies in memory that the main process sees."""
    if get_worker_info() is None:
        return torch.cat(tuple(rows))
    shared = torch.empty(sum(map(len, rows)), *rows[0].shape[1:]).share_memory_()
    return torch.cat(tuple(rows), out=shared)


def _failed(error: str) -> Batch:
    return Batch(torch.empty(0), torch.empty(0), torch.empty(0), 0, error=error)
