"""Networks built from recipes: sites, blocks, heads, and their cost."""

from mixkit.model import heads as heads  # registers the heads
