"""This library's own extraction method; :mod:`vaebench.signatures.sparse.pipeline` is its first page."""
