"""Mutation catalogues: their channels, files and simulation."""
