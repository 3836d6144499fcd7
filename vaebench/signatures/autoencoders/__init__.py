"""Signatures and exposures by autoencoders of counts, many of them side by side in one program.

Extraction (:func:`vaebench.signatures.autoencoders.fits.trained_signatures`) of S signatures:

1. redraws     every sample's counts are redrawn ``augmentation`` times from Multinomial(n, x / n), once for all restarts
               (training.multinomial_resample)
2. training    each restart trains an autoencoder, whose decoder is one non-negative matrix, on the redraws, and stops by its
               loss on the counts themselves; restarts are lanes of one program (training.trained_lanes)
3. signatures  rows of the decoder, scaled to sum to 1; a row of zeros makes the restart a ``DEAD_SIGNATURE``
4. measures    both errors of the reconstruction, KL divergence per latent, and number of latents in use (fits)

Refit of given signatures (:func:`vaebench.signatures.autoencoders.fits.refit_by_encoder`): the signatures are the decoder and are
frozen, an encoder is trained on the counts, and posterior means are scaled to each sample's mutations.

MUSE-XAE's refit (:func:`vaebench.signatures.autoencoders.muse.muse_refit`): several such encoders, each trained from its own
redraw to the counts; small exposures of each are tested one by one (muse.pruned); the median of those that agree
(muse.consensus).
"""
