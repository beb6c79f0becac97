"""Networks built from recipes."""

from mixkit.model import heads as heads  # registers the heads
