"""Peak memory of training, each form in a process of its own so that none inherits what another has freed."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import torch

from mixkit.bench.timed_network import TimedNetwork, Variant
from mixkit.recipe.schema import Recipe
from mixkit.training.memory import held, keep_freed, peak

STEPS = 2
"""The optimizer takes its memory in the first."""


def peak_memory(recipe: Recipe, variant: Variant, size: int, device: str, plugins: tuple[str, ...] = ()) -> int:
    """Bytes that two steps of training add, at their highest, to what a process with torch loaded holds.

    Weights, gradients, moments and activations; on a GPU what torch has allocated.
    """
    os.environ["PYTHONSAFEPATH"] = "1"  # as -P: a pickle.py in the working folder is not for the new process to import
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as child:
        return child.submit(_measure, recipe, variant, size, device, plugins, torch.get_num_threads()).result()


def _measure(recipe: Recipe, variant: Variant, size: int, device: str, plugins: tuple[str, ...], threads: int) -> int:
    from mixkit.plugins.load import load_plugins

    load_plugins(plugins)
    torch.set_num_threads(threads)
    keep_freed()
    place = torch.device(device)
    _warm_up()
    before = 0 if place.type == "cuda" else held()
    network = TimedNetwork(recipe, variant, size, place)
    for _ in range(STEPS):
        network.step()
    return peak(place) if place.type == "cuda" else held("VmHWM") - before


def _warm_up() -> None:
    """Loads the code that a first step loads, so that it does not count."""
    small = torch.nn.Linear(8, 8)
    steps = torch.optim.AdamW(small.parameters(), fused=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = torch.nn.functional.gelu(small(torch.randn(8, 8)))
    out.float().square().mean().backward()
    steps.step()
