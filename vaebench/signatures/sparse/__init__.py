"""Sparse extraction, this library's own method; :mod:`vaebench.signatures.sparse.pipeline` describes the algorithm.

The modules in the order in which the algorithm uses them: ``options`` (all constants and their reasons), ``annealing`` (starts),
``saem`` (fits), ``criterion`` (comparison of fits), ``moves`` (add, drop and swap a signature), ``pipeline`` (all numbers of
signatures and the choice), ``ambiguity`` (what counts leave open), ``method`` (the entry of the registry).
"""
