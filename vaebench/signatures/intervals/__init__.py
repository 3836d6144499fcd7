"""Intervals of exposures to known signatures, by several methods under one interface.

:func:`vaebench.signatures.refitting.refit` runs::

    1. fit        exposures of maximum likelihood, and the noise of the counts about them (signatures.likelihood)
    2. cohort     counts, signatures, fit, noise, cancer types, level and seed make up a :class:`methods.FittedCohort`
    3. method     ``METHODS[name].compute(cohort)`` returns exposures, both ends and P(present), with the options of the method:
                  spike_slab            draws of the posterior (signatures.sampler)
                  profile_likelihood    roots of the profile likelihood (ends.profile_likelihood)
                  bootstrap             quantiles of refits of resampled counts (ends.bootstrap)
                  bootstrap_basic       the same quantiles mirrored at the estimate
                  posterior_percentile  percentiles of draws of an autoencoder's posterior (ends.posterior_percentile)
                  posterior_released    the same as its study released it
                  conformal             these percentiles, stretched until they cover a simulated cohort (ends.conformal)

A new method is one function ``FittedCohort -> Estimates`` and one line of the registry.
"""
