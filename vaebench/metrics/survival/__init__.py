"""What the Cox metrics share: cohort, risk sets, solver, concordance."""
