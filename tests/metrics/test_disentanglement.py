"""Metrics of factors and posteriors against closed forms, libraries and loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from sklearn import metrics
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier

from vaebench.errors import InputError
from vaebench.metrics import METRICS
from vaebench.metrics.correlation import correlation_scores, correlations
from vaebench.metrics.dci import dci_scores
from vaebench.metrics.latent_use import latent_kl, latent_use_scores
from vaebench.metrics.mig import mig_scores
from vaebench.metrics.modularity import modularity_scores
from vaebench.metrics.probe import ProbeOptions, discriminant, probe_scores, stratified_folds
from vaebench.metrics.reconstruction import reconstruction_scores
from vaebench.metrics.rmig import RmigOptions, bin_shares, rmig_scores
from vaebench.metrics.sap import sap_scores
from vaebench.metrics.shared.factors import binned, classes, information_matrix, usable_factors
from vaebench.metrics.total_correlation import total_correlation_scores
from vaebench.metrics.wsepin import WsepinOptions, sepin, wsepin_scores
from vaebench.types import Dataset, Given, Posterior


def data_of(factors, samples, labels=None, x=None):
    return Dataset(
        name="toy",
        digest="0",
        x=np.zeros((samples, 2), np.float32) if x is None else x,
        samples=np.arange(samples).astype(str),
        features=np.array(["a", "b"]),
        centre=np.zeros(2),
        scale=np.ones(2),
        scaling="none",
        labels=labels,
        factors=factors,
    )


@pytest.fixture
def known():
    """Four latents and three factors: one continuous with gaps, one binary, one tied to two latents."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 4))
    gaps = np.where(rng.random(300) < 0.3, np.nan, z[:, 0] + 0.5 * rng.normal(size=300))
    sex = (z[:, 1] + rng.normal(size=300) > 0.3).astype(float)
    return z, data_of({"gaps": gaps, "sex": sex, "both": z[:, 2] + z[:, 3] + rng.normal(size=300)}, 300)


def test_spearman_and_adjusted_p_equal_scipy_pair_by_pair(known):
    z, data = known
    found = correlations(z, usable_factors(data))
    for f, name in ((0, "gaps"), (2, "both")):
        keep = np.isfinite(data.factors[name])
        for latent in range(4):
            rho, p = stats.spearmanr(z[keep, latent], data.factors[name][keep])
            assert found.strength[latent, f] == pytest.approx(rho, abs=1e-12)
            assert found.p[latent, f] == pytest.approx(p, rel=1e-8)
    p = found.p.ravel()
    ranked = [(value, len(p) * value / (p <= value).sum()) for value in p]
    adjusted = [min(1, *(own for other, own in ranked if other >= value)) for value in p]
    np.testing.assert_allclose(found.adjusted.ravel(), adjusted, rtol=1e-12)


def test_logistic_regression_equals_a_general_optimiser(known):
    z, data = known
    found = correlations(z, usable_factors(data))
    y, n = data.factors["sex"], 300
    for latent in range(4):
        x = z[:, latent]

        def loss(b, x=x):
            return np.logaddexp(0, b[0] + b[1] * x).sum() - y @ (b[0] + b[1] * x)

        best = minimize(loss, np.zeros(2), options={"gtol": 1e-8})
        null = -n * (y.mean() * np.log(y.mean()) + (1 - y.mean()) * np.log(1 - y.mean()))
        ratio = 2 * (null - best.fun)
        assert found.p[latent, 1] == pytest.approx(stats.chi2.sf(ratio, 1), rel=1e-5)
        expected = np.sign(best.x[1]) * math.sqrt(1 - math.exp(-ratio / n))
        assert found.strength[latent, 1] == pytest.approx(expected, abs=1e-6)
    separated = correlations(y[:, None], usable_factors(data))
    null = -2 * (y.mean() * np.log(y.mean()) + (1 - y.mean()) * np.log(1 - y.mean()))
    assert separated.strength[0, 1] == pytest.approx(math.sqrt(1 - math.exp(-null)), abs=1e-6)


def test_the_rule_of_one_or_two_latents(known):
    z, data = known
    many = np.column_stack([z[:, :1]] * 3 + [z[:, 1:]])
    few, more = correlation_scores(z, data), correlation_scores(many, data)
    strength = np.abs(correlations(z, usable_factors(data)).strength)
    partners = (strength >= 0.1).sum(0)
    assert few["disentangled"] == np.isin(partners, (1, 2)).sum()
    assert few["latents_per_factor"] == partners.mean()
    assert more["disentangled"] < few["disentangled"]
    assert few["factors_left_out"] == 0


def test_information_equals_sklearn(known):
    z, data = known
    factors = usable_factors(data)
    information, entropies = information_matrix(z, factors, 20, 10)
    for f, factor in enumerate(factors):
        code = classes(factor.values, factor.kind, 10)
        assert entropies[f] == pytest.approx(stats.entropy(np.bincount(code)), abs=1e-12)
        for latent in range(4):
            own = np.digitize(z[:, latent], np.histogram_bin_edges(z[:, latent], 20)[1:-1])
            np.testing.assert_array_equal(own, binned(z, 20)[:, latent])
            expected = metrics.mutual_info_score(own[factor.known], code)
            assert information[latent, f] == pytest.approx(expected, abs=1e-12)
    ordered = np.sort(information, axis=0)
    assert mig_scores(z, data)["mig"] == pytest.approx(np.mean((ordered[-1] - ordered[-2]) / entropies), abs=1e-12)
    loop = []
    for row in information:
        rest = np.delete(row, row.argmax())
        loop.append(1 - (rest**2).sum() / (row.max() ** 2 * 2))
    assert modularity_scores(z, data)["modularity"] == pytest.approx(np.mean(loop), abs=1e-12)


def test_a_latent_that_is_the_factor_has_full_marks():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 400).astype(float)
    w = rng.integers(0, 2, 400).astype(float)
    z = np.column_stack([y, w])
    data = data_of({"y": y, "w": w}, 400)
    assert mig_scores(z, data)["mig"] == pytest.approx(1, abs=0.02)
    assert modularity_scores(z, data)["modularity"] == pytest.approx(1, abs=1e-3)
    assert sap_scores(z, data)["sap"] > 0.85
    assert dci_scores(z, data)["disentanglement"] > 0.7
    assert dci_scores(z, data)["informativeness"] == pytest.approx(1)
    found = rmig_scores(z, data)
    assert found["rmig"] == pytest.approx(1, abs=0.02)
    assert found["p"] == pytest.approx(1 / 21)


def test_sap_equals_correlations_and_ks_statistics(known):
    z, data = known
    rows = []
    for name in ("gaps", "both"):
        keep = np.isfinite(data.factors[name])
        rows.append([stats.pearsonr(z[keep, i], data.factors[name][keep])[0] ** 2 for i in range(4)])
    y = data.factors["sex"] == 1
    rows.append([stats.ks_2samp(z[y, i], z[~y, i]).statistic for i in range(4)])
    gaps = [np.sort(row)[-1] - np.sort(row)[-2] for row in rows]
    assert sap_scores(z, data)["sap"] == pytest.approx(np.mean(gaps), abs=1e-12)


def test_dci_equals_a_loop_over_sklearn(known):
    z, data = known
    matrix, explained = np.zeros((4, 3)), []
    for f, factor in enumerate(usable_factors(data)):
        x = z[factor.known]
        fit = LinearRegression().fit(x, factor.values)
        matrix[:, f] = np.abs(fit.coef_) * x.std(0) / factor.values.std()
        explained.append(fit.score(x, factor.values))
    rho = matrix.sum(1) / matrix.sum()
    disentangled = sum(r * (1 - stats.entropy(row, base=3)) for r, row in zip(rho, matrix, strict=True))
    complete = np.mean([1 - stats.entropy(column, base=4) for column in matrix.T])
    scores = dci_scores(z, data)
    assert scores["disentanglement"] == pytest.approx(disentangled, abs=1e-9)
    assert scores["completeness"] == pytest.approx(complete, abs=1e-9)
    assert scores["informativeness"] == pytest.approx(np.mean(explained), abs=1e-9)


@pytest.mark.parametrize("span", ["fixed", "data"])
def test_rmig_equals_a_loop_over_bins(known, span):
    z, data = known
    rng = np.random.default_rng(2)
    logvar = rng.normal(-2, 0.5, z.shape)
    factors, gaps, joints = usable_factors(data), [], []
    for factor in factors:
        code = classes(factor.values, factor.kind, 10)
        information, both = [], []
        for latent in range(4):
            mean, deviation = z[:, latent], np.exp(0.5 * logvar[:, latent])
            low, high = (-4, 4) if span == "fixed" else ((mean - 3 * deviation).min(), (mean + 3 * deviation).max())
            width = (high - low) / 50
            centres = low + width * (np.arange(50) + 0.5)
            q = stats.norm.pdf(centres[None], mean[:, None], deviation[:, None]) * width
            q = (q / q.sum(1, keepdims=True))[factor.known]
            joint = np.stack([q[code == c].sum(0) for c in np.unique(code)], axis=1) / len(code)
            h = stats.entropy(joint.ravel())
            both.append(h)
            information.append(stats.entropy(joint.sum(0)) + stats.entropy(joint.sum(1)) - h)
        second, best = np.sort(information)[-2:]
        h_y = stats.entropy(np.bincount(code))
        gaps.append((best - second) / h_y)
        joints.append(1 - (both[np.argmax(information)] - best + second) / (h_y + math.log(50)))
    scores = rmig_scores(z, data, Given(Posterior(z, logvar)), options=RmigOptions(bins=50, span=span))
    assert scores["rmig"] == pytest.approx(np.mean(gaps), abs=1e-9)
    assert scores["jemmig"] == pytest.approx(np.mean(joints), abs=1e-9)
    assert scores["posterior"] == 1


def test_the_null_of_rmig_tells_nothing_from_something():
    rng = np.random.default_rng(3)
    z = rng.normal(size=(300, 3))
    nothing = rmig_scores(z, data_of({"y": rng.normal(size=300)}, 300))
    something = rmig_scores(z, data_of({"y": z[:, 0]}, 300))
    assert nothing["rmig"] > 0.001  # a gap by chance alone
    assert nothing["rmig"] < 3 * nothing["null_quantile"]
    assert nothing["p"] > 0.05 > something["p"]
    assert something["rmig"] > 5 * something["null_quantile"]


def test_sharp_and_far_posteriors_fall_into_one_bin():
    shares = bin_shares(np.array([0.041, 9.0, -1e6]), np.full(3, -80.0), 100, "fixed")
    np.testing.assert_allclose(shares.sum(1), 1)
    assert list(shares.argmax(1)) == [50, 99, 0]
    np.testing.assert_array_equal(shares, bin_shares(np.array([0.041, 9.0, -1e6]), None, 100, "fixed"))


def brute_sepin(z, own, mean, logvar, clamp):
    """Means over draws of ln q(.|x) - ln q(.) for all, one and all but one latent, densities by scipy."""
    logs = stats.norm.logpdf(z[:, None], mean[None], np.exp(0.5 * logvar)[None])
    cut = (lambda v: np.maximum(v, np.log(1e-8))) if clamp else (lambda v: v)
    rows = np.arange(len(z))

    def information(log):
        return np.mean(cut(log[rows, own]) - cut(np.log(np.exp(log).mean(1))), axis=0)

    everything = information(logs.sum(2))
    one = information(logs)
    rest = information(logs.sum(2, keepdims=True) - logs)
    return everything, one, everything - rest


@pytest.mark.parametrize("clamp", [False, True])
def test_sepin_equals_brute_force_on_the_same_draws(clamp):
    rng = np.random.default_rng(4)
    mean, logvar = rng.normal(size=(40, 3)), rng.normal(1, 0.5, (40, 3))
    mean, logvar = mean.astype(np.float32), logvar.astype(np.float32)
    found = sepin(Posterior(mean, logvar), WsepinOptions(draws=80, clamp=clamp, seed=5))
    order = np.lexsort(np.sort(np.concatenate([mean, logvar], 1), 1).T)
    own = order[np.tile(np.arange(40), 2)]
    generator = np.random.default_rng(5)
    generator.choice(40, 0, replace=False)
    z = mean[own] + np.exp(0.5 * logvar[own]) * generator.standard_normal((80, 3)).astype(np.float32)
    everything, one, conditional = brute_sepin(z, own, mean, logvar, clamp)
    assert found.information == pytest.approx(everything, abs=2e-5)
    np.testing.assert_allclose(found.marginal, one, atol=2e-5)
    np.testing.assert_allclose(found.sepin, conditional, atol=2e-5)
    assert found.wsepin == pytest.approx((one / one.sum()) @ conditional, abs=2e-5)


def test_sepin_meets_the_closed_form_of_a_linear_gaussian_model():
    # q(z | x) = N(x, s^2) with x ~ N(0, C): z is Gaussian, and all information has a formula.
    rng = np.random.default_rng(6)
    covariance, noise = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 0.5]]), np.array([1.0, 0.7, 0.8])
    mean = rng.multivariate_normal(np.zeros(3), covariance, 3000)
    logvar = np.broadcast_to(np.log(noise), mean.shape)
    found = sepin(Posterior(mean, logvar), WsepinOptions(draws=3000))

    def information(keep):
        joint = (covariance + np.diag(noise))[np.ix_(keep, keep)]
        return 0.5 * (np.linalg.slogdet(joint)[1] - np.log(noise[keep]).sum())

    total, one = information([0, 1, 2]), np.array([information([i]) for i in range(3)])
    rest = np.array([information([j for j in range(3) if j != i]) for i in range(3)])
    error = 4 * found.information_error + 0.02
    assert found.information == pytest.approx(total, abs=error)
    np.testing.assert_allclose(found.marginal, one, atol=error)
    np.testing.assert_allclose(found.sepin, total - rest, atol=error)
    np.testing.assert_allclose(found.indin, total - rest, atol=2 * error)
    assert found.wsepin == pytest.approx((one / one.sum()) @ (total - rest), abs=4 * found.wsepin_error + 0.02)
    assert 0.003 < found.wsepin_error < 0.05


def test_errors_of_sepin_are_the_spread_over_draws():
    """Up to a fifth more: that each sample is drawn equally often takes some of the spread away."""
    rng = np.random.default_rng(0)
    mean = rng.standard_normal((40, 3))
    logvar = np.tile(2 * np.log([0.1, 0.5, 1.5]), (40, 1)) + rng.normal(0, 0.5, (40, 3))
    runs = [sepin(Posterior(mean, logvar), WsepinOptions(draws=60, seed=seed)) for seed in range(300)]
    for name in ("wsepin", "information"):
        values, errors = (np.array([getattr(run, name + end) for run in runs]) for end in ("", "_error"))
        assert 0.9 < np.sqrt(np.mean(errors**2)) / values.std(ddof=1) < 1.25


def test_both_causes_of_a_wsepin_of_zero():
    rng = np.random.default_rng(7)
    mean = rng.normal(size=(200, 30)).astype(np.float32)
    data = data_of({}, 200)
    sharp = Given(Posterior(mean, np.full(mean.shape, -12.0, np.float32)))
    scores = wsepin_scores(mean, data, sharp, options=WsepinOptions(draws=200))
    assert scores["information_share"] == pytest.approx(1, abs=1e-5)  # the ceiling ln N
    assert scores["wsepin"] == pytest.approx(0, abs=1e-4)
    broad = Given(Posterior(mean, np.full(mean.shape, 1.0, np.float32)))
    plain = wsepin_scores(mean, data, broad, options=WsepinOptions(draws=200))
    clamped = wsepin_scores(mean, data, broad, options=WsepinOptions(draws=200, clamp=True))
    assert 0.5 < plain["information_share"] < 1
    assert plain["wsepin"] > 0.02
    assert clamped["wsepin"] == clamped["information"] == 0  # every joint density is below 1e-8
    with pytest.raises(InputError, match="needs a posterior"):
        wsepin_scores(mean, data, Given())


def test_divergence_and_use_of_latents():
    rng = np.random.default_rng(8)
    mean, logvar = rng.normal(size=(50, 3)), rng.normal(-1, 0.3, (50, 3))
    mean[:, 2], logvar[:, 2] = 0.001 * mean[:, 2], 0.0
    expected = np.mean(0.5 * (mean**2 + np.exp(logvar) - 1 - logvar), axis=0)
    np.testing.assert_allclose(latent_kl(Posterior(mean, logvar)), expected, atol=1e-12)
    scores = latent_use_scores(mean, data_of({}, 50), Given(Posterior(mean, logvar)))
    assert (scores["active_units"], scores["collapsed_latents"], scores["collapsed"]) == (2, 1, 0)
    assert scores["kl"] == pytest.approx(expected.sum())


def test_total_correlation_is_minus_half_the_log_determinant():
    z = np.random.default_rng(9).normal(size=(100, 4)) @ np.random.default_rng(10).normal(size=(4, 4))
    scores = total_correlation_scores(z, data_of({}, 100))
    assert scores["total_correlation"] == pytest.approx(-0.5 * np.linalg.slogdet(np.corrcoef(z.T))[1], abs=1e-10)
    twice = total_correlation_scores(np.column_stack([z, z[:, 0]]), data_of({}, 100))
    assert twice["status"].startswith("SINGULAR: 1 of 5")
    assert twice["largest_correlation"] == pytest.approx(1)


def test_reconstruction_equals_sklearn():
    rng = np.random.default_rng(11)
    x = rng.normal(size=(40, 600)).astype(np.float32)
    given = Given(reconstruction=x + 0.5 * rng.normal(size=x.shape).astype(np.float32))
    scores = reconstruction_scores(x[:, :2], data_of({}, 40, x=x), given)
    assert scores["mse"] == pytest.approx(metrics.mean_squared_error(x, given.reconstruction), rel=1e-5)
    r2 = metrics.r2_score(x, given.reconstruction, multioutput="raw_values")
    expected = (r2.mean(), np.median(r2), r2.min())
    assert (scores["r2"], scores["r2_median"], scores["r2_smallest"]) == pytest.approx(expected, rel=1e-4)


def test_probes_equal_sklearn():
    rng = np.random.default_rng(12)
    labels = rng.integers(0, 4, 200)
    z = rng.normal(size=(200, 3)) + rng.normal(size=(4, 3))[labels]
    fold = stratified_folds(z, labels, 5, 0)
    assert all(np.ptp(np.bincount(fold[labels == c], minlength=5)) <= 1 for c in range(4))
    predicted = np.empty(200, int)
    for f in range(5):
        out = fold == f
        model = LinearDiscriminantAnalysis().fit(z[~out], labels[~out])
        predicted[out] = model.predict(z[out])
        np.testing.assert_array_equal(discriminant(z[~out], labels[~out], z[out], 4), predicted[out])
    voted = []
    for i in range(200):
        rest = np.arange(200) != i
        voted.append(KNeighborsClassifier(15).fit(z[rest], labels[rest]).predict(z[i : i + 1])[0])
    scores = probe_scores(z, data_of({}, 200, labels=labels.astype(np.int32)))
    assert scores["linear_accuracy"] == pytest.approx(np.mean(predicted == labels))
    assert scores["linear_balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
    assert scores["knn_accuracy"] == pytest.approx(np.mean(np.array(voted) == labels))
    assert scores["chance"] == np.bincount(labels).max() / 200


def test_a_probe_of_the_labels_themselves_is_right_without_a_warning():
    labels = np.repeat(np.arange(4, dtype=np.int32), 20)
    with np.errstate(all="raise"):
        scores = probe_scores(np.eye(4, dtype=np.float32)[labels], data_of({}, 80, labels=labels))
    assert scores["linear_accuracy"] == scores["knn_accuracy"] == 1


def test_factors_that_say_nothing_are_left_out():
    rng = np.random.default_rng(13)
    factors = {
        "constant": np.ones(100),
        "rare": np.where(np.arange(100) < 10, rng.normal(size=100), np.nan),
        "unbalanced": (np.arange(100) < 2).astype(float),
    }
    data = data_of(factors, 100)
    z = rng.normal(size=(100, 2))
    for name in ("rmig", "correlation", "mig", "sap", "dci", "modularity"):
        assert METRICS[name].compute(z, data)["status"].startswith("TOO_FEW_FACTORS: 0 factors")
    assert correlation_scores(z, data)["factors_left_out"] == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RmigOptions(span="wide"), "span is 'wide'"),
        (lambda: RmigOptions(bins=1), r"bins \(1\)"),
        (lambda: WsepinOptions(draws=1), "draws is 1"),
        (lambda: ProbeOptions(folds=1), r"folds \(1\)"),
    ],
)
def test_bad_options_are_one_sentence(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("share", [0.05, 0.95])
def test_a_factor_of_mostly_one_value_has_two_classes(share):
    rng = np.random.default_rng(14)
    for top in (False, True):  # shares of mutations are mostly 0; some scores are mostly at their ceiling
        values = np.where(np.arange(200) < 200 * share, 5.0 if top else 0.0, rng.random(200))
        code = classes(values, "continuous", 10)
        assert code.max() >= 1
        scores = rmig_scores(rng.normal(size=(200, 2)), data_of({"f": values}, 200))
        assert all(np.isfinite(scores[k]) for k in ("rmig", "jemmig", "null_rmig", "p"))
