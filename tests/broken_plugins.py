"""Ten plugins that are broken in one way each, as text."""

_HEAD = '''"""An operator."""

import torch
from torch import nn

from mixkit import operator

'''
_BODY = '''

@operator("blend", mixes={mixes})
class Blend(nn.Module):
    """Recombines channels."""

    def __init__(self, site{settings}):
        super().__init__()
        self.linear = nn.Linear(site.width, site.width)

    def forward(self, x):
{forward}
'''


def _plugin(forward: str, mixes: str = '{"channel"}', settings: str = "") -> str:
    lines = "\n".join(f"        {line}" for line in forward.splitlines())
    return (_HEAD.rstrip("\n") + "\n" + _BODY).format(mixes=mixes, settings=settings, forward=lines)


SOUND = _plugin("return self.linear(x)")
BROKEN = {
    "wrong_shape": _plugin("return self.linear(x)[:, 1:]"),
    "mixes_batch": _plugin("return self.linear(x - x.mean(0))"),
    "hidden_randomness": _plugin("return self.linear(x) + torch.randn_like(x)"),
    "undeclared_axis": _plugin("return self.linear(x - x.mean(1, keepdim=True))"),
    "in_place": _plugin("return self.linear(x.mul_(2))"),
    "cpu_tensor": _plugin("ramp = torch.arange(x.shape[2])\nreturn self.linear(x * ramp)"),
    "no_docstring": SOUND.replace('    """Recombines channels."""\n', ""),
    "no_default": _plugin("return self.linear(x)", settings=", *, gain: float"),
    "name_taken": SOUND.replace('"blend"', '"channel"'),
    "syntax_error": SOUND.replace("return self.linear(x)", "return self.linear(x"),
}
HEAVY = _plugin("y = self.linear(x)\nz = y.reshape(len(x), 7, -1)\nreturn y + z.sum() * 0")
"""Fails on the second line of forward, which is line 19."""
