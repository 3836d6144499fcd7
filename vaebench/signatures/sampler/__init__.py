"""Posterior of exposures to known signatures, by Gibbs sampling with a spike-and-slab prior.

Model: counts x_t have mean (E S)_t and Poisson, negative binomial or (for rounded means) Gaussian noise. An exposure is 0 with
probability 1 - p_k, else ln e_tk ~ N(m_k, s_k^2). Each cancer type has its own (p, m, s).

:func:`vaebench.signatures.sampler.posterior.sampled` runs, with the constants of
:class:`vaebench.signatures.sampler.options.SamplerOptions`::

    1. noise       choose the likelihood from the scatter of the counts (posterior.noise_and_problem)
    2. prior       for ``learning`` sweeps from the maximum-likelihood exposures, each followed by a step of (p, m, s) towards the
                   prior that fits the draw: stochastic approximation EM (priors.learned_prior)
    3. chains      with that prior fixed, two chains per sample: one from where the prior was learned, one from the maximum
                   likelihood; ``settling`` sweeps each, then ``draws`` / 2 draws (gibbs.run_chain). A sweep (gibbs.swept) is
                   a. every signature k in turn: draw e_tk given the others, from an atom at 0 and a grid (proposals.single)
                   b. as many random pairs of signatures, similar ones more often: draw their shares given the sum of their
                      exposures (proposals.shared)
                   each draw corrected by a Metropolis step
    4. intervals   quantiles of the draws; the upper end is at least that of the exposure given that it is present
                   (posterior.read_off)
    5. checks      split R-hat and effective sample size of every exposure (diagnostics)
"""
