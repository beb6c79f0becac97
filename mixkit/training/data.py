"""Clips into batches of waveforms. Workers only read audio; all that follows happens on the device."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from mixkit.audio.read import inspect, read
from mixkit.draw import Draw
from mixkit.errors import DataError, MixkitError
from mixkit.tasks.clip import Clip

MEMORY_BUDGET = 2**30
"""Bytes of decoded audio that a reader keeps, so that a small data set is decoded once."""

CROP_STREAM = 0
"""The stream of random numbers that places crops; augmentations have the ones after it."""

Key = tuple[int, int]  # epoch, item


@dataclass
class Batch:
    """Waveforms of one length, their classes, and which clips they are.

    Args:
        waveform: `b s`.
        target: `b`, index of the class.
        items: `b`, index of the clip in its split.
        epoch: the pass it belongs to.
        error: what went wrong with a clip, or None.
    """

    waveform: Tensor
    target: Tensor
    items: Tensor
    epoch: int
    error: str | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        move = [part.to(device, non_blocking=True) for part in (self.waveform, self.target, self.items)]
        return Batch(move[0], move[1], move[2], self.epoch, self.error)

    def pin_memory(self) -> "Batch":
        """The same batch in page-locked memory, for copies that do not wait."""
        pinned = [part.pin_memory() for part in (self.waveform, self.target, self.items)]
        return Batch(pinned[0], pinned[1], pinned[2], self.epoch, self.error)


@dataclass(frozen=True)
class Survey:
    """Lengths of clips against what the model sees.

    Args:
        clips: how many.
        shorter: of them shorter.
        longer: of them longer.
        seconds: in all.
    """

    clips: int
    shorter: int
    longer: int
    seconds: float


class ClipAudio(Dataset[tuple[Tensor, int, int, int] | str]):
    """The audio of a split, cut or padded with silence to one length.

    Args:
        clips: the split.
        labels: class order of the task.
        sample_rate: Hz.
        samples: length that the model sees.
        seed: of random crops; None cuts in the centre.
    """

    def __init__(
        self, clips: Sequence[Clip], labels: Sequence[str], sample_rate: int, samples: int, seed: int | None = None
    ):
        self.clips = clips
        self.targets = [labels.index(clip.label) for clip in clips]
        self.sample_rate = sample_rate
        self.samples = samples
        self.seed = seed
        self._kept: dict[int, Tensor] = {}
        self._room = MEMORY_BUDGET

    def __len__(self) -> int:
        return len(self.clips)

    def waveform(self, item: int) -> Tensor:
        """The whole clip, `s`."""
        if item not in self._kept:
            clip = self.clips[item]
            audio = read(clip.path, self.sample_rate, clip.start, clip.stop)
            if audio.nbytes > self._room:
                return audio
            self._room -= audio.nbytes
            self._kept[item] = audio
        return self._kept[item]

    def __getitem__(self, key: Key) -> tuple[Tensor, int, int, int] | str:
        epoch, item = key
        try:
            audio = self.waveform(item)
        except MixkitError as error:
            return str(error)
        return fit_length(audio, self.samples, self._offset(epoch, item)), self.targets[item], item, epoch

    def _offset(self, epoch: int, item: int) -> Callable[[int], int]:
        def centre(extra: int) -> int:
            return extra // 2

        def random(extra: int) -> int:
            draw = Draw(self.seed or 0, epoch, torch.tensor([item]), CROP_STREAM)
            return int(draw.integer(1, extra + 1))

        return centre if self.seed is None else random


def fit_length(audio: Tensor, samples: int, offset: Callable[[int], int]) -> Tensor:
    """Exactly that many samples: zeros after the end, or a cut at `offset(extra samples)`."""
    extra = len(audio) - samples
    if extra <= 0:
        return torch.nn.functional.pad(audio, (0, -extra))
    start = offset(extra)
    return audio[start : start + samples]


class Order(Sampler[list[Key]]):
    """Which clips stand in which batch. The same seed and epoch give the same order, whoever asks.

    Args:
        count: clips in the split.
        batch_size: clips in a batch; the last may hold fewer.
        seed: of the order; None keeps the split's.
        weights: how likely each clip is to be drawn, with replacement; None takes each once.
    """

    def __init__(self, count: int, batch_size: int, seed: int | None = None, weights: Tensor | None = None):
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.weights = weights
        self.epoch = 0

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[list[Key]]:
        keys = [(self.epoch, item) for item in self._items()]
        return (keys[start : start + self.batch_size] for start in range(0, self.count, self.batch_size))

    def _items(self) -> list[int]:
        if self.seed is None:
            return list(range(self.count))
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        if self.weights is None:
            chosen = torch.randperm(self.count, generator=generator)
        else:
            chosen = torch.multinomial(self.weights, self.count, replacement=True, generator=generator)
        return [int(item) for item in chosen]


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
        self.loader: DataLoader[Batch] = DataLoader(
            audio,  # type: ignore[arg-type]
            batch_sampler=order,
            num_workers=workers,
            collate_fn=_collate,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
        )

    def __len__(self) -> int:
        return len(self.order)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of one pass, on the device.

        Raises:
            DataError: a clip cannot be read; it is named.
        """
        self.order.epoch = epoch
        for batch in self.loader:
            if batch.error:
                raise DataError(batch.error)
            yield batch.to(self.device)


def survey(clips: Sequence[Clip], seconds: float) -> Survey:
    """Lengths of all clips, from their headers.

    Raises:
        DataError: some cannot be read; each is named, up to ten.
    """
    lengths, faults = [], []
    for clip in clips:
        try:
            header = inspect(clip.path)
            end = header.frames / header.sample_rate if header.frames is not None else seconds
            lengths.append((end if clip.stop is None else min(end, clip.stop)) - (clip.start or 0.0))
        except MixkitError as error:
            faults.append(str(error))
    if faults:
        more = [f"... and {len(faults) - 10} more."] if len(faults) > 10 else []
        raise DataError("\n".join([*faults[:10], *more]))
    tolerance = 1e-3
    return Survey(
        clips=len(clips),
        shorter=sum(length < seconds - tolerance for length in lengths),
        longer=sum(length > seconds + tolerance for length in lengths),
        seconds=sum(lengths),
    )


def class_weights(targets: Sequence[int], classes: int) -> Tensor:
    """One factor a class, inversely proportional to how often it occurs, with mean 1 over the clips."""
    counts = torch.bincount(torch.tensor(targets), minlength=classes).clamp(min=1)
    return len(targets) / (classes * counts.float())


def _collate(samples: list[tuple[Tensor, int, int, int] | str]) -> Batch:
    good = [sample for sample in samples if not isinstance(sample, str)]
    errors = [sample for sample in samples if isinstance(sample, str)]
    if errors:
        return Batch(torch.empty(0), torch.empty(0), torch.empty(0), 0, "\n".join(errors))
    waveforms, targets, items, epochs = zip(*good, strict=True)
    return Batch(torch.stack(waveforms), torch.tensor(targets), torch.tensor(items), epochs[0])
