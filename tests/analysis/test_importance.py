from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from rows_factory import AXES, NAMES, SCORE, grid

from vaebench.analysis.importance import cell_table, hyperparameters, importance
from vaebench.errors import InputError


def shares(found):
    return found.table.set_index("effect")["share"].to_dict()


def by_loops(values):
    """Shares of main effects and pairs of a complete array, from marginal means, as the definition says."""
    grand, variances, main = values.mean(), {}, {}
    for i in range(values.ndim):
        others = tuple(a for a in range(values.ndim) if a != i)
        main[i] = values.mean(axis=others) - grand
        variances[(i,)] = (main[i] ** 2).mean()
    for i, j in itertools.combinations(range(values.ndim), 2):
        others = tuple(a for a in range(values.ndim) if a not in (i, j))
        pair = values.mean(axis=others) - grand - main[i][:, None] - main[j][None]
        variances[i, j] = (pair**2).mean()
    return {effect: v / values.var() for effect, v in variances.items()}


def test_shares_of_a_known_function_are_its_closed_form():
    # f = a_i + b_j + c_i d_k with sums 0: variances 2/3 * 4, 5/4, and 2/3 * 9
    a, b, d = (-2.0, 0.0, 2.0), (-1.5, -0.5, 0.5, 1.5), (-1.0, 1.0)
    latents, rates, optimizers = AXES.values()

    def f(levels, seed):
        i, j, k = latents.index(levels[0]), rates.index(levels[1]), optimizers.index(levels[2])
        return a[i] + b[j] + 1.5 * a[i] * d[k]

    found = importance(grid(f), SCORE, NAMES)
    parts = {"static/latent": 8 / 3, "traced/learning_rate": 1.25, "static/latent x traced/optimizer": 6.0}
    total = sum(parts.values())
    for effect, share in shares(found).items():
        assert share == pytest.approx(parts.get(effect, 0.0) / total, abs=1e-12)
    assert found.rest == pytest.approx(0, abs=1e-12)
    assert (found.cells, found.missing, found.aliased, found.resampled, found.seeds) == (24, 0, 0, "cells", 1)
    # two hyperparameters and one seed: as many effects as cells
    assert (
        importance(grid(f, axes={n: AXES[n] for n in NAMES[:2]} | {NAMES[2]: ("sgd",)}), SCORE, NAMES)
        .table["low"]
        .isna()
        .all()
    )


def test_complete_grids_agree_with_marginal_means():
    values = np.random.default_rng(0).normal(size=(3, 4, 2)) ** 3
    lookup = dict(zip(itertools.product(*AXES.values()), values.ravel(), strict=True))
    found = shares(importance(grid(lambda levels, seed: lookup[levels]), SCORE, NAMES))
    for effect, share in by_loops(values).items():
        assert found[" x ".join(NAMES[i] for i in effect)] == pytest.approx(share, rel=1e-9)


def test_missing_cells_are_fitted_where_the_pairs_are_enough_and_counted():
    def f(levels, seed):
        return np.log10(levels[1]) * (1.0 if levels[2] == "adam" else 0.5) + levels[0] / 50

    rows = grid(f)
    full = shares(importance(rows, SCORE, NAMES))
    rows.loc[[1, 3, 22], "status"] = "DIVERGED"
    found = importance(rows, SCORE, NAMES)
    assert (found.missing, found.aliased) == (3, 0)
    assert shares(found) == pytest.approx(full, abs=1e-9)
    # the mean of what is left over each level would be another number
    left = rows[rows["status"] == "OK"]
    raw = left.groupby("static/latent")[SCORE].mean().var(ddof=0) / left[SCORE].var(ddof=0)
    assert raw != pytest.approx(full["static/latent"], rel=0.02)


def test_a_combination_that_is_missing_altogether_is_said():
    rows = grid(lambda levels, seed: float(levels[0]))
    gone = (rows["traced/learning_rate"] == 1e-1) & (rows["traced/optimizer"] == "sgd")
    rows.loc[gone, "status"] = "DIVERGED"
    found = importance(rows, SCORE, NAMES)
    assert (found.missing, found.aliased) == (3, 1)
    assert shares(found)["static/latent"] == pytest.approx(1)


def test_ranks_do_not_see_one_huge_value():
    def f(levels, seed):
        return levels[0] + (1e9 if levels == (10, 1e-4, "sgd") else 0.0)

    assert shares(importance(grid(f), SCORE, NAMES))["static/latent"] < 0.2
    assert shares(importance(grid(f), SCORE, NAMES, ranks=True))["static/latent"] > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 5])
def test_intervals_cover_the_share_without_noise(seeds):
    axes = {"static/latent": range(6), "traced/learning_rate": range(6), "traced/optimizer": range(3)}

    def signal(levels):
        return 0.3 * levels[0] + 0.2 * (levels[1] - 2.5) ** 2

    exact = grid(lambda v, s: signal(v), 1, axes)
    truth = shares(importance(exact, SCORE, NAMES))
    # of one seed the noise cannot be told from the function, so it stays in the total
    scale = 1.0 if seeds > 1 else exact[SCORE].var(ddof=0) / (exact[SCORE].var(ddof=0) + 0.5**2)
    trials, held, middle = 60, dict.fromkeys(truth, 0), dict.fromkeys(truth, 0.0)
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        # a seed also shifts all cells
        shift = rng.normal(0, 1, seeds)
        rows = grid(lambda v, s, rng=rng, shift=shift: signal(v) + shift[s] + rng.normal(0, 0.5), seeds, axes)
        found = importance(rows, SCORE, NAMES, draws=200, seed=trial)
        assert found.resampled == ("seeds" if seeds > 1 else "cells")
        for line in found.table.to_dict("records"):
            held[line["effect"]] += line["low"] <= scale * truth[line["effect"]] + 1e-12 <= line["high"] + 2e-12
            middle[line["effect"]] += line["corrected"] / trials
    assert min(held.values()) >= 0.85 * trials
    for effect, value in middle.items():
        assert value == pytest.approx(scale * truth[effect], abs=0.03)


@pytest.mark.parametrize("seeds", [1, 3])
def test_where_cells_are_missing_noise_does_not_pass_for_effects(seeds):
    """A third of the cells is missing at random, and only the latents matter: coefficients are less sure than on all cells."""
    axes = {"static/latent": range(5), "traced/learning_rate": range(5), "traced/optimizer": range(3)}
    sure, pairs, wide = 0, [], []
    for trial in range(40):
        rng = np.random.default_rng(trial)
        rows = grid(lambda v, s, rng=rng: v[0] + rng.normal(0, 0.5), seeds, axes)
        cells = rows[NAMES].apply(tuple, axis=1)
        kept = set(rng.permutation(cells.unique())[:52])  # 43 effects are fitted
        table = importance(rows[cells.isin(kept)], SCORE, NAMES, draws=100, seed=trial).table.set_index("effect")
        null = table.drop("static/latent")
        sure += int((null["low"] > 0).sum())
        pairs.append(null.loc[null["order"] == 2, "corrected"].sum())
        wide.append(table.loc["static/latent", "high"] - table.loc["static/latent", "low"])
    assert sure <= 0.08 * 5 * 40  # a share cannot be below 0, so 2.5% would be right and small grids give some more
    assert np.mean(pairs) < 0.25  # 0.32 with the noise of a complete grid
    assert np.median(wide) < 0.8


def test_seeds_are_counted_in_a_cell_not_over_all():
    rows = grid(lambda levels, seed: float(len(str(levels)) + seed), seeds=3)
    found = importance(rows[(np.arange(len(rows)) // 3 + rows["traced/seed"]) % 3 > 0], SCORE, NAMES)
    assert (found.seeds, found.resampled, found.missing) == (2, "cells", 0)


def test_a_score_without_variance_and_lost_levels_are_said():
    axes = {"static/latent": range(3), "traced/learning_rate": range(3), "traced/optimizer": ("adam", "sgd")}
    with pytest.raises(InputError, match="all 18 settings have the same"):
        importance(grid(lambda v, s: 0.1 + 0.2, axes=axes), SCORE, NAMES)
    rows = grid(lambda v, s: v[0] + v[1] ** 2, axes=axes)
    rows.loc[rows["traced/optimizer"] == "sgd", SCORE] = np.nan
    found = importance(rows, SCORE, NAMES)
    assert (found.cells, found.missing, found.lost) == (18, 9, ("1 of the 2 of traced/optimizer",))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"level": 1.5}, "level=1.5"),
        ({"level": -1}, "level=-1"),
        ({"draws": 0}, "draws=0"),
        ({"factors": []}, "factors="),
        ({"factors": "static/latent"}, "factors='static/latent' must be a list"),
        ({"factors": ["static/nothing"]}, "static/nothing"),
    ],
)
def test_options_out_of_range_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        importance(grid(lambda v, s: v[0]), SCORE, **({"factors": NAMES} | options))


def test_hyperparameters_are_what_varies_by_itself():
    rows = grid(lambda levels, seed: 0.0)
    other = rows.assign(**{"static/variant": "dip_vae"})
    rows = pd.concat([rows, other], ignore_index=True)
    rows["traced/decay"] = np.where(rows["static/variant"] == "vae", 0.95, 0.97)
    rows["traced/clip"] = np.inf
    assert hyperparameters(rows) == ["static/variant", *NAMES]


def test_rows_without_a_value_of_a_factor_are_refused():
    """A weight of one variant is no hyperparameter of the others, which would be left out without a word."""
    rows = grid(lambda levels, seed: 0.0)
    weighed = [rows.assign(**{"static/variant": "beta_vae", "hyper/beta": beta}) for beta in (1.0, 4.0)]
    both = pd.concat([rows, *weighed], ignore_index=True)
    factors = hyperparameters(both)
    assert "hyper/beta" in factors
    for compared in (cell_table, importance):
        with pytest.raises(InputError, match=r"rows of vae have no value of 'hyper/beta'.*leave it out"):
            compared(both, SCORE, factors)


def test_cells_are_means_over_usable_seeds_and_doubles_are_refused():
    rows = grid(lambda levels, seed: float(seed), seeds=3)
    rows.loc[0, "status"] = "DIVERGED"
    table = cell_table(rows, SCORE, NAMES)
    assert table.shape == (24, 3)
    assert table.mean(axis=1).iloc[0] == 1.5
    with pytest.raises(InputError, match="another hyperparameter varies"):
        cell_table(rows, SCORE, NAMES[:2])
    with pytest.raises(InputError, match="lack the column 'shape/x'"):
        cell_table(rows, SCORE, ["shape/x"])
    with pytest.raises(InputError, match="lack the column 'metric/leiden/arii' of a score"):
        cell_table(rows, "metric/leiden/arii", NAMES)
    with pytest.raises(InputError, match="0 settings have a usable"):
        importance(rows.assign(status="DIVERGED"), SCORE, NAMES)
