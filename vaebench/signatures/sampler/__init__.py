"""Posterior of exposures to known signatures, by Gibbs sampling with a spike-and-slab prior.

Model: counts x_t have mean (E S)_t and the noise that :mod:`vaebench.signatures.sampler.gibbs` lists. An exposure is 0 with
probability 1 - p_k, else ln e_tk ~ N(m_k + l_k b_t, s_k^2). Each cancer type has its own (p, m, s), each sample a burden b_t, for
a tumour of many mutations has more of most signatures; l_k is 1 for those that grow as the mutations do. Those of one process
share a burden of their own (:mod:`vaebench.signatures.sampler.burdens`), and m_k and s_k are others where another flat signature
is present (:mod:`vaebench.signatures.sampler.versions`). Few samples that may be of several types are drawn with the prior of
each (:mod:`vaebench.signatures.sampler.mixture`).

:func:`vaebench.signatures.sampler.posterior.sampled` runs, with the constants of
:class:`vaebench.signatures.sampler.options.SamplerOptions`::

    1. noise       choose the likelihood from the scatter of the counts (posterior.noise_and_problem)
    2. ground      what is believed of (p, m, s) before the counts: the same of every signature (grounds.weak_ground), or what was
                   published of it (signatures.published)
    3. chains      two or more per sample, from the maximum likelihood; ``learning`` sweeps, warm at first, with a divided log
                   likelihood (``warm``), then ``draws`` in all (chains.chain_run). A sweep is
                   a. the prior (p, m, s) of each signature and cancer type, drawn given all exposures of the chain
                      (priors.drawn_prior): a few samples or a few mutations leave it uncertain, and so the intervals;
                      then the burden of each sample (burdens.drawn_burdens)
                      and, where signatures occur together, tumours without counts, which show what P(present) asks of the
                      log odds (autologistic.followed)
                   b. the signatures in turn, those surely absent from a sample in every 16th sweep only (visits.timetable):
                      draw e_tk given the others, from an atom at 0 and a grid (proposals.single)
                   c. after each, one pair of signatures, similar ones more often: draw their shares given the sum of their
                      exposures (proposals.shared); each draw of b and c corrected by a Metropolis step (visits.visited)
    4. checks      split R-hat and effective sample size of every exposure (diagnostics); until the worst hundredth of those
                   with P(present) above ``judged`` is good, as many sweeps again of the samples that are not (mixing), of whom
                   every second draw is kept, up to ``longest`` times as many
    5. factors     where signatures were adapted to the cohort, each draw moves as a draw of the factors' errors has it
                   (shared_factors)
    6. intervals   quantiles of the draws; the upper end is at least that of the exposure given that it is present
                   (summary.read_off), and what the counts allow where it is likely absent (limits.upper_limits)
    7. sums        intervals of the sums of signatures that the counts of a sample cannot tell apart (sums.inseparable)
"""
