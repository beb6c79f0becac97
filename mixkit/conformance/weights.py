"""The check of what a network can start from."""

import copy

import torch

from mixkit.conformance.harness import Checked, NotTried
from mixkit.errors import MixkitError
from mixkit.model.mixer import Mixer
from mixkit.recipe.schema import Block, Branch, Model
from mixkit.registry import Spec, StartingWeights, lacks, operator, stem, weights

BINS, FRAMES, CLASSES = 32, 64, 3


def check_weights(spec: Spec) -> None:
    """A network keeps its shape and gets numbers that are finite, the same every time, and as many as are told."""
    part = Checked(spec)
    with part.saying("cannot be built"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fresh = small_mixer()
        taken, reported = _started(spec, fresh)
        again, _ = _started(spec, fresh)
    before, after = ({name: p.shape for name, p in mixer.named_parameters()} for mixer in (fresh, taken))
    part.expect(before == after, "the network has other parameters than before. Copy into those that it has")
    missing = lacks(reported, StartingWeights)
    gives = f"it gives a {type(reported).__name__} without {missing!r}"
    part.expect(missing is None, f"{gives}. Return a mixkit.weights.Start")
    count = sum(parameter.numel() for parameter in fresh.parameters())
    sound = reported.of == count and 0 < reported.parameters <= count
    part.expect(sound, f"it tells of {reported.parameters} of {reported.of} parameters. The network has {count}")
    changed = 0
    for (name, value), other, old in zip(taken.named_parameters(), again.parameters(), fresh.parameters(), strict=True):
        part.expect(value.isfinite().all(), f"{name} came out with numbers that are not finite")
        part.expect(torch.equal(value, other), f"{name} starts otherwise the second time")
        part.expect(value.requires_grad, f"{name} learns no longer. Copy under torch.no_grad()")
        changed += int((value != old).sum())
    more = f"it tells of {reported.parameters} parameters, and {changed} are other than before"
    part.expect(0 < changed <= reported.parameters, f"{more}. Count all that are copied")


def small_mixer() -> Mixer:
    """A network to try weights on."""
    branches = tuple(Branch((operator.spec(name),)) for name in ("token", "channel"))
    patches = stem.spec("patches", size=(16, 16), stride=(16, 16))
    model = Model(pattern=(Block(branches),), width=24, depth=2, stem=patches)
    return Mixer(model, BINS, FRAMES, CLASSES)


def _started(spec: Spec, fresh: Mixer) -> tuple[Mixer, StartingWeights]:
    mixer = copy.deepcopy(fresh)
    try:
        return mixer, weights.build(spec, mixer)
    except MixkitError as error:
        raise NotTried(f"{spec.name} cannot be tried with its defaults: {error}") from None
