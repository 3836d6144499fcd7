"""Parts that the Cox metrics share: cohort, risk sets, solvers, concordance, test of proportional hazards."""
