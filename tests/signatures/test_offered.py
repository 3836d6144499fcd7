"""Signatures that are offered: groups by name, those seen in a tissue; what is left out is said, and who misses it is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from vaebench.data.mutations.channels import CHANNELS
from vaebench.errors import InputError
from vaebench.signatures.cosmic_groups import SUBGROUPS, group_named, named_signatures, subgroups
from vaebench.signatures.names import _WORDS, checked_name
from vaebench.signatures.offered import assay_notes, missed, offered
from vaebench.signatures.published import seen_in, tissues
from vaebench.signatures.refitting import refit

NAMES = ["SBS1", "SBS2", "SBS5", "SBS7a", "SBS11", "SBS13", "SBS27", "SBS38", "SBS40a", "SBS60", "SBS95"]
RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(RNG.dirichlet(np.full(96, 0.3), len(NAMES)), NAMES, list(CHANNELS))


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("artefacts", "Artifact"),
        ("ARTIFACT", "Artifact"),
        ("Artifact_signatures", "Artifact"),
        ("remove_UV_signatures", "UV"),
        ("uv", "UV"),
        ("treatments", "Treatment"),
        ("HR deficiency", "HR_deficiency"),
        ("mmr", "MMR_deficiency"),
        ("smoking", "Tobacco"),
        ("aristolochic acid", "AA"),
        ("SBS1", None),
    ],
)
def test_groups_have_names_in_either_spelling(text, group):
    assert group_named(text) == group


def test_groups_become_their_signatures():
    found = named_signatures("exclude", ["artefacts,UV", "sbs2"], NAMES)
    assert found == {"artefacts": ["SBS27", "SBS60", "SBS95"], "UV": ["SBS7a", "SBS38"], "sbs2": ["SBS2"]}
    older = ["SBS7", "Signature 7", "Signature.22", "SBS96A", "S7"]
    assert named_signatures("exclude", "UV,AA", older) == {"UV": ["SBS7", "Signature 7"], "AA": ["Signature.22"]}
    assert set(subgroups()["group"]) == set(SUBGROUPS)
    with pytest.raises(InputError, match="Artifact"):
        named_signatures("exclude", "artefax", NAMES)


def test_a_tissue_offers_what_either_study_saw_in_it():
    seen, types = seen_in("LIHC", [*NAMES, "mine"])
    assert types == ["LIHC", "Liver-HCC"]
    assert {"SBS1", "SBS5", "SBS40a", "mine"} <= seen
    assert not {"SBS7a", "SBS11", "SBS95"} & seen
    left = offered(TABLE, None, ["artefacts", "SBS2"], "Liver-HCC")
    assert list(left.signatures.index) == ["SBS1", "SBS5", "SBS40a"] + (["SBS13"] if "SBS13" in seen else [])
    assert any("artefacts: SBS27, SBS60, SBS95" in note for note in left.notes)
    assert any("Left out: SBS2." in note for note in left.notes)
    assert any("Liver-HCC" in note and "SBS7a" in note for note in left.notes)
    named = offered(TABLE, ["SBS1", "SBS7a", "APOBEC"], None, "Liver-HCC")
    assert "SBS7a" in named.signatures.index  # asked for by its name
    one = offered(TABLE, "SBS7a", ["artefacts", "SBS2"], "Liver-HCC")
    assert set(one.signatures.index) == {*left.signatures.index, "SBS7a"}  # beside those of the tissue
    assert list(offered(TABLE, "SBS7a").signatures.index) == ["SBS7a"]
    with pytest.raises(InputError, match="leave no signature"):
        offered(TABLE, ["UV"], ["UV"], None)


def cohort() -> pd.DataFrame:
    """Twenty samples of SBS1 and SBS5; the third also has UV."""
    exposures = np.zeros((20, len(NAMES)))
    exposures[:, [0, 2]] = 300.0
    exposures[2, 3] = 250.0
    counts = RNG.poisson(exposures @ TABLE.to_numpy()).astype(float)
    return pd.DataFrame(counts, [f"T{i}" for i in range(20)], TABLE.columns)


def test_a_sample_that_does_not_fit_without_what_was_left_out_is_named():
    x = cohort()
    fit = refit(x, TABLE, exclude=["UV,artefacts"])
    assert fit.samples["needs"].to_dict() == {f"T{i}": "SBS7a" if i == 2 else "" for i in range(20)}
    (note,) = (note for note in fit.notes if "does not fit without" in note)
    assert "T2 (SBS7a" in note
    assert set(fit.left_out) == {"SBS7a", "SBS38", "SBS27", "SBS60", "SBS95"}
    assert fit.summary()["left_out"] == list(fit.left_out)
    whole = refit(x, TABLE)
    assert "needs" not in whole.samples
    assert not any("left out" in note for note in whole.notes)


@pytest.mark.slow
def test_the_test_of_what_is_missed_holds_its_level():
    """Without any missing signature p-values below 0.2 come in about a fifth of the cohorts at most."""
    kept, others = TABLE.iloc[:3], TABLE.iloc[3:5]
    mean = np.full((6, 3), 150.0) @ kept.to_numpy()
    rng = np.random.default_rng(4)
    x = rng.poisson(mean, (40, *mean.shape)).reshape(-1, 96)
    found = missed(x, kept.to_numpy(), others, np.ones(len(x)), unusual=0.2 * 40)  # 0.2 for each cohort of six
    share = np.mean((found.signature != "").reshape(40, 6).any(1))
    assert 0.02 <= share <= 0.35
    assert chi2.sf(0, 1) == 1


@pytest.mark.parametrize(
    ("words", "types"),
    [
        ("hepatocellular", "are Liver-HCC, LIHC ("),
        ("Breast cancer", "are BRCA, Breast-AdenoCA, Breast-LobularCA ("),
        ("colon carcinoma", "are ColoRect-AdenoCA, COAD, READ ("),
        ("Livr-HCC", "Liver-HCC"),
    ],
)
def test_tissues_in_words_are_understood(words, types):
    with pytest.raises(InputError) as caught:
        checked_name("tissue", words, tissues())
    assert types in str(caught.value)
    assert "vaebench list tissues" in str(caught.value)


def test_every_type_of_a_word_is_published():
    assert {kind for kinds in _WORDS.values() for kind in kinds.split()} <= set(tissues())


def test_types_of_the_other_assay_are_noted():
    names = ["SBS1", "SBS5"]

    def said(tissue: str, mutations: float) -> list[str]:
        return assay_notes(pd.DataFrame([[mutations], [mutations]], ["A", "B"]), tissue, names)

    assert said("LIHC", 9000) == [
        "LIHC is of exomes, and these samples have as many mutations as genomes (9,000 in the median); of genomes: Liver-HCC."
    ]
    assert "of exomes: LIHC" in said("Liver-HCC", 80)[0]
    assert said("LIHC", 300) == said("Liver-HCC", 9000) == said("CNS-Medullo", 50) == []
