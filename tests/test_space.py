"""Points: combination, completion with defaults, identity, and one clear sentence for what is not known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vaebench.errors import InputError
from vaebench.nn.initialisation import INITS
from vaebench.rows import row_of_point
from vaebench.space import Point, chain, group_by_static, point, point_id, product, static_of, traced_of, zipped
from vaebench.variants import VARIANTS


def test_product_is_all_combinations_last_axis_fastest():
    points = product(variant=["vae", "beta_vae"], latent=[10, 50], learning_rate=1e-2, seed=range(3))
    assert len(points) == 12
    assert [(p.variant, p.latent, p.seed) for p in points[:4]] == [
        ("vae", 10, 0),
        ("vae", 10, 1),
        ("vae", 10, 2),
        ("vae", 50, 0),
    ]
    assert {p.learning_rate for p in points} == {1e-2}


def test_hyper_and_shape_are_axes_and_are_completed():
    points = product(variant="beta_vae", beta=[1, 4])
    assert [dict(p.hyper) for p in points] == [{"beta": 1.0}, {"beta": 4.0}]
    assert dict(points[0].shape) == {"form": "plain"}
    capacity = point(variant="beta_vae", form="capacity", gamma=5)
    assert dict(capacity.hyper) == {"gamma": 5.0, "c_max": 25.0, "c_iterations": 10_000.0}
    assert dict(point(variant="beta_vae", recipe="benchmarked").shape) == {"form": "capacity"}


def test_naming_the_same_variant_recipe_or_form_keeps_the_weights():
    base = point(variant="beta_vae", beta=7)
    for same in ({"variant": "beta_vae"}, {"recipe": "textbook"}, {"form": "plain"}):
        assert point(base, **same) == base
    points = product(base, variant=["vae", "beta_vae"], latent=[2, 3])
    assert {dict(p.hyper).get("beta") for p in points} == {None, 7.0}
    capacity = point(variant="beta_vae", form="capacity", gamma=5)
    assert {dict(p.hyper)["gamma"] for p in product(capacity, variant="beta_vae", c_max=[10, 20])} == {5.0}


def test_changing_the_variant_drops_the_old_variants_hyper():
    base = point(variant="beta_vae", beta=4)
    assert point(base, variant="vae").hyper == ()
    assert dict(point(base, latent=3).hyper) == {"beta": 4.0}
    assert dict(point(base, form="capacity").hyper) == {"gamma": 10.0, "c_max": 25.0, "c_iterations": 10_000.0}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"variant": "bta_vae"}, ["variant", "bta_vae", "did you mean 'beta_vae'"]),
        ({"optimizer": "adm"}, ["optimizer", "did you mean 'adam'"]),
        ({"variant": "beta_vae", "betta": 3}, ["betta", "did you mean 'beta'"]),
        ({"variant": "beta_vae", "form": "plane"}, ["form", "plane", "did you mean 'plain'"]),
        ({"laten": 3}, ["laten", "did you mean 'latent'"]),
        ({"learning_rate": float("inf")}, ["learning_rate is inf", "must be finite"]),
        ({"latent": 0}, ["latent is 0", "greater than 0"]),
        ({"learning_rate": 10**400}, ["learning_rate is 1000", "must be a number"]),
        ({"variant": "beta_tc_vae", "anneal": 1}, ["anneal of beta_tc_vae is 1", "True or False"]),
        ({"learning_rate": float("nan")}, ["learning_rate", "greater than 0"]),
        ({"valid_fraction": 1.0}, ["valid_fraction", "between 0 and 1"]),
        ({"hidden": ()}, ["hidden"]),
        ({"hidden": 8}, ["hidden is 8", "(512, 256)"]),
        ({"hidden": (8, 0)}, ["hidden is (8, 0)", "at least 1"]),
        ({"hidden": "8"}, ["hidden is '8'"]),
        ({"seed": -1}, ["seed is -1"]),
        ({"seed": True}, ["seed is True", "whole number"]),
        ({"stratified": 1}, ["stratified is 1", "True or False"]),
        ({"variant": "beta_vae", "beta": float("nan")}, ["beta is nan", "a number"]),
        ({"shape": ()}, ["shape", "by name"]),
        ({"variant": "quantile_vae", "tau": 1.0}, ["tau of quantile_vae is 1;", "above 0 and below 1"]),
        ({"variant": "huber_vae", "delta": -1}, ["delta of huber_vae is -1;", "above 0 and finite"]),
        ({"variant": "beta_vae", "beta": -1}, ["beta of beta_vae is -1; it must be 0 or more and finite"]),
        ({"variant": "dip_vae", "lambda_od": float("inf")}, ["lambda_od of dip_vae is inf;", "0 or more and finite"]),
        ({"variant": "info_vae", "alpha": float("-inf")}, ["alpha of info_vae is -inf; it must be finite"]),
        ({"weight_decay": float("nan")}, ["weight_decay is nan; it must be 0 or more and finite"]),
        ({"min_delta": -1.0}, ["min_delta is -1.0; it must be 0 or more and finite"]),
        ({"decay": float("inf")}, ["decay is inf; it must be finite"]),
        ({"variant": "spike_slab_vae", "presence": 0}, ["presence of spike_slab_vae is 0"]),
    ],
)
def test_bad_settings_are_one_clear_sentence(fields, words):
    with pytest.raises(InputError) as error:
        point(**fields)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_no_weight_of_a_variant_is_infinite_or_below_0_without_a_reason(name):
    for recipe in VARIANTS[name].recipes:
        for weight in dict(point(variant=name, recipe=recipe).hyper):
            for value in (-1.0, float("inf")):
                if (weight, value) != ("alpha", -1.0) or name != "info_vae":
                    with pytest.raises(InputError, match=f"^{weight} of {name} is "):
                        point(variant=name, recipe=recipe, **{weight: value})


def test_bad_axes():
    for wrong in ({"latent": [1, 2]}, "vae"):
        for made in (product, zipped, point):
            with pytest.raises(InputError, match=r"base is .*; it must be a Point"):
                made(wrong, seed=[1])
    with pytest.raises(InputError, match="axis 'seed' is empty"):
        product(seed=[])
    with pytest.raises(InputError, match="lengths"):
        zipped(seed=[1, 2], latent=[3])


def test_an_axis_that_only_some_variants_have_is_applied_to_those():
    with pytest.warns(UserWarning, match=r"^beta does not exist for vae, dip_vae and is not applied there$"):
        points = product(variant=["vae", "beta_vae", "dip_vae"], beta=[1, 4], seed=range(2))
    assert [(p.variant, dict(p.hyper).get("beta"), p.seed) for p in points if p.variant != "dip_vae"] == [
        ("vae", None, 0),
        ("vae", None, 1),
        *(("beta_vae", beta, seed) for beta in (1.0, 4.0) for seed in range(2)),
    ]
    assert len(points) == 8
    with pytest.warns(UserWarning, match=r"beta_vae \(form capacity\)"):
        forms = product(variant="beta_vae", form=["plain", "capacity"], beta=[1, 4])
    assert [(dict(p.shape)["form"], dict(p.hyper).get("beta")) for p in forms] == [
        ("plain", 1.0),
        ("plain", 4.0),
        ("capacity", None),
    ]
    with pytest.raises(InputError, match=r"^beta is no setting of vae, iwae; variants that have it: .*beta_vae"):
        product(variant=["vae", "iwae"], beta=4)
    with pytest.raises(InputError, match="unknown setting 'betta'; did you mean 'beta'"):
        product(variant=["vae", "beta_vae"], betta=4)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"latent": 10**12}, "latent is 1000000000000; it must be at most 1000000"),
        ({"hidden": (10**12,)}, "at most 1000000"),
        ({"epochs": 10**12}, "epochs is 1000000000000; it must be at most 2147483647"),
        ({"variant": "Beta-VAE"}, "did you mean 'beta_vae'"),
        ({"activation": "ReLU"}, "did you mean 'relu'"),
    ],
)
def test_sizes_and_spellings_are_one_sentence(fields, words):
    with pytest.raises(InputError, match=words):
        point(**fields)


def test_endless_axes_are_refused_before_a_list_is_made():
    with pytest.raises(InputError, match="axis 'seed' has 1,000,000,000,000 values; at most 1,000,000"):
        product(seed=range(10**12))
    with pytest.raises(InputError, match="the axes have 2,000,000 combinations"):
        product(seed=range(10**6), latent=[2, 3])
    with pytest.raises(InputError, match="axis 'latent' of zipped is 3"):
        zipped(latent=3, seed=[1])


def test_zip_and_chain():
    assert [(p.latent, p.seed) for p in zipped(latent=[2, 3], seed=[7, 8])] == [(2, 7), (3, 8)]
    assert len(chain(product(seed=range(3)), product(seed=range(5)))) == 5


def test_hidden_is_one_network_or_many():
    assert [p.hidden for p in product(hidden=(512, 256))] == [(512, 256)]
    assert [p.hidden for p in product(hidden=[(512,), (512, 256)])] == [(512,), (512, 256)]


def test_identity_depends_on_every_field_and_the_data_and_nothing_else():
    base = point(variant="beta_vae")
    other = {"hidden": (3,), "shape": (("form", "capacity"),), "stratified": False, "study": "x", "variant": "vae"}
    other |= {"norm": "none", "output": "sigmoid", "recipe": "benchmarked", "init": "normal", "optimizer": "sgd"}
    other |= {"activation": "relu", "stopping": "fixed", "scaling_from": "train", "valid_fraction": 0.5, "clip": 1.0}
    other |= {"validation": "whole", "likelihood": "negative_binomial"}
    ids = {point_id(base, "d")}
    for field in dataclasses.fields(Point):
        if field.name == "hyper":
            changed = point(variant="beta_vae", beta=3)
        else:
            value = other[field.name] if field.name in other else getattr(base, field.name) + 1
            hyper = {} if field.name not in ("variant", "shape", "recipe") else {"hyper": (), "shape": ()}
            changed = dataclasses.replace(base, **{**hyper, field.name: value})
        ids.add(point_id(changed, "d"))
    assert len(ids) == len(dataclasses.fields(Point)) + 1
    assert point_id(base, "d") == point_id(point(variant="beta_vae"), "d") != point_id(base, "e")
    assert set(point_id(base, "d")) <= set("0123456789abcdef")


def test_whole_numbers_are_the_same_settings_as_floats():
    """Else the same training would be done, and counted, twice."""
    for name, value in {"weight_decay": 0, "decay": 1, "min_delta": 0, "clip": 2, "learning_rate": 1}.items():
        one, other = point(**{name: value}), point(**{name: float(value)})
        assert one == other
        assert point_id(one, "d") == point_id(other, "d")
    assert point_id(Point(), "d") == "73285e751f3c9622"  # as ever: rows of earlier versions are found again


def test_numbers_of_numpy_are_the_same_settings():
    assert point(seed=np.int64(3), decay=np.float64(0.5)) == point(seed=3, decay=0.5)
    assert point_id(point(seed=np.int64(3)), "d") == point_id(point(seed=3), "d")


def test_groups_are_the_distinct_programs():
    points = product(variant=["vae", "beta_vae"], latent=[5, 10], learning_rate=[1e-2, 1e-3], init=INITS)
    assert len(group_by_static(points, 100)) == 4
    assert sum(map(len, group_by_static(points, 100).values())) == len(points)
    assert len(group_by_static(product(clip=[0.5, 0.8, float("inf")]), 100)) == 2


def test_settings_are_flat_columns():
    columns = row_of_point(point(variant="beta_vae", hidden=(4, 2), study="s"))
    assert columns["static/hidden"] == "4-2"
    assert columns["hyper/beta"] == 10.0
    assert columns["shape/form"] == "plain"
    assert columns["traced/learning_rate"] == 1e-3
    assert columns["study"] == "s"
    assert all(isinstance(v, (str, int, float, bool)) for v in columns.values())


def test_static_and_traced_split_a_point():
    p = point(variant="beta_vae", init="normal", latent=7)
    assert static_of(p, 9).features == 9
    assert hash(static_of(p, 9)) == hash(static_of(point(p, seed=3, beta=2), 9))
    assert traced_of(p).init == INITS.index("normal")
    assert traced_of(p).hyper.beta == 10.0


def test_a_chain_takes_points_alone_or_in_lists():
    one, two = point(latent=1), point(latent=2)
    assert chain(one, [two, one], (p for p in (two,))) == [one, two]
    with pytest.raises(InputError, match=r"unknown variant .*vae.*"):
        point(variant=["vae"])
