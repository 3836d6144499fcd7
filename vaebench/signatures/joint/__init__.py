"""Joint posterior of signatures and exposures, so that intervals of exposures carry the uncertainty of the signatures.

Model: x_tc ~ Poisson((E S)_tc), its log likelihood divided by the dispersion. e_tk = 0 with probability 1 - p_gk, else
ln e_tk ~ N(m_gk, s_gk^2), g being the class of tumour t. (p, m, s) have conjugate priors about common values (p0, m0, s0), which
are those of the fit: p ~ Beta(A p0, A (1 - p0)), s^2 ~ scaled inverse chi-squared (N, s0^2), m ~ N(m0, s^2 / B). S_k is
logistic normal: its density on the simplex is prod_c S_kc^-1 w_k^-(C - 1) exp(-sum_c (ln S_kc - mean ln S_k)^2 / (2 w_k^2)),
with w_k^2 ~ scaled inverse chi-squared. The product is multiplied by det(S S')^-r.

:func:`vaebench.signatures.joint.intervals.de_novo_intervals` runs, with the constants of
:class:`vaebench.signatures.joint.options.JointOptions`::

    1. start       take out of every peaked signature the largest share of another that the data leave possible
                   (start.remove_shared_part), and fit sparse exposures
    2. chain       ``settling`` sweeps that fit the step sizes, then ``draws`` draws, one in ``every`` sweeps (chain.joint_chain).
                   A sweep has five steps, each of which leaves the posterior unchanged:
                   a. w given the signatures (moves.drawn_spreads)
                   b. shears of random pairs of signatures, with (p, m, s) summed out (moves.shear_pair)
                   c. (p, m, s) given the exposures (moves.drawn_prior)
                   d. exposures given the rest: one sweep of the exposure sampler (sampler.gibbs.swept)
                   e. signatures one by one, all channels side by side (moves.row_moved)
    3. intervals   quantiles of the draws (sampler.summary.read_off)
    4. widening    simulate cohorts from one draw each, repeat 2 and 3 on them from the same start, and widen all intervals by the
                   smallest factor with which the simulated ones reach the nominal coverage (intervals.calibrated)
    5. checks      correlations of the exposures within classes, R-hat and effective sample size, notes

Step 2b: a shear transformation adds a multiple of one row to another, here S_j + a S_k, while the exposures of k decrease by a
times those of j, so that the mean E S stays. The data hardly constrain this direction, in which single moves get nowhere.
F are the entries of S_k that S_j would feel (0 where tau_jk S_kc is below half a conditional standard deviation of S_jc: entries
of nearly 0 would only forbid the move), f their sum, t ~ N(0, (tau_jk f)^2), a = (e^t - 1) / f. S_j <- e^-t (S_j + a F). Where
e_k > 0, e_j <- e^t e_j and e_k <- e_k - a e_j, so that the mean changes only by a e_j (S_k - F); elsewhere exposures stay. The
reverse move has -t. Moves that make anything negative are refused; others are accepted with log probability

    ln L'/L + sum_g -(N + n_g)/2 ln(Q'_g / Q_g), for j and for k, - sum_t ln(e'_k / e_k) + ln p(S'_j | w_j) / p(S_j | w_j)
    - r ln det(S'S'') / det(S S') - (C - 1) t,

Q_g being the scaled sum of squares of ln e of class g and n_g its number of terms. The last term is the Jacobian on the simplex
(a linear map of determinant e^t, then a projection by e^-t in C dimensions). The Jacobian of the exposures, e^t a row, cancels
against the density of a log-normal scaled by e^t. With F = S_k the terms in r and t cancel at r = (C - 1) / 2.

Step 2e: S_k is the direction of B_k with ln B_kc ~ N(u, w_k^2), u drawn about mean ln S_k; e_k / sum B_k and m_k - ln sum B_k
stay while B moves. Given these, channels are independent: each takes a random walk reflected at 0 or, near 0, a walk in its
logarithm. The whole row is then accepted by the change of -r ln det(S S') and of the prior of m, which the channels share.

Reasons. Logistic normal: the entries of published signatures spread like it, with w about 0.9 for flat signatures and 2.5 for
peaked ones. Dirichlet densities of shape below 1 pull signatures into the corners of what the data allow; w is learned instead.
Repulsion r = (C - 1) / 2 makes the prior indifferent to mixing (:func:`vaebench.signatures.joint.chain.indifferent`): the choice
between S_j and S_j + a S_k then comes from exposures of 0, from the distribution of the exposures in each class and from S >= 0.
At r = 0 the volume of the simplex alone would push signatures apart 95 times as hard. Source: the invariant measure of the mixing
matrices, det(B B')^(-C / 2) for B = diag(scales) S. This prior is improper where two signatures coincide: there det(S S') is 0,
and only the data keep them apart.

All arrays are float32, for the counts are noisier. Signatures keep the order of the start: to swap, they would have to pass
through each other.
"""
