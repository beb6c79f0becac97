"""The transform pair of Hermit-Frequency-mixing: HFFT one way, IRFFT back."""

import math
from collections.abc import Callable
from typing import Literal, Self

import torch
from torch import Tensor, nn

from mixkit.errors import SettingError
from mixkit.linear import linear

Variant = Literal["paper", "lossless"]
Norm = Literal["backward", "ortho", "forward"]


class HermitPair(nn.Module):
    """Turns the values along the last axis into a spectrum of cosines, and such a spectrum back into values.

    The Hermitian transform of real x with period N reads x[0..N/2] only and is even in its output:
    `y[m] = sum_k w[k] x[k] cos(2 pi k m / N)` with w = 1 at k = 0 and at k = N/2 (even N), else 2. The inverse real
    transform is the same sum, divided by N. So N // 2 + 1 columns of the spectrum are distinct; only these are
    computed, by one fixed cosine matrix.

    Variant `paper`: N = length; values beyond N/2 are not read, and the output is even: out[j] = out[N - j]. The pair
    alone is the even extension of the first half. Variant `lossless`: N = 2 (length - 1); all values are read (DCT-I),
    and the pair alone changes nothing. Both are defined for odd and even lengths.

    The matrix is no part of the state dict. It is made anew, from float64, whenever the module changes type or device,
    also when it leaves the meta device. Under autocast it multiplies in the lower precision, as any linear map.

    Shape:
        `spectrum`: `... n -> ... columns`; `signal`: `... columns -> ... n`

    Args:
        length: values along the axis, n.
        variant: `paper` or `lossless`.
        norm: where the division by N goes: `backward` into `signal`, `forward` into `spectrum`, `ortho` half each.

    Raises:
        SettingError: `lossless` with a length of 1.

    Paper: ASM-RH, arXiv:2402.18007, II-C.
    """

    cosine: Tensor

    def __init__(self, length: int, variant: Variant, norm: Norm):
        super().__init__()
        if variant == "lossless" and length < 2:
            raise SettingError("variant", f"is 'lossless', which needs 2 values or more, not {length}. Use 'paper'.")
        self.variant, self.norm = variant, norm
        self.period = length if variant == "paper" else 2 * (length - 1)
        self.columns = self.period // 2 + 1
        self._mirrored = length - self.columns
        self._scale = {"backward": 1.0, "ortho": self.period**-0.5, "forward": 1.0 / self.period}[norm]
        matrix = _cosines(self.period, torch.get_default_dtype(), torch.get_default_device())
        self.register_buffer("cosine", matrix, persistent=False)

    def spectrum(self, x: Tensor) -> Tensor:
        """The distinct columns of the Hermitian transform."""
        spectrum: Tensor = linear(x[..., : self.columns], self.cosine) * self._scale
        return spectrum

    def signal(self, spectrum: Tensor) -> Tensor:
        """The inverse real transform of a spectrum of which `columns` columns are given."""
        half: Tensor = linear(spectrum, self.cosine) * (1.0 / (self.period * self._scale))
        if not self._mirrored:
            return half
        return torch.cat((half, half[..., 1 : self._mirrored + 1].flip(-1)), dim=-1)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        before = self.cosine
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.cosine is not before:
            self.cosine = _cosines(self.period, self.cosine.dtype, self.cosine.device)
        return self


def _cosines(period: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    index = torch.arange(period // 2 + 1, device="cpu")
    turns = torch.outer(index, index) % period  # exact, where the cosine of a large angle would not be
    matrix = 2 * torch.cos(turns.to(torch.float64) * (2 * math.pi / period))
    matrix[:, 0] /= 2
    if period % 2 == 0:
        matrix[:, -1] /= 2
    return matrix.to(device=device, dtype=dtype)
