"""Weights of other networks that training can start from. Importing this registers them all.

The registry itself, `weights`, is here for plugins: in `mixkit` its name is that of this room.
"""

from mixkit.registry import weights
from mixkit.weights.network import network
from mixkit.weights.run import run
from mixkit.weights.start import Start
from mixkit.weights.timm import timm
from mixkit.weights.vit import ast, deit

__all__ = ["Start", "ast", "deit", "network", "run", "timm", "weights"]
