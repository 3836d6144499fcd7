"""Sparse extraction, this library's own method; :mod:`vaebench.signatures.sparse.pipeline` describes the algorithm.

The modules in the order in which the algorithm uses them: ``options`` (all constants and their reasons), ``annealing`` (starts),
``sweeps`` and ``saem`` (draws and fits), ``criterion`` (comparison of fits), ``candidates`` and ``moves`` (add, drop and swap a
signature), ``one_number`` (one number of signatures), ``weights`` and ``weighted`` (evidence of the counts), ``pipeline`` (all
numbers of signatures and the choice), ``ambiguity`` (what counts leave open), ``method`` (the entry of the registry).
"""
