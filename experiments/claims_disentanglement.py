"""Rules for the claims of eltager2023 on disentanglement (14 to 17). The docstring of a rule is its criterion."""

from __future__ import annotations

import numpy as np
import pandas as pd
from verdicts import (
    FAILS,
    FEWEST_SEEDS,
    HOLDS,
    SURE,
    UNCLEAR,
    UNTESTED,
    Claim,
    Rows,
    Verdict,
    at_most,
    evidence_name,
    interval,
    mean_range,
    models,
    rho_text,
    together,
)

from vaebench.analysis.settings import usable
from vaebench.analysis.uncertainty import spearman

VARIANT, LATENT = "static/variant", "static/latent"
WSEPIN, SHARE = "metric/wsepin/wsepin", "metric/wsepin/information_share"
RMIG, DISENTANGLED = "metric/rmig/rmig", "metric/correlation/disentangled"
_KNOWN = "features|disentangled"  # a run with all known features, where one is given
FEWEST_FEATURES = 5
"""Known features below which nothing is said about disentanglement; the study had 10."""


def claim_14(rows: Rows) -> Verdict:
    """Mean WSEPIN of every model with 50 latents and more at most 0.01 nats, and below that with 10 (exact estimator)."""
    table, parts, shares = models(rows["disentangled"]), [], []
    for name, group in table.groupby(VARIANT):
        many = usable(group[group[LATENT] >= 50], WSEPIN).to_numpy()
        few = usable(group[group[LATENT] <= 10], WSEPIN).mean()
        value, low, high = mean_range(many)
        if np.isnan(value):
            continue  # a model without a Gaussian posterior has none
        verdict = at_most(low, high, 0.01)
        verdict = UNCLEAR if verdict == HOLDS and not few > value else verdict
        parts.append(Verdict(verdict, f"{name} {interval(value, low, high)}, with 10 latents {few:.3g}"))
        shares.append(usable(group[group[LATENT] >= 50], SHARE).mean())
    if not parts:
        return Verdict(UNCLEAR, "no model has a WSEPIN with 50 latents or more")
    return together([*parts, Verdict(HOLDS, f"I(x; z) / log N there {np.nanmean(shares):.2f}")])


def _features(rows: pd.DataFrame) -> int:
    return int(np.nan_to_num(pd.to_numeric(rows["metric/correlation/factors"], errors="coerce").max()))


def claim_15(rows: Rows) -> Verdict:
    """Largest RMIG below 0.1; at most 2 disentangled features on average in every model and number of latents, and fewer with
    more latents (rho surely negative). Cannot tell with fewer than 5 known features.
    """
    table = models(rows[evidence_name(_KNOWN, rows)])
    features = _features(table)
    if features < FEWEST_FEATURES:
        return Verdict(UNCLEAR, f"{features} known features in this data, the study had 10")
    largest = float(usable(table, RMIG).max())
    counts = usable(table, DISENTANGLED)
    most = float(counts.groupby([table[VARIANT], table[LATENT]]).mean().max())
    found = spearman(table[LATENT].to_numpy(float), counts.to_numpy())
    fewer = FAILS if found.low >= 0 else HOLDS if found.high < 0 else UNCLEAR
    return together(
        [
            Verdict(HOLDS if largest < 0.1 else FAILS, f"largest RMIG {largest:.3f}"),
            Verdict(HOLDS if most <= 2 else FAILS, f"most disentangled features {most:.1f} of {features}"),
            Verdict(fewer, f"latents ~ disentangled: {rho_text(found)}"),
        ]
    )


def claim_16(rows: Rows) -> Verdict:
    """At 20 latents or fewer: mean disentangled features of beta-VAE and IWAE surely above the other models', paired by seed.
    Cannot tell with fewer than 5 known features or 5 seeds.
    """
    table = models(rows[evidence_name(_KNOWN, rows)])
    if _features(table) < FEWEST_FEATURES:
        return Verdict(UNCLEAR, f"{_features(table)} known features in this data, the study had 10")
    small = table[table[LATENT] <= 20]
    two = small[VARIANT].isin(["beta_vae", "iwae"])
    counts = usable(small, DISENTANGLED)
    first, second = (counts[part].groupby(small["traced/seed"][part]).mean() for part in (two, ~two))
    gaps = (first - second).dropna().to_numpy()
    value, low, high = mean_range(gaps)
    text = (
        f"beta-VAE and IWAE {first.mean():.3g}, the others {second.mean():.3g}, difference {interval(value, low, high)}"
    )
    if len(gaps) < FEWEST_SEEDS:
        return Verdict(UNCLEAR, text)
    return Verdict(HOLDS if low > 0 else FAILS if high < 0 else UNCLEAR, text)


def claim_17(rows: Rows) -> Verdict:
    """Of the latents that go with SBS2 or SBS13 at least half go with both, all models together, and more than by chance
    (hypergeometric, p < 0.05). Fails if fewer than a quarter do. All models see the same tumours, so their p values depend
    on each other: twice their mean is a p value whatever the dependence (Vovk and Wang 2020).
    """
    from scipy.stats import hypergeom

    pairs = rows["shared"]
    mine = pairs[((pairs["first"] == "SBS13") & (pairs["second"] == "SBS2"))]
    if mine.empty:
        return Verdict(UNTESTED, "no signature shares in this data")
    both, either = int(mine["both"].sum()), int(mine["either"].sum())
    lines = [mine[name] for name in ("both", "latents", "of_first", "of_second")]
    chances = [hypergeom.sf(found - 1, *sizes) for found, *sizes in zip(*lines, strict=True)]
    p = min(1.0, 2 * float(np.mean(chances)))
    text = f"{both} of {either} latents shared, {mine['expected'].sum():.1f} expected by chance, p = {p:.2g}"
    if either == 0:
        return Verdict(UNCLEAR, text)
    share = both / either
    return Verdict(HOLDS if share >= 0.5 and p < SURE else FAILS if share < 0.25 else UNCLEAR, text)


_RUN = "eltager2023_grid.py --recommended --metrics wsepin,rmig,correlation"
CLAIMS = (
    Claim(14, "WSEPIN falls to zero from 50 latents on.", (f"disentangled:{WSEPIN}",), _RUN, claim_14),
    Claim(
        15,
        "No model disentangles: RMIG below 0.1, few features with one or two latents, fewer with more latents.",
        (f"{_KNOWN}:{RMIG}", f"{_KNOWN}:{DISENTANGLED}"),
        _RUN,
        claim_15,
    ),
    Claim(
        16,
        "With few latents beta-VAE and IWAE disentangle more than the others.",
        (f"{_KNOWN}:{DISENTANGLED}",),
        _RUN,
        claim_16,
    ),
    Claim(17, "SBS2 and SBS13 go with the same latents.", ("shared",), "eltager2023_fig8_correlations.py", claim_17),
)
