"""Extraction and refitting by autoencoders of counts."""
