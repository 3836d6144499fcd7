"""Signatures and exposures drawn together, and the intervals of both."""
