"""Protocols hold what the studies did, and turn into points."""

from __future__ import annotations

import dataclasses
import math

import pytest

from vaebench.errors import InputError
from vaebench.protocols import PROTOCOLS, plan, points, protocol, scaled_batch
from vaebench.variants import VARIANTS

STUDIES = ("eltager2023", "korkic2021", "kroskinski2021", "kroskinski2021_deep", "kroskinski2021_zscore")


def test_registry_has_four_kinds_of_every_study_under_their_own_names():
    kinds = ("", "_scaled", "_textbook", "_scaled_textbook")
    assert set(PROTOCOLS) == {"default", *(study + kind for study in STUDIES for kind in kinds)}
    for name, p in PROTOCOLS.items():
        assert p.name == p.base.study == name
        assert p.base.recipe == ("textbook" if name.endswith("textbook") or name == "default" else "benchmarked")
        assert bool(p.steps_per_epoch) == ("_scaled" in name)
    with pytest.raises(InputError, match="did you mean 'korkic2021"):
        protocol("korkic2022")


def test_full_grids_have_the_studies_sizes():
    """6 models x 1,080 settings x 10 restarts; 90 settings a model; 5 initialisations x 10 runs a model."""
    assert protocol("eltager2023").size() == 6 * 1080 * 10 == 64_800
    assert protocol("korkic2021").size() == 4 * 90
    assert protocol("kroskinski2021").size() == 4 * 5 * 10
    assert protocol("kroskinski2021_deep").size() == 5 * 10
    assert protocol("kroskinski2021_zscore").size() == 4 * 5 * 10
    for name in ("korkic2021", "kroskinski2021", "kroskinski2021_textbook"):
        assert len(points(protocol(name))) == protocol(name).size()


@pytest.mark.parametrize("study", STUDIES)
def test_kinds_differ_in_batch_and_recipe_alone(study):
    plain = protocol(study)
    for kind in ("_scaled", "_textbook", "_scaled_textbook"):
        other = protocol(study + kind)
        assert (other.grid, other.data, other.per_variant) == (plain.grid, plain.data, plain.per_variant)
        assert other.embedding == plain.embedding
        for field in ("hidden", "norm", "output", "batch", "decay", "epochs", "stopping", "patience", "valid_fraction"):
            assert getattr(other.base, field) == getattr(plain.base, field), field


def test_settings_that_differ_between_variants_follow_the_variant():
    names = list(VARIANTS)
    chosen = points(protocol("eltager2023_textbook"), {"variant": names, "seed": 0, "latent": 10, "init": "uniform"})
    assert {p.variant for p in chosen} == set(names)
    decays = {p.variant: p.decay for p in chosen}
    assert decays == {**dict.fromkeys(names, 0.95), "beta_tc_vae": 1.0, "dip_vae": 0.97, "logcosh_vae": 0.97}
    clips = {p.variant: p.clip for p in points(protocol("korkic2021"), {"latent": [10]})}
    assert clips == {"vae": math.inf, "iwae": math.inf, "logcosh_vae": math.inf, "info_vae": 0.8}


def test_the_second_experiment_of_kroskinski2021_differs_in_scaling_and_the_output_that_it_needs():
    first, second = protocol("kroskinski2021"), protocol("kroskinski2021_zscore")
    assert (first.data["scaling"], second.data["scaling"]) == ("unit", "zscore")
    assert dataclasses.replace(first.base, output="identity", study=second.name) == second.base
    assert first.base.validation == "whole"
    assert protocol("korkic2021").base.validation == "batches"


def test_named_axes_win_over_the_variants_own_settings():
    named = points(protocol("eltager2023"), {"variant": ["dip_vae"], "decay": [0.5], "seed": 0, "latent": 10})
    assert {p.decay for p in named} == {0.5}
    assert len(named) == 6 * 5 * 3 * 2
    beta = points(protocol("default"), {"variant": "beta_vae", "beta": [2.0, 4.0], "hidden": (64, 32)})
    assert [dict(p.hyper)["beta"] for p in beta] == [2.0, 4.0]
    assert beta[0].hidden == (64, 32)


@pytest.mark.parametrize(
    ("train", "steps", "batch"),
    [(7710, 120, 64), (885, 9, 93), (8848, 8, 1041), (1180, 120, 10), (42, 120, 2), (2, 8, 2)],
)
def test_scaled_batch_makes_the_closest_number_of_steps(train, steps, batch):
    got = scaled_batch(train, steps)
    best = min(abs(train // b - steps) for b in range(2, train + 1))
    assert abs(train // got - steps) == best
    assert abs(got - batch) <= max(0.1 * batch, 0)


def test_scaled_protocols_choose_the_batch_for_the_data():
    chosen = points(protocol("eltager2023_scaled"), {"seed": 0, "latent": 10, "variant": "vae"}, samples=11_014)
    assert {p.batch for p in chosen} == {64}  # the study's own batch on the study's own data
    small = points(
        protocol("eltager2023_scaled"), {"seed": 0, "latent": 10, "valid_fraction": [0.1, 0.5]}, samples=1000
    )
    assert {(p.valid_fraction, p.batch) for p in small} == {
        (0.1, scaled_batch(900, 120)),
        (0.5, scaled_batch(500, 120)),
    }
    thesis = points(protocol("korkic2021_scaled"), {"latent": [10]}, samples=983)
    assert {(983 - 98) // p.batch for p in thesis} == {9}
    by_hand = points(protocol("eltager2023_scaled"), {"batch": [32], "latent": [10], "seed": 0})
    assert {p.batch for p in by_hand} == {32}


def test_bad_questions_are_refused():
    with pytest.raises(InputError, match="give samples"):
        points(protocol("eltager2023_scaled"), {"seed": 0})
    with pytest.raises(InputError, match="at least 2"):
        scaled_batch(1, 8)
    with pytest.raises(InputError, match="swae"):
        points(protocol("eltager2023"), {"variant": ["vae", "swae"], "seed": 0})


def test_the_default_batch_fits_a_small_cohort_and_says_so():
    small = plan(protocol("default"), {"seed": range(2)}, samples=60)
    assert [p.batch for p in small.points] == [7, 7]  # vb.fit's: an eighth
    assert small.notes == (
        "the batch is 7 in place of 64, which is more than the training part of 60 samples; --set batch=... chooses another",
    )
    for axes, samples in (({}, 80), ({"batch": 64}, 60), ({}, None)):
        assert plan(protocol("default"), axes, samples) == (points(protocol("default"), axes, samples), ())
        assert plan(protocol("default"), axes, samples).points[0].batch == 64
    # a study's batch is the study's
    assert plan(protocol("kroskinski2021_deep"), samples=60).points[0].batch == 1000


def test_weights_of_one_variant_among_several():
    with pytest.warns(UserWarning, match="beta does not exist for vae"):
        found = points(protocol("default"), {"variant": ["vae", "beta_vae"], "beta": (1, 4)})
    assert [(p.variant, p.hyper) for p in found] == [
        ("vae", ()),
        ("beta_vae", (("beta", 1.0),)),
        ("beta_vae", (("beta", 4.0),)),
    ]
