"""Intervals of exposures: the registry of methods, and how each finds its ends."""
