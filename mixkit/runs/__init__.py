"""The run folder: where a run is, what it came to, and on what machine."""
