"""Building blocks of models: networks, losses, initialisation, optimizers."""
