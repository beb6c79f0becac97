"""Networks built from recipes: stem, stages of blocks, pool, head, and their cost."""

from mixkit.model import broadcast as broadcast  # each of these registers its own
from mixkit.model import downsample as downsample
from mixkit.model import heads as heads
from mixkit.model import pool as pool
from mixkit.model import stem as stem
