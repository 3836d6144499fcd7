"""Public objects print one line, and tables show themselves in notebooks."""

from __future__ import annotations

import dataclasses
import types

import numpy as np
import pytest

import vaebench as vb
from vaebench.data import simulate_catalogue, simulate_cohort
from vaebench.metrics import METRICS
from vaebench.protocols import PROTOCOLS
from vaebench.sweep import progress
from vaebench.training.model import fit
from vaebench.types import Given, Posterior
from vaebench.variants import VARIANTS


@pytest.fixture(scope="module")
def shown(tiny):
    """Name -> public object."""
    model = fit(tiny, latent=2, hidden=(4,), batch=8, epochs=1)
    catalogue, truth = simulate_catalogue(seed=0, tumours=12, signatures=2, types=1)
    extraction = vb.signatures.extract(catalogue, k=2, method="nmf", restarts=1, reference=truth.signatures)
    refit = vb.signatures.refit(catalogue, truth.signatures, intervals="profile_likelihood")
    cohort, genes = simulate_cohort(samples=60, genes=50, types=2)
    return {
        "model": model,
        "point": model.point,
        "preprocessing": tiny.preprocessing,
        "data": cohort,
        "survival": tiny.survival,
        "posterior": Posterior(np.zeros((900, 50)), np.zeros((900, 50))),
        "given": Given(reconstruction=np.zeros((900, 50)), split=(np.arange(800), np.arange(800, 900))),
        "truth": truth,
        "genes": genes,
        "extraction": extraction,
        "refit": refit,
        "recovery": vb.signatures.recovery(extraction.signatures, truth.signatures),
        "metric": METRICS["cox"],
        "variant": VARIANTS["vae"],
        "protocol": next(iter(PROTOCOLS.values())),
    }


def test_objects_print_a_line(shown):
    for name, value in shown.items():
        assert "\n" not in repr(value), name
        assert 10 < len(repr(value)) <= 400, (name, repr(value))


def test_a_point_prints_what_is_not_a_default(shown):
    assert repr(vb.Point(latent=7, epochs=20)) == "Point(latent=7, epochs=20)"
    assert eval(repr(vb.space.point(variant="beta_vae", beta=4)), {"Point": vb.Point}) == vb.space.point(
        variant="beta_vae", beta=4
    )
    assert "60 samples x 50 features" in repr(shown["data"])


def test_tables_in_a_notebook(shown):
    for name in ("data", "extraction", "refit", "truth"):
        html = shown[name]._repr_html_()
        assert html.startswith("<div>")
        assert html.endswith("</div>")
        assert html.count("<tr") < 60
        assert len(html) < 20_000, name
    assert "TYPE01" in shown["data"]._repr_html_()
    odd = dataclasses.replace(shown["data"], name="<script>")
    assert "<script>" not in odd._repr_html_()
    assert "cosine" in shown["extraction"]._repr_html_()


class Handle:
    def __init__(self):
        self.texts = []

    def update(self, data, raw):
        self.texts.append(data["text/plain"])


def test_progress_in_a_notebook_is_one_line_that_is_rewritten(monkeypatch, capsys):
    handle = Handle()
    made = []
    kernel = types.SimpleNamespace(kernel=object())
    ipython = types.SimpleNamespace(get_ipython=lambda: kernel)
    shown = types.SimpleNamespace(display=lambda data, raw, display_id: made.append(data) or handle)
    monkeypatch.setitem(__import__("sys").modules, "IPython", ipython)
    monkeypatch.setitem(__import__("sys").modules, "IPython.display", shown)
    state = progress.RunProgress(1, 1, 2, 0, 0, 0, 5, 1.0, 3.0)
    with progress.display() as view:
        view.show(state)
        view.show(state._replace(done=1))  # too soon after the last
        view.show(state._replace(done=2))
        view.end({"trainings": 0, "seconds": 1.0})
    assert len(made) == 1
    assert len(handle.texts) == 3
    assert "2/2 points" in handle.texts[1]
    assert handle.texts[2] == "nothing was left to train"
    step = progress.StepDisplay()
    step("training", 1, 2)
    step("training", 2, 2)
    assert handle.texts[-1].startswith("training: 2/2")
    assert capsys.readouterr().err == ""
    kernel.__dict__.clear()  # IPython in a terminal
    assert not progress.in_notebook()
    with progress.display(quiet=True) as view:
        view.show(state)
    assert len(made) == 2
