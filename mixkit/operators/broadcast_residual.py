"""Broadcasted residual: each frequency by its neighbours, and the course of their mean over time added to all."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mixkit.model.broadcast import Broadcast
from mixkit.registry import Site, operator
from mixkit.values import Count, Positive, Rate, Side


def _axes(params: Mapping[str, Any]) -> set[str]:
    return {"frequency", "channel"} | ({"time"} if params["kernel"][1] > 1 else set())


@operator("broadcast_residual", mixes=_axes, paper="arXiv:2106.04140, section 2.1")
class BroadcastResidual(nn.Module):
    """Broadcasted residual block (BC-ResNet): compares each frequency with those beside it, follows all of them
    together through time, and tells each of it.

    A depthwise convolution along frequency with a norm for each band; of its mean over frequency one along time, with
    BatchNorm, SiLU and a linear map; what comes of that is added to every row.

    Shape:
        `b (f t) c -> b (f t) c`

    Equation:
        z = SSN(w * x)  along frequency
        m[q] = mean over p of z[p, q]
        y[p, q] = z[p, q] + W silu(BN(v * m))[q]  along time
        p = frequency, q = time, w and v depthwise
        SSN = BatchNorm of each channel in each band
        beyond the edge 0

    Cost:
        parameters: c*(kernel[0] + kernel[1]) + 2*c*(s + 1) + c**2
        FLOPs: 2*n*c*kernel[0] + 2*t*c*kernel[1] + 2*t*c**2
        s: min(bands, f)  # bands that there are

    Args:
        site: where it stands; it needs the bare grid.
        kernel: patches along frequency and along time, odd numbers.
        dilation: from one weight along time to the next.
        bands: of frequencies, each with a norm of its own; at most one a row. Where they do not divide the rows, the
            lowest ones have a row more.
        dropout: probability of silencing a channel of what is added.
        norm_eps: added to the variance in the norms.

    Raises:
        SettingError: a side of the kernel has no middle.
        MixkitError: the model has prefix tokens.

    Paper: BC-ResNet, Kim et al. 2021, arXiv:2106.04140, section 2.1: a branch without a norm of its own, then ReLU.

    Differs: the paper's bands, and its code's, have to divide the rows.
    """

    def __init__(
        self,
        site: Site,
        *,
        kernel: tuple[Side, Side] = (3, 3),
        dilation: Side = 1,
        bands: Count = 5,
        dropout: Rate = 0.1,
        norm_eps: Positive = 1e-5,
    ):
        super().__init__()
        self.broadcast = Broadcast(
            site.bare("broadcast_residual"),
            site.width,
            kernel=kernel,
            dilation=dilation,
            bands=bands,
            dropout=dropout,
            norm_eps=norm_eps,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compare, follow and add."""
        mixed: Tensor = self.broadcast(x)
        return mixed
