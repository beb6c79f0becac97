"""How fast a recipe is on this machine, and against what."""
