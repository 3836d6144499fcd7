"""Networks, losses, initial weights and optimizers, from which the variants are built.

In reading order:

1. :mod:`~vaebench.nn.losses`: loss terms, one pure function each, with equation and source.
2. :mod:`~vaebench.nn.layers`, :mod:`~vaebench.nn.priors` and :mod:`~vaebench.nn.residuals`: hidden layers, learned priors, the
   learned covariance of errors.
3. :mod:`~vaebench.nn.initialisation`: initial weights of a network, by a traced choice of scheme.
4. :mod:`~vaebench.nn.network` and :mod:`~vaebench.nn.autoencoder`: network and :class:`~vaebench.types.Model` of a VAE on
   expression data. Its loss encodes x, draws z from q(z|x), decodes it and calls the variant's objective.
5. :mod:`~vaebench.nn.count_autoencoder`: the same for mutation counts, with a non-negative linear decoder.
6. :mod:`~vaebench.nn.optimizers`: gradients in, updates out, as optax transformations.
"""
