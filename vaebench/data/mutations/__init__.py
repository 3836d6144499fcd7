"""Mutation catalogues: channels, tables, simulation."""
