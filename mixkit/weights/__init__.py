"""Weights of other networks that training can start from. Importing this registers them all."""

from mixkit.weights.run import run
from mixkit.weights.start import Start
from mixkit.weights.vit import ast, deit

__all__ = ["Start", "ast", "deit", "run"]
