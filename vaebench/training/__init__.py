"""Points and data in, trained lanes out; no files but checkpoints and kept models."""
