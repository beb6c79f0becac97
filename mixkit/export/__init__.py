"""A trained network as one file that needs no mixkit: waveform in, probabilities out."""

from mixkit.export.package import TOLERANCE, Exported, export

__all__ = ["TOLERANCE", "Exported", "export"]
