"""The check of whole networks, which stand in the place of a model."""

import copy
import pickle

import torch
from torch import Tensor, nn

from mixkit.conformance.harness import Checked, ConformanceError, close, seeded
from mixkit.conformance.portability import expect_on_cuda
from mixkit.errors import MixkitError
from mixkit.model.whole import head_of, pooled
from mixkit.registry import Network, Spec, lacks, network

CLASSES = 3
SHAPES = ((64, 96), (65, 99), (1, 4096))
"""Bins and frames: two spectrograms, and a waveform. A network may refuse some, not all."""


def check_network(spec: Spec) -> None:
    """Features come out as one number a class, each clip for itself; all of it learns; its head comes last."""
    part, found, refused = Checked(spec), list[object](), list[str]()
    for shape in SHAPES:
        with part.saying("cannot be built"), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                made = part.as_module(network.build(spec, *shape, CLASSES)).eval()
            except MixkitError as error:
                refused.append(f"{shape[0]} x {shape[1]}: {error}")
                continue
        if not any(True for _ in made.parameters()):
            raise ConformanceError(f"{spec.name}: it has no parameters, and would learn nothing.")
        _expect_head(part, made, torch.randn(2, *shape, generator=seeded(0)))
        _expect_sound(part, made, torch.randn(3, *shape, generator=seeded(0)))
        if not found:  # tracing is slow
            _expect_export(part, made, torch.randn(3, *shape, generator=seeded(0)))
        found.append(shape)
    if not found:
        raise ConformanceError("\n  ".join([f"{spec.name} refuses all that it was tried on.", *refused]))


def _expect_head(part: Checked, made: nn.Module, x: Tensor) -> None:
    missing = lacks(made, Network)
    is_module = missing is None and isinstance(made.head, nn.Module)
    part.expect(is_module, "it has no `head`, the module that gives the logits. Set it, or give it as a property")
    inside = any(module is made.head for module in made.modules())
    part.expect(inside, "its head is no part of it. Give the module that forward uses")
    with part.saying("fails in forward"), torch.no_grad():
        logits = part.tensor(made(x))
        vectors = pooled(made, x)
        part.expect(vectors.ndim == 2, f"its head {head_of(made)} is given {list(vectors.shape)}. It should be b c")
        again = part.tensor(made.head(vectors)) if isinstance(made.head, nn.Linear) else logits
    part.expect(close(again, logits, 1e-5), "what its head gives is changed behind it. Make it the last part")


def _expect_sound(part: Checked, made: nn.Module, x: Tensor) -> None:
    leaf = x.clone().requires_grad_()
    with part.saying("fails in forward"):
        out = part.tensor(made(leaf))
    wanted = [len(x), CLASSES]
    part.expect(list(out.shape) == wanted, f"{list(x.shape)} came out as {list(out.shape)}. It should be {wanted}")
    part.expect(torch.equal(x, leaf), "the input was changed in place. Work on a new tensor")
    with torch.no_grad():
        part.expect(torch.equal(out, made(x)), "the same input comes out otherwise the second time in evaluation")
        alone = torch.cat([made(clip[None]) for clip in x])
    part.expect(close(out, alone, 1e-4), "a clip comes out otherwise in a batch than alone")
    with part.saying("fails going backward"):
        (out * torch.randn(out.shape, generator=seeded(1))).sum().backward()
    part.expect(leaf.grad is not None and bool(leaf.grad.any()), "the input gets no gradient. Use it")
    for name, parameter in made.named_parameters():
        alive = not parameter.requires_grad or parameter.grad is not None
        part.expect(alive, f"parameter {name} gets no gradient. Use it in forward, or leave it out")
    with part.saying("cannot be copied and pickled"), torch.no_grad():
        for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
            part.expect(torch.equal(other(x), out), "a copy does otherwise. Keep in attributes what it needs")
    if not any(isinstance(module, nn.RNNBase) for module in made.modules()):  # which ask a true device for memory
        expect_on_cuda(part, made, tuple(x.shape))


def _expect_export(part: Checked, made: nn.Module, x: Tensor) -> None:
    with part.saying("torch.export does not take it for every size of batch"), torch.no_grad():
        batch = ({0: torch.export.Dim("batch")},)
        program = torch.export.export(made, (x,), dynamic_shapes=batch).module()
        part.expect(close(program(x[:2]), made(x[:2]), 1e-4), "it does otherwise when exported")
