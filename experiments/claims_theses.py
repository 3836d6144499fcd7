"""Rules for the claims of korkic2021 (19 to 23) and kroskinski2021 (24 to 28). The docstring of a rule is its criterion."""

from __future__ import annotations

import numpy as np
import pandas as pd
from kroskinski2021_curves import epochs_until_floor
from scripts import RECONSTRUCTION, factors_of
from verdicts import (
    FAILS,
    HOLDS,
    UNCLEAR,
    Claim,
    Rows,
    Verdict,
    at_least,
    at_most,
    beaten,
    best_among,
    failed,
    interval,
    lower_over_seeds,
    models,
    ordered,
    seed_scores,
    together,
)

from vaebench.analysis.importance import Importance, importance
from vaebench.analysis.settings import LOSS, usable
from vaebench.analysis.uncertainty import spearman, wilson

VARIANT, LATENT, RATE, OPTIMIZER = "static/variant", "static/latent", "traced/learning_rate", "traced/optimizer"
INIT = "traced/init"
FACTORS = [LATENT, RATE, OPTIMIZER]


def _by_model(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(name): group for name, group in models(rows).groupby(VARIANT)}


def _shares(rows: pd.DataFrame) -> dict[str, Importance]:
    """Model -> shares of the ranks of its reconstruction loss; models with fewer than 10 settings that trained are left out."""
    return {
        name: importance(group, RECONSTRUCTION, FACTORS, ranks=True)
        for name, group in _by_model(rows).items()
        if usable(group, RECONSTRUCTION).notna().sum() >= 10
    }


def claim_19(rows: Rows) -> Verdict:
    """By ranks of the reconstruction loss: in most models the optimizer has the largest share of the three, SGD is surely worse
    than both others (all models together), and RMSprop is surely ahead of Adam.
    """
    shares = _shares(rows["korkic"])
    if not shares:
        return Verdict(UNCLEAR, "fewer than 10 settings of each model trained")
    firsts = {}
    for name, found in shares.items():
        main = found.table[found.table["order"] == 1]
        firsts[name] = str(main.loc[main["corrected"].idxmax(), "effect"])
    count = sum(first == OPTIMIZER for first in firsts.values())
    most = HOLDS if count > len(firsts) / 2 else FAILS
    pairs = beaten(
        rows["korkic"],
        factors_of(rows["korkic"], VARIANT),
        OPTIMIZER,
        RECONSTRUCTION,
        higher=False,
        least=0,
        ranks=True,
    )
    known = {level for level, _ in pairs}
    if not {"adam", "rmsprop", "sgd"} <= known:
        return Verdict(UNCLEAR, f"optimizers with a loss: {', '.join(sorted(map(str, known)))}")
    others = ("adam", "rmsprop")
    worst = all(pairs[other, "sgd"][0] for other in others)
    not_worst = any(pairs["sgd", other][0] for other in others)
    ahead = HOLDS if pairs["rmsprop", "adam"][0] else FAILS if pairs["adam", "rmsprop"][0] else UNCLEAR
    gap = pairs["rmsprop", "adam"][1]
    return together(
        [
            Verdict(most, f"optimizer first in {count} of {len(firsts)} models"),
            Verdict(
                HOLDS if worst else FAILS if not_worst else UNCLEAR,
                f"ranks better than SGD by {pairs['adam', 'sgd'][1]:.0f} (Adam)",
            ),
            Verdict(ahead, f"RMSprop better than Adam by {gap:.1f} ranks"),
        ]
    )


def claim_20(rows: Rows) -> Verdict:
    """For Adam and for RMSprop, in every model: the reconstruction loss at the 90th percentile over latents x learning rates is
    at most 1.5 times that at the 10th, and at most 10% of the settings diverge. Fails above 2 times or 25% in a model.
    """
    parts = []
    for name, group in _by_model(rows["korkic"]).items():
        for optimizer in ("adam", "rmsprop"):
            mine = group[group[OPTIMIZER] == optimizer]
            if mine.empty:
                continue
            means = usable(mine, RECONSTRUCTION).groupby([mine[LATENT], mine[RATE]]).mean()
            lost = float(failed(mine, RECONSTRUCTION).mean())
            ratio = float(means.quantile(0.9) / means.quantile(0.1))
            flat = HOLDS if ratio <= 1.5 and lost <= 0.1 else FAILS if ratio > 2 or lost > 0.25 else UNCLEAR
            parts.append(Verdict(flat, f"{name}, {optimizer}: {ratio:.2f} times, {lost:.0%} lost"))
    return together(parts) if parts else Verdict(UNCLEAR, "neither Adam nor RMSprop was run")


def claim_21(rows: Rows) -> Verdict:
    """By ranks of the reconstruction loss: every other rate is surely beaten by 1e-3 or 1e-2; fails if one surely beats both."""
    grid = rows["korkic"]
    pairs = beaten(grid, factors_of(grid, VARIANT), RATE, RECONSTRUCTION, higher=False, least=0, ranks=True)
    named = (1e-3, 1e-2)
    gains = [
        f"{rate:g} by " + " and ".join(f"{pairs[rate, one][1]:+.0f}" for one in named if (rate, one) in pairs)
        for rate in sorted({level for level, _ in pairs} - set(named), key=float)  # type: ignore[arg-type]
    ]
    text = f"ranks better than {' and '.join(f'{one:g}' for one in named)}, paired: {', '.join(gains)}"
    return Verdict(best_among(pairs, named), text)


def claim_22(rows: Rows) -> Verdict:
    """In every model latents and their pairs hold at most 5% of the variance of ranks of the reconstruction loss; over all
    settings, more latents go with more epochs (rho within models and optimizers surely above 0).
    """
    parts = []
    for name, found in _shares(rows["korkic"]).items():
        mine = found.table[found.table["effect"].str.contains(LATENT, regex=False)]
        value, low, high = (float(mine[c].sum()) for c in ("corrected", "low", "high"))
        # ends of single effects, added, are wider than the sum's own interval
        parts.append(Verdict(at_most(low, high, 0.05), f"{name}: share {interval(value, low, high, '.2f')}"))
    grid = models(rows["korkic"])
    epochs = usable(grid, "run/epochs")
    ranks = epochs.groupby([grid[VARIANT], grid[OPTIMIZER], grid[RATE]]).rank(pct=True)
    found = spearman(grid[LATENT].to_numpy(float), ranks.to_numpy())
    more = HOLDS if found.low > 0 else FAILS if found.high <= 0 else UNCLEAR
    return together([*parts, Verdict(more, f"latents ~ epochs: rho = {interval(*found[:3], '.2f')}")])


def claim_23(rows: Rows) -> Verdict:
    """RMSprop at 0.1 surely diverges more often than the rest (Wilson intervals apart); fails if surely less often, or if it
    never does, in 10 or more.
    """
    grid = models(rows["korkic"])
    lost, there = failed(grid), (grid[OPTIMIZER] == "rmsprop") & (grid[RATE] == 0.1)
    if not there.any():
        return Verdict(UNCLEAR, "RMSprop at 0.1 was not run")
    counts = [(int(lost[part].sum()), int(part.sum())) for part in (there, ~there)]
    first, second = (wilson(*count) for count in counts)
    text = f"RMSprop at 0.1: {counts[0][0]} of {counts[0][1]} diverged, elsewhere {counts[1][0]} of {counts[1][1]}"
    none = counts[0][0] == 0 and counts[0][1] >= 10
    return Verdict(HOLDS if first[0] > second[1] else FAILS if none or first[1] < second[0] else UNCLEAR, text)


def _last(rows: pd.DataFrame) -> pd.DataFrame:
    """Validation loss after the last epoch [seeds, initialisations]."""
    return seed_scores(rows, INIT, usable(rows, LOSS))


def _epochs(rows: pd.DataFrame) -> pd.DataFrame:
    """Epochs until the loss is near its floor [seeds, initialisations]."""
    good = rows[rows["status"] == "OK"]
    values = [float(epochs_until_floor(np.asarray(h, float)[1:])) for h in good["history/valid"]]
    return seed_scores(good, INIT, pd.Series(values, index=good.index))


def claim_24(rows: Rows) -> Verdict:
    """VAE, InfoVAE: every other initialisation is surely above U(0,1) in final loss; IWAE, LogCosh: U and N are surely above
    default or Xavier. Over paired seeds; fails if an outsider surely beats all that are named.
    """
    parts = []
    for name, group in _by_model(rows["kroskinski"]).items():
        wide = _last(group)
        best = ("uniform",) if name in ("vae", "info_vae") else ("default", "xavier_normal", "xavier_uniform")
        parts.append(Verdict(best_among(lower_over_seeds(wide), best), f"{name}: {ordered(wide)}"))
    return together(parts)


def claim_25(rows: Rows) -> Verdict:
    """N(0,1) surely needs more epochs to its floor than each other one in VAE, IWAE and LogCosh, and not in InfoVAE."""
    parts = []
    for name, group in _by_model(rows["kroskinski"]).items():
        wide = _epochs(group)
        pairs = lower_over_seeds(wide)
        others = [level for level in wide.columns if level != "normal"]
        if "normal" not in wide.columns or not others:
            parts.append(Verdict(UNCLEAR, f"{name}: no curve of N(0,1)"))
            continue
        last = all(pairs[other, "normal"][0] for other in others)
        not_last = any(pairs["normal", other][0] for other in others)
        verdict = HOLDS if last else FAILS if not_last else UNCLEAR
        if name == "info_vae":
            verdict = {HOLDS: FAILS, FAILS: HOLDS}.get(verdict, UNCLEAR)
        parts.append(Verdict(verdict, f"{name}, epochs: {ordered(wide, '.1f')}"))
    return together(parts)


def claim_26(rows: Rows) -> Verdict:
    """After the last epoch the highest mean loss is at most 10% above the lowest for IWAE, InfoVAE and LogCosh, and more for the
    VAE (interval over seeds of the difference of these two, by the lowest).
    """
    from vaebench.analysis.uncertainty import paired_difference

    parts = []
    for name, group in _by_model(rows["kroskinski"]).items():
        wide = _last(group)
        means = wide.mean()
        both = wide[[means.idxmax(), means.idxmin()]].dropna().to_numpy()
        gap = paired_difference(both[:, 0], both[:, -1])
        size = abs(float(means.min()))
        value, low, high = gap.mean / size, gap.low / size, gap.high / size
        verdict = at_least(low, high, 0.1) if name == "vae" else at_most(low, high, 0.1)
        parts.append(Verdict(verdict, f"{name}: {interval(value, low, high)} above the lowest"))
    return together(parts)


def claim_27(rows: Rows) -> Verdict:
    """VAE: order of the initialisations by mean final loss on z-scores and in [0, 1]: rho at least 0.8; fails at 0.3 or less."""
    one, other = (_last(_by_model(rows[name])["vae"]) for name in ("kroskinski", "kroskinski_zscore"))
    common = one.columns.intersection(other.columns)
    rho = float(one[common].mean().corr(other[common].mean(), method="spearman")) if len(common) > 2 else np.nan
    text = f"rho = {rho:.2f} over {len(common)} initialisations; in [0, 1]: {ordered(one)}; z-scores: {ordered(other)}"
    return Verdict(HOLDS if rho >= 0.8 else FAILS if rho <= 0.3 else UNCLEAR, text)


def claim_28(rows: Rows) -> Verdict:
    """Three hidden layers: U(0,1) surely above every other final loss, its mean at least 1.2 times the next highest, and its
    standard deviation over seeds the largest. Diverged seeds are named; fails if another is surely above U(0,1).
    """
    group = _by_model(rows["kroskinski_deep"])["vae"]
    wide = _last(group)
    lost = int(failed(group[group[INIT] == "uniform"]).sum())
    if "uniform" not in wide.columns or len(wide.columns) < 2:
        return Verdict(UNCLEAR, f"no curve of U(0,1) ({lost} seeds diverged) or of the others")
    pairs, others = lower_over_seeds(wide), [c for c in wide.columns if c != "uniform"]
    above = all(pairs[other, "uniform"][0] for other in others)
    below = any(pairs["uniform", other][0] for other in others)
    times = float(wide["uniform"].mean() / wide[others].mean().max())
    varied = bool(wide["uniform"].std() > wide[others].std().max())
    text = f"{ordered(wide)}; {times:.2f} times the next; standard deviation {'the' if varied else 'not the'} largest"
    verdict = FAILS if below else HOLDS if above and times >= 1.2 and varied else UNCLEAR
    return Verdict(verdict, f"{text}; {lost} seeds of U(0,1) diverged")


_DOTS, _CURVES = "korkic2021_dots.py", "kroskinski2021_curves.py"
_KORKIC = (f"korkic:{RECONSTRUCTION}",)
CLAIMS = (
    Claim(
        19,
        "The optimizer matters most for the reconstruction loss: RMSprop just ahead of Adam, SGD worst.",
        _KORKIC,
        _DOTS,
        claim_19,
    ),
    Claim(20, "With Adam and RMSprop, learning rate and latents hardly matter.", _KORKIC, _DOTS, claim_20),
    Claim(21, "The best learning rate is 0.001, or 0.01.", _KORKIC, _DOTS, claim_21),
    Claim(
        22,
        "Latents hardly change the reconstruction loss, but more of them need more epochs.",
        _KORKIC,
        _DOTS,
        claim_22,
    ),
    Claim(23, "NaNs come with RMSprop at large learning rates.", _KORKIC, _DOTS, claim_23),
    Claim(
        24,
        "U(0,1) gets lowest for VAE and InfoVAE, default and Xavier for IWAE and LogCosh.",
        ("kroskinski",),
        _CURVES,
        claim_24,
    ),
    Claim(25, "N(0,1) converges last, but for InfoVAE.", ("kroskinski:history/valid",), _CURVES, claim_25),
    Claim(26, "After 40 to 50 epochs all initialisations meet, but for the VAE.", ("kroskinski",), _CURVES, claim_26),
    Claim(27, "z-scores in place of [0, 1] change nothing.", ("kroskinski", "kroskinski_zscore"), _CURVES, claim_27),
    Claim(28, "With three hidden layers U(0,1) is far worse and varies most.", ("kroskinski_deep",), _CURVES, claim_28),
)
