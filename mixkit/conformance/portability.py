"""Checks that an operator survives what is done to models: other devices, files, copies, compilers."""

import io
import pickle
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from mixkit.conformance.harness import Checked, built, cases, close
from mixkit.registry import Spec

CUDA = torch.device("cuda:0")


def check_device(spec: Spec) -> None:
    """On a CUDA device nothing is left on the CPU. The device is a fake one: no GPU is needed."""
    for case in cases(spec):
        case.run(case.input())  # so that what forward puts aside is there
        out = _on_cuda(case, case.module, [case.input().shape], "x.device")
        case.expect(out == CUDA, f"a batch on {CUDA} came out on {out}. Keep it on x.device")


def expect_on_cuda(part: Checked, made: object, *shapes: tuple[int, ...]) -> None:
    """The same for what is no operator: tensors of these shapes, on a fake CUDA device, go through."""
    out = _on_cuda(part, part.as_module(made), shapes, "the device of what comes in")
    part.expect(out == CUDA, f"what comes in on a CUDA device came out on {out}")


def _on_cuda(part: Checked, module: nn.Module, shapes: Iterable[tuple[int, ...]], where: str) -> torch.device:
    """On which device comes out what goes in on a fake CUDA device."""
    for path, owner in module.named_modules():
        for name, value in vars(owner).items():
            stray = f"self.{path}.{name}" if path else f"self.{name}"
            message = f"{stray} is a tensor that would stay on the CPU. Use register_buffer"
            part.expect(not isinstance(value, Tensor), message)
    remedy = f"create tensors on {where}, and decide nothing by their values"
    with FakeTensorMode(), torch.no_grad(), part.saying(f"fails on a CUDA device ({remedy})"):
        held = (*module.named_parameters(), *module.named_buffers())
        moved = {name: torch.empty(kept.shape, dtype=kept.dtype, device=CUDA) for name, kept in held}
        inputs = tuple(torch.empty(shape, device=CUDA) for shape in shapes)
        out = torch.func.functional_call(module, moved, inputs)
    return out.device


def check_state_dict(spec: Spec) -> None:
    """The state dict holds all that it learns: another one loads it and does the same."""
    for case in cases(spec):
        other = built(spec, case.site, seed=1)
        file = io.BytesIO()
        torch.save(case.module.state_dict(), file)
        file.seek(0)
        with case.saying("cannot load its own state dict"):
            other.load_state_dict(torch.load(file, weights_only=True))
        same = torch.equal(case.run(case.input(), module=other), case.run(case.input()))
        case.expect(same, "it does otherwise after load_state_dict. Make every tensor a parameter or a buffer")


def check_pickle(spec: Spec) -> None:
    """It survives pickle: copies of a model need that."""
    for case in cases(spec):
        with case.saying("cannot be pickled"):
            copy = pickle.loads(pickle.dumps(case.module))
        same = torch.equal(case.run(case.input(), module=copy), case.run(case.input()))
        case.expect(same, "it does otherwise after pickle. Keep in attributes what it needs")


def check_compile(spec: Spec) -> None:
    """`torch.compile` takes it whole, forward and backward. Traced with `aot_eager`, which needs no C++ compiler."""
    for case in cases(spec)[:2]:  # tracing is slow
        torch._dynamo.reset()
        leaf, twin = case.input().requires_grad_(), case.input().requires_grad_()
        out = case.run(leaf, learning=True)
        with case.saying("torch.compile(fullgraph=True) does not take it whole"):
            compiled = torch.compile(case.module, fullgraph=True, backend="aot_eager", dynamic=False)(twin)
            (out.square().sum() + compiled.square().sum()).backward()
        same = close(compiled, out, 1e-5) and _gradients_close(leaf, twin)
        case.expect(same, "it does otherwise when compiled. Change no state in forward")
    torch._dynamo.reset()


def check_export(spec: Spec) -> None:
    """`torch.export` takes it, for batches of any size."""
    for case in cases(spec)[:2]:  # tracing is slow
        with case.saying("torch.export does not take it for every size of batch"):
            batch = ({0: torch.export.Dim("batch")},)
            program = torch.export.export(case.module, (case.input(),), dynamic_shapes=batch).module()
        x = case.input(batch=5)
        same = close(case.run(x, module=program), case.run(x), 1e-5)
        case.expect(same, "it does otherwise when exported. Read no Python number off a tensor")


def _gradients_close(leaf: Tensor, twin: Tensor) -> bool:
    if leaf.grad is None or twin.grad is None:
        return leaf.grad is twin.grad
    return close(twin.grad, leaf.grad, 1e-4)
