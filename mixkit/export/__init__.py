"""A trained network as one file that needs no mixkit: waveform in, probabilities out; `mixkit.export(...)`."""

from mixkit.export.package import TOLERANCE, Exported, export
from mixkit.rooms import also_a_function

also_a_function(__name__, "mixkit.export.of_run")

__all__ = ["TOLERANCE", "Exported", "export"]
