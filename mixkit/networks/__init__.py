"""Whole networks of other kinds, to compare with. Importing this registers them all."""

from mixkit.networks.cnn import CNN
from mixkit.networks.eat import EAT
from mixkit.networks.erann import ERANN
from mixkit.networks.timm import Timm

__all__ = ["CNN", "EAT", "ERANN", "Timm"]
