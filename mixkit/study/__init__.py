"""Ablations and comparisons: a study file to arms, arms to runs, here or on a cluster."""
