"""The version of mixkit, said once."""

__version__ = "0.1.0"
