"""An operator that cannot stand somewhere says why, and what would stand."""

from dataclasses import replace

import pytest

from mixkit.errors import MixkitError
from mixkit.registry import Grid, Site, Spec, operator

BASE = Site(Grid(12, 50), width=768, depth=12)

REFUSALS = [
    (
        operator.spec("roll"),
        replace(BASE, grid=Grid(1, 3)),
        "operator.roll.bands is 4, more than the 3 tokens. Use 3 or fewer.",
    ),
    (
        operator.spec("roll_time", groups=65),
        replace(BASE, width=16),
        "operator.roll_time.groups is 65, more than bands x width, 4 x 16. Use 64 or fewer.",
    ),
    (
        operator.spec("time"),
        replace(BASE, prefix=2),
        "time mixes the 12 x 50 grid and has no place for 2 prefix tokens. "
        "Set model.prefix = 0, or use an operator over all tokens.",
    ),
    (
        operator.spec("perspective", axes=("frequency", "channel")),
        replace(BASE, prefix=1),
        "frequency+channel mixes the 12 x 50 grid and has no place for 1 prefix tokens. "
        "Set model.prefix = 0, or use an operator over all tokens.",
    ),
    (
        operator.spec("shift"),
        replace(BASE, prefix=1),
        "shift mixes the 12 x 50 grid and has no place for 1 prefix tokens. "
        "Set model.prefix = 0, or use an operator over all tokens.",
    ),
    (
        operator.spec("shift"),
        replace(BASE, width=8),
        "operator.shift.parts is 12, so nothing moves at a width of 8. Use 8 or less.",
    ),
    (
        operator.spec("attention"),
        replace(BASE, width=100),
        "operator.attention.head_width is 64, which does not divide a width of 100. Use a divisor, such as 50.",
    ),
    *(
        (
            operator.spec(name),
            replace(BASE, prefix=1),
            f"{name} mixes the 12 x 50 grid and has no place for 1 prefix tokens. "
            "Set model.prefix = 0, or use an operator over all tokens.",
        )
        for name in ("axial_shift", "cycle", "hire", "wave")
    ),
    (
        operator.spec("axial_shift", size=(1, 1)),
        BASE,
        "operator.axial_shift.size is [1, 1], so that nothing moves. Use odd numbers, such as (5, 5).",
    ),
    (
        operator.spec("axial_shift"),
        replace(BASE, width=4),
        "operator.axial_shift.size is [5, 5], more parts than the 4 channels. Use fewer.",
    ),
    (
        operator.spec("cycle", size=(2, 3)),
        BASE,
        "operator.cycle.size is [2, 3], which has no middle. Use odd numbers, such as (3, 3) or (1, 7).",
    ),
    (
        operator.spec("cycle", size=(1, 1)),
        BASE,
        "operator.cycle.size is [1, 1], so that no neighbour is heard. Use odd numbers, such as (3, 3) or (1, 7).",
    ),
    (
        operator.spec("wave", kernel=(7, 4)),
        BASE,
        "operator.wave.kernel is [7, 4], which has no middle. Use odd numbers.",
    ),
    (
        operator.spec("broadcast_residual"),
        replace(BASE, prefix=1),
        "broadcast_residual mixes the 12 x 50 grid and has no place for 1 prefix tokens. "
        "Set model.prefix = 0, or use an operator over all tokens.",
    ),
    (
        operator.spec("broadcast_residual", kernel=(3, 4)),
        BASE,
        "operator.broadcast_residual.kernel is [3, 4], which has no middle. Use odd numbers.",
    ),
    (
        operator.spec("window_attention"),
        replace(BASE, prefix=1),
        "window_attention mixes the 12 x 50 grid and has no place for 1 prefix tokens. "
        "Set model.prefix = 0, or use an operator over all tokens.",
    ),
    (
        operator.spec("window_attention", window=(1, 1)),
        BASE,
        "operator.window_attention.window is [1, 1], in which each token is alone. Use more, such as (7, 7).",
    ),
    (
        operator.spec("window_attention", window=(10_000, 10_000)),
        replace(BASE, grid=Grid(200, 200)),
        "operator.window_attention.window asks for 38,400,000,000 values of a clip in a layer, "
        "where 1,073,741,824 are the most. Use a smaller one.",
    ),
    (
        operator.spec("window_attention", head_width=36),
        replace(BASE, width=100),
        "operator.window_attention.head_width is 36, which does not divide a width of 100. Use a divisor, such as 25.",
    ),
    (
        operator.spec("global_filter"),
        replace(BASE, prefix=2),
        "global_filter mixes the 12 x 50 grid and has no place for 2 prefix tokens. "
        "Set model.prefix = 0, or use an operator over all tokens.",
    ),
    (
        operator.spec("frequency_filter"),
        replace(BASE, prefix=2),
        "frequency_filter mixes the 12 x 50 grid and has no place for 2 prefix tokens. "
        "Set model.prefix = 0, or use an operator over all tokens.",
    ),
    (
        operator.spec("frequency_filter"),
        replace(BASE, width=100),
        "operator.frequency_filter.blocks is 8, which does not divide a width of 100. Use a divisor, such as 5.",
    ),
    (
        operator.spec("state_space"),
        replace(BASE, prefix=2),
        "state_space mixes the 12 x 50 grid and has no place for 2 prefix tokens. "
        "Set model.prefix = 0, or use an operator over all tokens.",
    ),
    (
        operator.spec("active_token"),
        replace(BASE, width=15),
        "operator.active_token.share is 4, which does not divide a width of 15. Use a divisor, such as 3.",
    ),
    (
        operator.spec("perspective", axes=()),
        BASE,
        "operator.perspective.axes is []. Name at least one of frequency, time, channel, each once.",
    ),
    (
        operator.spec("perspective", axes=("time", "time")),
        BASE,
        "operator.perspective.axes is ['time', 'time']. Name at least one of frequency, time, channel, each once.",
    ),
    (
        operator.spec("factorized_token", parts=601),
        BASE,
        "operator.factorized_token.parts is 601, and there are 600 tokens. Use 600 or fewer.",
    ),
    (
        operator.spec("factorized_channel", expansion=1.0),
        BASE,
        "operator.factorized_channel.expansion is 1: 768 hidden units are no fewer than the 768 channels. "
        "Use less, or operator.channel.",
    ),
    (
        operator.spec("shift", parts=3),
        BASE,
        "operator.shift.parts is 3, and 4 parts move. Use 4 or more.",
    ),
    (
        operator.spec("shift", groups=(2, 3)),
        BASE,
        "operator.shift.groups is [2, 3], which has no middle. Use odd numbers, such as (3, 3) or (1, 5).",
    ),
    (
        operator.spec("spatial_shift"),
        replace(BASE, width=3),
        "spatial_shift moves quarters of the channels, of which there are 3. Set model.width = 4, or more.",
    ),
    (
        operator.spec("spatial_gate", hidden=7),
        BASE,
        "operator.spatial_gate.hidden is 7, and 7 hidden channels have no half. "
        "Use an even number, such as operator.spatial_gate.hidden = 8.",
    ),
    (
        operator.spec("spatial_gate", expansion=1.0),
        replace(BASE, width=15),
        "operator.spatial_gate.expansion is 1, and 15 hidden channels have no half. "
        "Use an even number, such as operator.spatial_gate.hidden = 16.",
    ),
    (
        operator.spec("token", expansion=0.01),
        replace(BASE, width=16),
        "operator.token.expansion is 0.01, which leaves no hidden unit at a width of 16. Use more.",
    ),
    (
        operator.spec("hermit_frequency", variant="lossless"),
        replace(BASE, width=1),
        "operator.hermit_frequency.variant is 'lossless', which needs 2 values or more, not 1. Use 'paper'.",
    ),
    (
        operator.spec("hermit", around=(operator.spec("attention"),)),
        BASE,
        "operator.attention.head_width is 64, which does not divide a width of 385. Use a divisor, such as 55.",
    ),
    (
        operator.spec("hermit", around=(Spec("head", "linear"),)),
        BASE,
        "linear() is of kind 'head', not 'operator'.",
    ),
]


@pytest.mark.parametrize(("spec", "site", "message"), REFUSALS, ids=lambda value: str(value)[:40])
def test_refusals_say_what_to_do(spec: Spec, site: Site, message: str) -> None:
    with pytest.raises(MixkitError) as caught:
        operator.build(spec, site)
    assert str(caught.value) == message
