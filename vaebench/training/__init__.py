"""Training: points and a data set in, trained lanes out.

In reading order:

1. :mod:`~vaebench.training.lane`: the state of one model in training, and its stopping rules.
2. :mod:`~vaebench.training.engine`: options of the compiled programs, such as the precision of matrix products.
3. :mod:`~vaebench.training.train`: one epoch of one lane as pure functions, compiled for a pool of R lanes.
4. :mod:`~vaebench.training.pool`: fills a pool with points, advances it, takes out finished lanes and refills it.
5. :mod:`~vaebench.training.checkpoint`: running lanes and kept results as safetensors files.
6. :mod:`~vaebench.training.model`: a finished lane as a :class:`~vaebench.training.model.Trained` object; ``vb.fit``.
7. :mod:`~vaebench.training.cost`: number of lanes, memory and time of a run before it starts.

A point becomes a traced setting and a split (``lane_inputs``), then a lane (``start``). The pool trains it (``put``,
``advance``) until its status is no longer running, then embeds all samples (``embed``) and yields a ``Finished``.
"""
