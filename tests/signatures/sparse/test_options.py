"""SparseOptions: every field has a reason and is used, changed values reach the code, and bad ones are one sentence."""

from __future__ import annotations

import ast
import dataclasses
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import vaebench as vb
from vaebench.errors import InputError
from vaebench.signatures.sparse import criterion, moves, one_number, pipeline
from vaebench.signatures.sparse import options as options_module
from vaebench.signatures.sparse.criterion import Score
from vaebench.signatures.sparse.moves import SparseFit
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.sparse.weights import Excess

FOLDER = Path(options_module.__file__).parent
FIELDS = [field.name for field in dataclasses.fields(SparseOptions)]


def modules() -> dict[str, ast.Module]:
    return {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.py"))}


def test_it_is_public():
    assert vb.signatures.SparseOptions is SparseOptions


def test_every_field_has_its_reason():
    """A sentence under the field that says what it is and, after a colon or a comma, why it has this value."""
    (body,) = (
        node.body
        for node in modules()["options.py"].body
        if isinstance(node, ast.ClassDef) and node.name == "SparseOptions"
    )
    reasons = {}
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            reasons[field.target.id] = text.value.value
    assert list(reasons) == FIELDS
    for name, reason in reasons.items():
        assert reason.endswith("."), name
        assert len(reason) > 60, name
        assert any(mark in reason for mark in (":", ",", ";")), name


def test_every_field_is_used():
    attributes = {
        node.attr
        for name, tree in modules().items()
        if name != "options.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "options"
    }
    assert set(FIELDS) == attributes


def test_no_other_constant_is_left_in_the_method():
    """Numerical guards apart: the prior presence of padding, a table's range, and how far an extrapolation may go."""
    found = set()
    for tree in modules().values():
        for node in tree.body:
            if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                continue
            if any(isinstance(n, ast.Constant) and isinstance(n.value, int | float) for n in ast.walk(node.value)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    assert found == {"_LEAST", "_LEAST_PRESENCE", "_LOW", "_HIGH", "_POINTS"}


def fit_with(value: float, count: int = 2) -> SparseFit:
    spectra = np.full((count, 96), 1 / 96)
    return SparseFit(spectra, np.ones((3, count)), Score(0.0, np.full(count, 3), value, np.ones((3, count))))


@pytest.mark.parametrize(("patience", "fitted", "chosen"), [(1, 2, 0), (2, 3, 0), (3, 5, 3)])
def test_patience_ends_the_search(monkeypatch, patience, fitted, chosen):
    values = {1: 5.0, 2: 6.0, 3: 7.0, 4: 4.0, 5: 9.0}
    monkeypatch.setattr(pipeline, "random_restarts", lambda x, k, *_: (np.full((1, k, 96), 1 / 96), np.zeros(1)))
    monkeypatch.setattr(pipeline, "excess_of_start", lambda *_: (Excess(1e-5), np.ones((3, 96))))
    monkeypatch.setattr(pipeline, "reweighted", lambda data, *_: data)
    monkeypatch.setattr(pipeline, "rescored", lambda data, fit, *_: fit)

    def best_fit(data, start, *_):
        return fit_with(values[len(start)], len(start))

    monkeypatch.setattr(pipeline, "best_fit", best_fit)
    monkeypatch.setattr(pipeline, "swap_signatures", lambda data, fit, *_: (fit, fit, 0))
    monkeypatch.setattr(pipeline, "fit_signatures", lambda x, s, *_, **__: fit_with(0.0, len(s)))
    monkeypatch.setattr(pipeline, "resolve_ambiguity", lambda s, e, *_: (s, e, ()))
    path = pipeline.sparse_path(np.ones((3, 96)), range(1, 6), restarts=1, options=SparseOptions(patience=patience))
    assert sum(row.fit is not None for row in path.rows) == fitted
    assert path.chosen == chosen


def test_one_signature_less_is_chosen_where_its_fit_was_a_poor_one(monkeypatch):
    """Three signatures beat two, but three without the least useful one beat both; then one is no better."""
    monkeypatch.setattr(pipeline, "rescored", lambda data, fit, *_: fit)
    monkeypatch.setattr(pipeline, "fit_signatures", lambda x, s, *_, **__: fit_with(0.0, len(s)))
    monkeypatch.setattr(pipeline, "resolve_ambiguity", lambda s, e, *_: (s, e, ()))
    asked = []

    def fewer(data, fit, place, key, options, known, bar):
        assert place == 1
        asked.append((len(fit.signatures), bar))
        return fit_with({3: 4.0, 2: 9.0}[len(fit.signatures)], len(fit.signatures) - 1)

    monkeypatch.setattr(pipeline, "least_useful", lambda *_: 1)
    monkeypatch.setattr(pipeline, "without_signature", fewer)
    rows = [
        pipeline.PathRow(k, np.zeros((0, k, 96)), np.zeros(0), fit_with(value, k), 0)
        for k, value in ((1, 8.0), (2, 7.0), (3, 5.0))
    ]
    data = pipeline.weighted(np.ones((3, 96)), Excess(1e-5), np.ones((3, 96)))
    path = pipeline._chosen(data, rows, jax.random.key(0), SparseOptions(), None, lambda line: None)
    assert asked == [(3, 5.0), (2, 4.0)]
    assert path.chosen == 1
    assert [row.fit.score.criterion for row in path.rows] == [8.0, 4.0, 5.0]
    rows = [row._replace(count=2 * row.count, fit=fit_with(row.fit.score.criterion, 2 * row.count)) for row in rows]
    assert pipeline._chosen(data, rows, jax.random.key(0), SparseOptions(), None, lambda line: None).chosen == 2
    assert len(asked) == 2  # the number before is not one less


def test_random_starts_see_some_samples_of_a_large_cohort_and_all_of_a_small_one():
    counts = np.random.default_rng(0).poisson(30.0, (40, 96)).astype(float)
    counts[::2] *= 10
    few, all_of_them = (
        np.asarray(pipeline._counts_of_starts(counts, 3, SparseOptions(start_samples=n))) for n in (12, 40)
    )
    assert few.shape == (12, 96)
    assert len(np.unique(few, axis=0)) == 12
    assert all_of_them.sum(1).max() <= 1000.5
    for row in few:
        assert (np.abs(all_of_them - row).max(1) == 0).any()
    np.testing.assert_array_equal(few, pipeline._counts_of_starts(counts, 3, SparseOptions(start_samples=12)))


@pytest.mark.parametrize(("slack", "draws"), [(100.0, [50, 50, 200]), (1.0, [50, 50])])
def test_a_hopeless_trial_is_not_finished(monkeypatch, key, slack, draws):
    made = []

    def fitted(data, signatures, key, options, *, exposures=None, draws=None, known=None):
        made.append(options.draws if draws is None else draws)
        return fit_with(150.0)

    monkeypatch.setattr(moves, "fit_signatures", fitted)
    data = moves.Observed(jnp.ones((3, 96)), jnp.ones((3, 96)))
    options = SparseOptions(trial_slack=slack)
    fit = moves.without_signature(data, fit_with(90.0, 3), 1, key, options, bar=100.0)
    assert fit.score.criterion == 150
    assert made == draws


@pytest.mark.parametrize(
    ("random", "grown", "draws", "least"),
    [(500.0, 100.0, [50, 200], 90.0), (150.0, 100.0, [50, 200, 200], 90.0), (100.0, 500.0, [50, 200], 90.0)],
)
def test_a_start_of_a_number_that_is_hopeless_is_not_finished(monkeypatch, key, random, grown, draws, least):
    """A fit with all draws has a criterion of 10 below its trial's."""
    made = []

    def fitted(data, signatures, key, options, *, exposures=None, draws=None, known=None):
        made.append(options.draws if draws is None else draws)
        return fit_with(random, 3) if draws else fit_with(min(random, grown) - 10 if len(made) == 2 else 400.0, 3)

    for module in (moves, one_number):
        monkeypatch.setattr(module, "fit_signatures", fitted)
    start = np.full((3, 96), 1 / 96)
    data = moves.Observed(jnp.ones((3, 96)), jnp.ones((3, 96)))
    fit = one_number.best_fit(data, start, fit_with(grown, 3), key, SparseOptions(), None)
    assert made == draws
    assert fit.score.criterion == least


@pytest.mark.parametrize(("options", "swaps"), [({}, 0), ({"swap_gain": 9.0}, 3), ({"swap_gain": 9.0, "swaps": 1}, 1)])
def test_a_swap_must_gain_enough(monkeypatch, key, options, swaps):
    """Each swap that is tried lowers the criterion by 10."""
    monkeypatch.setattr(moves, "add_signature", lambda x, fit, *_: fit_with(fit.score.criterion - 10, 3))
    monkeypatch.setattr(moves, "usefulness", lambda *_: np.array([1.0, 0.0, 2.0, np.inf]))
    last = [100.0]

    def refitted(*_):
        last[0] -= 10
        return fit_with(last[0])

    monkeypatch.setattr(moves, "without_signature", refitted)
    fit, larger, made = moves.swap_signatures(
        moves.Observed(jnp.ones((3, 96)), jnp.ones((3, 96))), fit_with(100.0), key, SparseOptions(**options)
    )
    assert made == swaps
    assert fit.score.criterion == 100 - 10 * swaps
    assert len(larger.signatures) == 3


def test_constants_of_the_criterion_change_it_as_the_formula_says():
    rng = np.random.default_rng(0)
    signatures = rng.dirichlet(np.full(96, 0.3), 2)
    exposures = np.tile([400.0, 0.0], (40, 1))
    exposures[:5, 1] = 300.0  # five samples have the second
    x = jnp.asarray(rng.poisson(exposures @ signatures), jnp.float32)

    def score(**changed):
        support = jnp.asarray(exposures, jnp.float32)
        return criterion.score_fit(x, jnp.asarray(signatures, jnp.float32), support, options=SparseOptions(**changed))

    usual = score()
    assert usual.nonzeros.tolist() == [40, 5]
    assert usual.criterion - score(least_samples=1).criterion == pytest.approx(95 * np.log(8 / 5))
    none = score(present=1e6)
    assert none.nonzeros.tolist() == [0, 0]
    assert none.criterion == pytest.approx(none.deviance + 2 * 95 * np.log(8))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"draws": 0}, "SparseOptions: draws=0 is not allowed; it must be a whole number 1 or more"),
        ({"patience": 1.5}, "patience=1.5 is not allowed"),
        ({"swap_gain": 0}, "swap_gain=0 is not allowed; it must be above 0"),
        ({"swap_gain": "5"}, "swap_gain='5' is not allowed; it must be a number"),
        ({"noted_share": -0.1}, "noted_share=-0.1 is not allowed; it must be 0 or more"),
        ({"candidate_share": 1.2}, "candidate_share=1.2 is not allowed; it is a share and must be 1 at most"),
        ({"ambiguity_gain": 0.0}, "ambiguity_gain=0.0 is not allowed; it must be above 0"),
        ({"largest_share": 1.0}, "largest_share=1 is not allowed; it must be below 1"),
        ({"shapes": ()}, r"shapes=\(\) is not allowed; it must be a tuple of numbers"),
        ({"summed_residuals": [4]}, r"summed_residuals=\[4\] is not allowed; it must be a tuple"),
        ({"shapes": (1.0, 0.5)}, r"exposure_iterations=\(40, 60, 200\) does not fit shapes=\(1.0, 0.5\)"),
    ],
)
def test_bad_values_are_one_sentence(changed, sentence):
    with pytest.raises(InputError, match=sentence) as refused:
        SparseOptions(**changed)
    assert "\n" not in str(refused.value)


def test_zeros_where_allowed_and_hashable():
    assert SparseOptions(swaps=0, dispersion_slack=0, noted_share=0).swaps == 0
    assert hash(SparseOptions()) == hash(SparseOptions(patience=2))
    assert SparseOptions(patience=3) != SparseOptions()
