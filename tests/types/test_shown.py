"""Public objects print one line, and tables show themselves in notebooks."""

from __future__ import annotations

import dataclasses
import types

import numpy as np
import pandas as pd
import pytest

import vaebench as vb
from vaebench.data import simulate_catalogue, simulate_cohort
from vaebench.metrics import METRICS
from vaebench.protocols import PROTOCOLS
from vaebench.signatures.extraction import Extraction
from vaebench.signatures.refitting import RefitResult
from vaebench.sweep import progress
from vaebench.training.trained import Trained
from vaebench.types import Given, Posterior
from vaebench.variants import VARIANTS


@pytest.fixture(scope="module")
def shown(tiny):
    """Name -> public object."""
    ends = {"own_centre": np.zeros(20), "own_scale": np.ones(20), "losses": {"valid": 0.5}, "history": (0.5,) * 200}
    status = {"status": "OK", "stop": "converged", "epochs": 200, "digest": tiny.digest}
    known = {"features": tiny.features, "centre": tiny.centre, "scale": tiny.scale}
    model = Trained(vb.Point(latent=2), {"params": {"kernel": np.zeros((512, 20))}}, **known, **ends, **status)
    catalogue, truth = simulate_catalogue(seed=0, tumours=12, signatures=2, types=1)
    fits = pd.DataFrame({"mutations": catalogue.sum(axis=1), "cosine": 0.9})
    selection = pd.DataFrame({"k": [2, 3], "chosen": [True, False]})
    matched = vb.signatures.matches(truth.signatures, truth.signatures)
    extraction = Extraction(truth.signatures, truth.exposures, fits, selection, matched, "nmf", ("A note.",))
    intervals = truth.exposures.melt()
    refit = RefitResult(
        truth.exposures, intervals, fits, 1.0, 0.0, np.inf, "bootstrap", 0.95, {"draws": 10}, ("A note.",)
    )
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


def test_time_left_leaves_out_what_came_before_the_first_step(monkeypatch, capsys):
    clock = iter([0.0, 100.0, 110.0, 120.0])  # 100 s until the first step: compilation
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    step = progress.StepDisplay()
    for done in (1, 2, 3):
        step("sampling", done, 5)
    assert capsys.readouterr().err.splitlines() == [
        "sampling: 1/5 · unknown left",
        "sampling: 2/5 · 30 s left",
        "sampling: 3/5 · 20 s left",
    ]
