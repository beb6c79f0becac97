"""Weights and training state on disk, inspected before they are opened and compared before use."""
