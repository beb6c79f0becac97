"""A loop of torchaudio's kaldi.fbank, clip by clip, against mixkit's features of a batch: the same log-mel.

python benchmarks/features.py
"""

from collections.abc import Mapping

import torch
from comparing import against, arguments, place, report
from torch import Tensor
from torchaudio.compliance import kaldi

from mixkit.audio.features import LogMel
from mixkit.bench.timing import Stopwatch

RATE = 16_000


def fbank(waveform: Tensor) -> Tensor:
    """As AST calls it."""
    return kaldi.fbank(
        waveform[None],
        htk_compat=True,
        sample_frequency=RATE,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=128,
        dither=0.0,
        frame_shift=10,
    ).T


def main() -> None:
    """Measures and prints a table."""
    parser = arguments(__doc__, rounds=9, batch=32)
    parser.add_argument("--seconds", type=float, nargs="*", default=[1.0, 5.0], help="of a clip")
    chosen = parser.parse_args()
    device = place(chosen)
    rows = []
    for seconds in chosen.seconds:
        waveform = 0.1 * torch.randn(chosen.batch, int(seconds * RATE), device=device)
        features = LogMel(RATE, seconds).to(device)
        loop = torch.stack([fbank(one) for one in waveform])
        apart = float((features.values(features.power(waveform)) - loop).abs().max())
        assert apart < 1e-2, f"the features differ by {apart}"

        def looped(waveform: Tensor = waveform) -> Mapping[str, float]:
            watch = Stopwatch(device)
            with watch.phase("step"):
                torch.stack([fbank(one) for one in waveform])
            return watch.read()

        def batched(waveform: Tensor = waveform, features: LogMel = features) -> Mapping[str, float]:
            watch = Stopwatch(device)
            with watch.phase("step"), torch.no_grad():
                features.values(features.power(waveform))
            return watch.read()

        measure = f"features of {chosen.batch} clips of {seconds:g} s: kaldi.fbank loop / mixkit (within {apart:.0e})"
        rows.append(against(measure, looped, batched, chosen.rounds, 10.0))
    report(rows, device, chosen.json)


if __name__ == "__main__":
    main()
