"""Results draw themselves, and travel as AnnData and as tab-separated files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from vaebench.data.mutations.channel_names import CONTEXTS
from vaebench.data.mutations.simulate import simulate_catalogue
from vaebench.errors import InputError
from vaebench.signatures.extraction import Extraction
from vaebench.signatures.matching import fit_cosines, matches
from vaebench.signatures.refitting import RefitResult, refit
from vaebench.signatures.selection import CandidateNumber, selection_table


@pytest.fixture(scope="module")
def cohort():
    return simulate_catalogue(0, tumours=20, signatures=3, types=2)


@pytest.fixture(scope="module")
def extraction(cohort):
    catalogue, truth = cohort
    mean = truth.exposures.to_numpy() @ truth.signatures.to_numpy()
    samples = {"mutations": catalogue.sum(axis=1), "cosine": fit_cosines(catalogue.to_numpy(), mean)}
    return Extraction(
        truth.signatures,
        truth.exposures,
        pd.DataFrame(samples, catalogue.index),
        selection_table([CandidateNumber(3, [0.9, 0.8, 0.9], 1.0, 2.0, 3.0, 4.0)]),
        matches(truth.signatures, truth.signatures),
        "nmf",
        ("a note",),
        catalogue=catalogue,
    )


@pytest.fixture(scope="module")
def fit(cohort):
    catalogue, truth = cohort
    return refit(catalogue, truth.signatures, intervals="profile_likelihood")


def heights(ax: Axes) -> list[float]:
    (bars,) = (c for c in ax.collections if isinstance(c, PolyCollection))
    return [path.vertices[1, 1] for path in bars.get_paths()]


def test_every_plot_returns_axes_that_a_notebook_shows(extraction, fit, cohort):
    name = cohort[0].index[1]
    for axes in (
        fit.plot_signatures(),
        fit.plot_sample(name),
        extraction.plot_comparison(cohort[1].signatures),
    ):
        assert isinstance(axes, list)
        assert all(isinstance(ax, Axes) for ax in axes)
    for ax in (extraction.plot_exposures(), fit.plot_burden(megabases=2800)):
        assert isinstance(ax, Axes)
        assert ax._repr_png_().startswith(b"\x89PNG")
    assert fit.plot_intervals(name)._repr_png_().startswith(b"\x89PNG")


def test_the_fit_of_a_sample_is_exposures_times_signatures(extraction, fit, cohort):
    catalogue, truth = cohort
    name = catalogue.index[1]
    observed, fitted, _ = extraction.plot_sample(name)
    np.testing.assert_allclose(heights(observed), catalogue.loc[name])
    np.testing.assert_allclose(heights(fitted), truth.exposures.loc[name] @ truth.signatures)
    mine = fit.intervals[fit.intervals["sample"] == name].set_index("signature")["exposure"]
    np.testing.assert_allclose(heights(fit.plot_sample(name)[1]), mine @ fit.signatures)


def test_a_refit_keeps_what_was_fitted(cohort):
    catalogue, truth = cohort
    fit = refit(catalogue, truth.signatures, exclude=[truth.signatures.index[0]])
    assert list(fit.signatures.index) == list(truth.signatures.index[1:])
    pd.testing.assert_frame_equal(fit.catalogue, catalogue.astype(float), check_names=False)


def test_plots_refuse_what_they_cannot_draw(extraction, fit, cohort):
    catalogue, truth = cohort
    name = catalogue.index[1]
    with pytest.raises(InputError, match="unknown sample 'Tx'"):
        fit.plot_sample("Tx")
    with pytest.raises(InputError, match="unknown signature 'Sx'"):
        extraction.plot_comparison(truth.signatures, "Sx")
    with pytest.raises(InputError, match="no intervals; refit with intervals="):
        fit._replace(intervals=None).plot_intervals()
    with pytest.raises(InputError, match="does not hold its catalogue"):
        fit._replace(catalogue=None).plot_sample(name)
    assert len(fit._replace(catalogue=None).plot_sample(name, catalogue=catalogue)) == 3
    with pytest.raises(InputError, match="megabases=0"):
        extraction.plot_burden(megabases=0)


def test_types_may_be_a_mapping(extraction, cohort):
    catalogue, _ = cohort
    ax = extraction.plot_burden(types=dict.fromkeys(catalogue.index, "one type"))
    assert [t.get_text().split("\n")[0] for t in ax.get_xticklabels()] == ["one type"]


def test_samples_may_be_numbered_and_types_listed(cohort):
    catalogue, truth = cohort
    fit = refit(catalogue.iloc[:4].set_axis(range(4)), truth.signatures, intervals="profile_likelihood")
    assert len(fit.plot_intervals([0, 1])) == 2
    assert len(fit.plot_intervals(3)) == 1
    assert "0: " in fit.plot_sample(0)[0].get_title(loc="left")
    named = fit._replace(samples=fit.samples.set_axis(list("3210")), exposures=fit.exposures.set_axis(list("3210")))
    ax = named.plot_burden(types=["b", "b", "b", "a"])  # in the order of the samples, whatever these are called
    assert {tuple(t.get_text().split("\n")[:2]) for t in ax.get_xticklabels()} == {("b", "3"), ("a", "1")}
    with pytest.raises(InputError, match="megabases='a' is not allowed"):
        fit.plot_burden(megabases="a")
    doublets = pd.DataFrame(np.full((1, 78), 1 / 78), ["D1"], list(CONTEXTS["DBS78"]))
    with pytest.raises(InputError, match="the signatures hold SBS96 and the reference holds DBS78"):
        fit.plot_comparison(doublets)


def test_anndata_and_back(extraction, tmp_path):
    anndata = pytest.importorskip("anndata")
    adata = extraction.to_anndata()
    np.testing.assert_array_equal(adata.X, extraction.catalogue)
    np.testing.assert_array_equal(adata.obsm["exposures"], extraction.exposures)
    adata.write_h5ad(tmp_path / "found.h5ad")
    found = Extraction.from_anndata(anndata.read_h5ad(tmp_path / "found.h5ad"))
    for name in ("signatures", "exposures", "samples", "selection", "matches", "catalogue"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(extraction, name), check_names=False)
    assert (found.method, found.notes) == (extraction.method, extraction.notes)
    bare = extraction._replace(notes=(), matches=None)
    bare.to_anndata().write_h5ad(tmp_path / "bare.h5ad")
    found = Extraction.from_anndata(anndata.read_h5ad(tmp_path / "bare.h5ad"))
    assert (found.notes, found.matches) == ((), None)


def test_objects_of_salamander_are_read(extraction):
    """salamander keeps signatures as AnnData of their own, and lifts zero counts."""
    anndata = pytest.importorskip("anndata")
    counts = extraction.catalogue
    adata = anndata.AnnData(counts.clip(lower=1e-10))
    adata.obsm["exposures"] = extraction.exposures.to_numpy()
    asignatures = anndata.AnnData(extraction.signatures)
    found = Extraction.from_anndata(adata, asignatures)
    pd.testing.assert_frame_equal(found.exposures, extraction.exposures, check_names=False)
    pd.testing.assert_frame_equal(found.catalogue, counts, check_names=False, check_dtype=False)
    pd.testing.assert_frame_equal(found.samples, extraction.samples, check_names=False, check_dtype=False)
    assert found.selection["k"].tolist() == [len(extraction.signatures)]
    with pytest.raises(InputError, match=r'no uns\["signatures"\]'):
        Extraction.from_anndata(adata)
    with pytest.raises(InputError, match="20 samples and 2 signatures need one value each"):
        Extraction.from_anndata(adata, asignatures[:2].copy())
    named = extraction.exposures.set_axis(adata.obs_names)
    adata.obsm["exposures"] = named[named.columns[::-1]]  # a table has names, and any order
    found = Extraction.from_anndata(adata, asignatures)
    pd.testing.assert_frame_equal(found.exposures, extraction.exposures, check_names=False)
    adata.obsm["exposures"] = named.rename(columns={"S1": "other"})
    with pytest.raises(InputError, match="no column 'S1'; its columns must be called as the signatures are"):
        Extraction.from_anndata(adata, asignatures)
    del adata.obsm["exposures"]
    with pytest.raises(InputError, match=r'no obsm\["exposures"\]'):
        Extraction.from_anndata(adata, asignatures)


def test_tab_separated_files_for_sigprofilerplotting(extraction, fit: RefitResult, tmp_path, monkeypatch):
    monkeypatch.setattr("vaebench.report.signatures.refit_page", lambda folder, *_, **__: folder / "report.html")
    extraction.save(tmp_path / "a", tsv=True)
    fit.save(tmp_path / "b", tsv=True)
    for folder, result in ((tmp_path / "a", extraction), (tmp_path / "b", fit)):
        spectra = pd.read_csv(folder / "signatures.tsv", sep="\t", index_col=0)
        assert spectra.index.name == "MutationType"
        np.testing.assert_allclose(spectra.T, result.signatures)
        counts = pd.read_csv(folder / "catalogue.tsv", sep="\t", index_col=0)
        np.testing.assert_array_equal(counts.T, result.catalogue)
        assert all(dtype.kind == "i" for dtype in counts.dtypes)
        assert pd.read_csv(folder / "exposures.tsv", sep="\t").columns[0] == "Samples"
    extraction.save(tmp_path / "a")
    assert not (tmp_path / "a" / "signatures.tsv").exists()  # files of an earlier result go
