"""Posterior of exposures to given signatures: Gibbs sampler, priors, summaries, diagnostics."""
