"""Whole networks of other kinds, to compare with. Importing this registers them all."""

from mixkit.networks.cnn import CNN

__all__ = ["CNN"]
