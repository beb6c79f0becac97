"""Data sets: where they come from, fetched and unpacked whole or not at all, and looked over before training."""
