"""Signatures and exposures by autoencoders of counts, many of them side by side in one program.

Extraction of S signatures (:func:`vaebench.signatures.autoencoders.fits.trained_signatures`)::

    1. redraws     every sample's counts are redrawn ``augmentation`` times from Multinomial(n, x / n), once for all restarts
                   (training.multinomial_resample)
    2. training    each restart trains an autoencoder, whose decoder is one non-negative matrix, on the redraws, and stops by
                   its loss on the counts themselves; restarts are lanes of one program (training.trained_lanes). The decoder of
                   ``vae_ms`` begins with a KL-NMF of the catalogue (started.started)
    3. signatures  rows of the decoder, scaled to sum to 1; a row of zeros makes the restart a ``DEAD_SIGNATURE``
    4. measures    both errors of the reconstruction, KL divergence per latent, and number of latents in use (fits)

Refit of given signatures (:func:`vaebench.signatures.autoencoders.fits.refit_by_encoder`)::

    1. decoder     the signatures, frozen
    2. training    an encoder for it, on the counts (training.trained_lanes)
    3. exposures   posterior means, scaled to each sample's mutations

Refit as MUSE-XAE does it (:func:`vaebench.signatures.autoencoders.muse.muse_refit`)::

    1. redraws     one redraw of the counts for each of ``refits`` encoders (training.multinomial_resample)
    2. training    each encoder from its own redraw to the counts, the signatures as its frozen decoder
    3. pruning     test the small exposures of each refit one by one (muse.pruned)
    4. consensus   median of the refits where more than half have the signature (muse.consensus)
"""
