"""Rules for the claims of eltager2023, and on PCA (claims 1 to 13 and 18). The docstring of a rule is its criterion."""

from __future__ import annotations

import numpy as np
import pandas as pd
from eltager2023_fig2_losses import equal_loss
from scripts import factors_of
from verdicts import (
    FAILS,
    HOLDS,
    SMALL_ARI,
    SURE,
    UNCLEAR,
    Claim,
    Rows,
    Verdict,
    at_least,
    at_most,
    beaten,
    best_among,
    interval,
    models,
    rho_text,
    together,
    within,
)

from vaebench.analysis.comparisons import (
    best_settings,
    dataset_agreement,
    failures_by_level,
    level_effects,
    mean_interval,
    score_correlation,
)
from vaebench.analysis.importance import cell_table
from vaebench.analysis.settings import AIC, ARI, LOSS, usable
from vaebench.analysis.uncertainty import RankCorrelation

VARIANT, LATENT, RATE = "static/variant", "static/latent", "traced/learning_rate"
CLASSES = {"pancan_eb": 33, "gtex": 26, "metagsca": 11, "simulated": 6, "simulated_b": 6}


def _rho(rows: pd.DataFrame, first: str, second: str) -> RankCorrelation:
    line = score_correlation(rows, first, second, factors_of(rows, VARIANT)).iloc[0]
    return RankCorrelation(float(line["rho"]), float(line["low"]), float(line["high"]), int(line["n"]))


def _vae(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows[VARIANT] == "vae"]


def claim_1(rows: Rows) -> Verdict:
    """VAE: |rho| within 0.3 and 0.7, low losses with high ARI; and two trainings of equal loss (2%) at least 0.3 ARI apart."""
    found = _rho(_vae(rows["grid"]), LOSS, ARI)
    pairs = equal_loss(_vae(rows["grid"]))
    span = float(pairs["ari_span"].iloc[0]) if len(pairs) else np.nan
    apart = UNCLEAR if np.isnan(span) else HOLDS if span >= 0.3 else FAILS
    correlated = Verdict(within(-found.high, -found.low, 0.3, 0.7), f"loss ~ ARI of the VAE: {rho_text(found)}")
    return together([correlated, Verdict(apart, f"largest ARI difference at equal loss {span:.2f}")])


def claim_2(rows: Rows) -> Verdict:
    """VAE: rho of validation loss and AIC within 0.3 and 0.7."""
    found = _rho(_vae(rows["grid"]), LOSS, AIC)
    return Verdict(within(found.low, found.high, 0.3, 0.7), f"loss ~ AIC of the VAE: {rho_text(found)}")


def claim_3(rows: Rows) -> Verdict:
    """rho of ARI and AIC over all settings of all models at most -0.6."""
    found = _rho(rows["grid"], ARI, AIC)
    return Verdict(at_most(found.low, found.high, -0.6), f"ARI ~ AIC: {rho_text(found)}")


def claim_4(rows: Rows) -> Verdict:
    """Best settings of any two models within 0.1 ARI and 10 AIC.

    By seeds that did not choose them; with one seed, by the mean of the best 5% of settings, with their intervals.
    """
    parts = []
    for score, higher, limit in ((ARI, True, 0.1), (AIC, False, 10.0)):
        if score not in rows["grid"]:
            continue
        table = best_settings(rows["grid"], score, factors_of(rows["grid"], VARIANT), higher_is_better=higher)
        honest = bool(table["low"].notna().all())
        value, low, high = ("honest", "low", "high") if honest else ("top", "top_low", "top_high")
        # the largest difference between two models lies between these
        least, most = table[low].max() - table[high].min(), table[high].max() - table[low].min()
        if len(table) < 2:
            parts.append(Verdict(UNCLEAR, f"{len(table)} model has an {score.rpartition('/')[2].upper()}"))
            continue
        order = table.sort_values(value, ascending=not higher)
        named = ", ".join(f"{m} {v:.4g}" for m, v in zip(order[VARIANT], order[value], strict=True))
        how = "scored by other seeds" if honest else "mean of the best 5% of settings"
        parts.append(Verdict(at_most(least, most, limit), f"{score.rpartition('/')[2].upper()}, {how}: {named}"))
    return together(parts)


def claim_5(rows: Rows) -> Verdict:
    """Mean ARI, paired over settings: beta-TCVAE and DIP-VAE each surely beat all others; fails if another surely beats one."""
    pairs = beaten(rows["grid"], factors_of(rows["grid"], VARIANT), VARIANT)
    two = [name for name in ("beta_tc_vae", "dip_vae") if any(name == level for level, _ in pairs)]
    others = sorted({str(level) for level, _ in pairs} - set(two))
    if len(two) < 2 or not others:
        return Verdict(UNCLEAR, f"models with an ARI: {', '.join([*two, *others])}")
    ahead = all(pairs[one, other][0] for one in two for other in others)
    behind = [f"{other} ahead of {one}" for one in two for other in others if pairs[other, one][0]]
    gaps = ", ".join(f"{one} - {other} {pairs[one, other][1]:+.3f}" for one in two for other in others)
    return Verdict(HOLDS if ahead else FAILS if behind else UNCLEAR, f"mean ARI differences: {gaps}")


def claim_6(rows: Rows) -> Verdict:
    """CAT-VAE never fails, and the failure rates of beta-TCVAE and DIP-VAE surely exceed all others' (Wilson intervals apart).

    Fails if CAT-VAE fails at all, or another model surely fails more often than one of both.
    """
    table = failures_by_level(rows["grid"], [VARIANT]).set_index("level")
    text = ", ".join(f"{name} {line['failed']}/{line['of']}" for name, line in table.iterrows())
    two = ["beta_tc_vae", "dip_vae"]
    if not {*two, "categorical_vae"} <= set(table.index):
        return Verdict(UNCLEAR, f"failed: {text}")
    others = table.drop(index=two)
    never = table.loc["categorical_vae", "failed"] == 0
    wrong = not never or any((others["low"] > table.loc[one, "high"]).any() for one in two)
    right = all((table.loc[one, "low"] > others["high"]).all() for one in two)
    return Verdict(FAILS if wrong else HOLDS if right else UNCLEAR, f"failed: {text}")


def claim_7(rows: Rows) -> Verdict:
    """The failure rate at the largest learning rate is surely above the smallest's, no rate surely fails less than a smaller one
    (Wilson intervals), and the likelihood ratio of the learning rate is the largest, and sure. Fails if another's is, or if the
    smallest rate surely fails more than the largest.
    """
    grid = rows["grid"]
    table = failures_by_level(grid, factors_of(grid, VARIANT))
    mine = table[table["hyperparameter"] == RATE].sort_values("level")
    ratios = table.groupby("hyperparameter")["g2"].first().dropna()
    text = ", ".join(f"{line['level']:g}: {line['rate']:.1%}" for line in mine.to_dict("records"))
    if ratios.empty or len(mine) < 2 or mine["failed"].sum() == 0:
        return Verdict(UNCLEAR, f"failures by learning rate: {text}")
    first = str(ratios.idxmax())
    ends = list(zip(mine["low"], mine["high"], strict=True))
    rises = not any(low > later for i, (low, _) in enumerate(ends) for _, later in ends[i + 1 :])
    apart = mine["low"].iloc[-1] > mine["high"].iloc[0]
    sure = table.loc[table["hyperparameter"] == first, "adjusted"].iloc[0] < SURE
    good = rises and apart and first == RATE and sure
    wrong = sure and (first != RATE or mine["low"].iloc[0] > mine["high"].iloc[-1])
    return Verdict(HOLDS if good else FAILS if wrong else UNCLEAR, f"by learning rate: {text}; largest ratio: {first}")


def claim_8(rows: Rows) -> Verdict:
    """Mean ARI of latents below the number of classes minus the others', paired: surely negative; and 50 or 100 is best."""
    grid = rows["grid"]
    classes = CLASSES.get(str(grid["data/name"].iloc[0]), 0)
    wide = cell_table(grid, ARI, factors_of(grid, LATENT, VARIANT)).mean(axis=1).unstack(LATENT)
    assert isinstance(wide, pd.DataFrame)
    few = [n for n in wide.columns if int(n) < classes]
    if not few or len(few) == len(wide.columns):
        return Verdict(UNCLEAR, f"no latents on both sides of {classes} classes")
    gap = (wide[few].mean(axis=1) - wide.drop(columns=few).mean(axis=1)).dropna().to_numpy()
    low, high = mean_interval(gap)
    worse = Verdict(at_most(low, high, 0.0), f"below {classes} classes: ARI {interval(gap.mean(), low, high)}")
    best = best_among(beaten(grid, factors_of(grid, LATENT, VARIANT), LATENT), (50, 100))
    means = ", ".join(f"{n:g}: {v:.3f}" for n, v in wide.mean().items())
    return together([worse, Verdict(best, f"mean ARI by latents {means}")])


def _best_levels(grid: pd.DataFrame, factor: str, expected: tuple[object, ...]) -> Verdict:
    pairs = beaten(grid, factors_of(grid, VARIANT, factor), factor)
    values = usable(models(grid), ARI).groupby(models(grid)[factor]).mean()
    return Verdict(best_among(pairs, expected), "mean ARI " + ", ".join(f"{k}: {v:.3f}" for k, v in values.items()))


def claim_9(rows: Rows) -> Verdict:
    """Every other learning rate is surely beaten (by 0.01 ARI, paired) by 1e-3 or 1e-4; fails if one surely beats both."""
    return _best_levels(rows["grid"], RATE, (1e-3, 1e-4))


def claim_10(rows: Rows) -> Verdict:
    """Every other initialisation surely beats U(0,1), and mean differences among the others are at most 0.03 ARI."""
    pairs = beaten(rows["grid"], factors_of(rows["grid"], VARIANT, "traced/init"), "traced/init")
    others = sorted({str(level) for level, _ in pairs} - {"uniform"})
    if len(others) < 2 or not any(level == "uniform" for level, _ in pairs):
        return Verdict(UNCLEAR, f"initialisations with an ARI: {', '.join(others)}")
    worst = all(pairs[one, "uniform"][0] for one in others)
    not_worst = any(pairs["uniform", one][0] for one in others)
    spread = max(abs(pairs[one, other][1]) for one in others for other in others if one != other)
    uniform = HOLDS if worst else FAILS if not_worst else UNCLEAR
    gaps = ", ".join(f"{one} {pairs[one, 'uniform'][1]:+.3f}" for one in others)
    alike = Verdict(HOLDS if spread <= 0.03 else FAILS, f"largest difference among the others {spread:.3f}")
    return together([Verdict(uniform, f"ARI above U(0,1): {gaps}"), alike])


def claim_11(rows: Rows) -> Verdict:
    """TCGA: Adam no more than 0.01 ARI behind RMSprop, and SGD surely beaten by Adam; GTEx: SGD no more than 0.01 behind Adam."""
    parts = []
    for name, one, other, expected in (
        ("grid", "adam", "rmsprop", "not behind"),
        ("grid", "sgd", "adam", "behind"),
        ("grid_gtex", "sgd", "adam", "not behind"),
    ):
        table = level_effects(
            rows[name],
            ARI,
            factors_of(rows[name], VARIANT, "traced/optimizer"),
            higher_is_better=True,
            compared=["traced/optimizer"],
            pairs=True,
        )
        line = table[(table["level"] == one) & (table["against"] == other)]
        if line.empty:
            parts.append(Verdict(UNCLEAR, f"{name}: {one} or {other} has no ARI"))
            continue
        value, low, high = (float(line[c].iloc[0]) for c in ("difference", "low", "high"))
        verdict = at_least(low, high, -SMALL_ARI) if expected == "not behind" else at_most(low, high, -SMALL_ARI)
        parts.append(
            Verdict(verdict, f"{rows[name]['data/name'].iloc[0]}: {one} - {other} {interval(value, low, high)}")
        )
    return together(parts)


def claim_12(rows: Rows) -> Verdict:
    """Mean paired ARI difference tanh - ReLU surely above 0 and at most 0.05; best 5% of settings within 0.02 of each other."""
    grid, name = rows["grid"], "traced/activation"
    factors = factors_of(grid, VARIANT, name)
    table = level_effects(grid, ARI, factors, higher_is_better=True, compared=[name], pairs=True)
    line = table[(table["level"] == "tanh") & (table["against"] == "relu")]
    top = best_settings(grid, ARI, factors, by=name, higher_is_better=True).set_index(name)["top"]
    if line.empty:
        return Verdict(UNCLEAR, "one activation only")
    value, low, high = (float(line[c].iloc[0]) for c in ("difference", "low", "high"))
    gap = float(top["tanh"]) - float(top["relu"])
    ahead = FAILS if high <= 0 or low > 0.05 else HOLDS if low > 0 and high <= 0.05 else UNCLEAR
    equal = Verdict(HOLDS if abs(gap) <= 0.02 else FAILS, f"best 5%: {gap:+.3f}")
    return together([Verdict(ahead, f"tanh - relu {interval(value, low, high)}"), equal])


def claim_13(rows: Rows) -> Verdict:
    """Spearman's rho of ARI over the settings of both data sets at least 0.5."""
    table = dataset_agreement(rows["grid"], rows["grid_gtex"], ARI, factors_of(rows["grid"], VARIANT))
    found = RankCorrelation(*table.iloc[0][["rho", "low", "high", "n"]])
    return Verdict(at_least(found.low, found.high, 0.5), rho_text(found._replace(n=int(found.n))))


def claim_18(rows: Rows) -> Verdict:
    """The recommended VAE (1e-3, Kaiming uniform, Adam, tanh) against PCA of the same size: holds if better at every size (by
    0.01 ARI, 2 AIC), fails if worse or equal at every size. The best of the whole grid is given too, chosen among many.
    """
    grid, parts = rows["grid"], []
    chosen = models(grid)
    recommended = chosen[
        (chosen[VARIANT] == "vae")
        & (chosen[RATE] == 1e-3)
        & (chosen["traced/init"] == "kaiming_uniform")
        & (chosen["traced/optimizer"] == "adam")
        & (chosen["traced/activation"] == "tanh")
    ]
    for score, sign, least in ((ARI, 1, SMALL_ARI), (AIC, -1, 2.0)):
        if score not in grid:
            continue
        pca = usable(grid[grid[VARIANT] == "pca"], score).groupby(grid[LATENT]).mean()
        mine = usable(recommended, score).groupby(recommended[LATENT]).mean()
        best = (sign * usable(chosen, score)).groupby(chosen[LATENT]).max() * sign
        gaps = (sign * (mine - pca)).dropna()
        text = ", ".join(f"{n:g} latents {mine[n]:.4g} / {pca[n]:.4g} / {best[n]:.4g}" for n in gaps.index)
        verdict = (
            UNCLEAR if gaps.empty else HOLDS if (gaps >= least).all() else FAILS if (gaps < least).all() else UNCLEAR
        )
        parts.append(Verdict(verdict, f"{score.rpartition('/')[2].upper()} of VAE / PCA / best of all: {text}"))
    return together(parts)


_GRID = "eltager2023_grid.py"
CLAIMS = (
    Claim(
        1,
        "Loss and ARI correlate at about 0.5, and equal losses can have very different ARI.",
        ("grid",),
        _GRID,
        claim_1,
    ),
    Claim(2, "Loss and Cox AIC correlate at about 0.5.", (f"grid:{AIC}",), _GRID, claim_2),
    Claim(3, "ARI and AIC agree strongly, at about -0.8.", (f"grid:{AIC}",), _GRID, claim_3),
    Claim(4, "At their best settings all models reach similar ARI and AIC.", ("grid",), _GRID, claim_4),
    Claim(5, "On average over settings beta-TCVAE and DIP-VAE are best.", ("grid",), _GRID, claim_5),
    Claim(6, "beta-TCVAE and DIP-VAE diverge most often, CAT-VAE never.", ("grid",), _GRID, claim_6),
    Claim(7, "Small learning rates fail less; the learning rate is the main cause.", ("grid",), _GRID, claim_7),
    Claim(8, "Fewer latents than classes cluster worse; 50 to 100 is best.", ("grid",), _GRID, claim_8),
    Claim(9, "Learning rates of 1e-3 and 1e-4 are best.", ("grid",), _GRID, claim_9),
    Claim(10, "U(0,1) is the worst initialisation, the others are alike.", ("grid",), _GRID, claim_10),
    Claim(
        11, "Adam is no worse than RMSprop; SGD is worse on TCGA, not on GTEx.", ("grid", "grid_gtex"), _GRID, claim_11
    ),
    Claim(12, "tanh is slightly ahead of ReLU on average and equal at the top.", ("grid",), _GRID, claim_12),
    Claim(13, "Settings rank alike on TCGA and GTEx, at about 0.7.", ("grid", "grid_gtex"), _GRID, claim_13),
    Claim(18, "A VAE's latents beat PCA of the same size in ARI and AIC.", ("grid",), _GRID, claim_18),
)
