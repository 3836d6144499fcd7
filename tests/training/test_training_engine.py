"""How programs are made and called: precision, layouts of the optimizer's state, optimizers compiled in, missing packages."""

from __future__ import annotations

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaebench.errors import InputError
from vaebench.evaluation.scores import check_metrics
from vaebench.results import read_rows, read_run_json
from vaebench.rows import matmul_precision_of
from vaebench.space import Point, group_by_static, point, point_id, product, static_of, traced_of
from vaebench.sweep.runner import run
from vaebench.sweep.worker import group_name
from vaebench.training.checkpoint import load_lanes, restored, save_lanes
from vaebench.training.engine import Engine, check_device
from vaebench.training.pool import make_split, on_device, trained_points
from vaebench.training.train import make_start, make_train

BASE = Point(latent=3, hidden=(8,), batch=8, epochs=4, stopping="fixed", learning_rate=1e-2)
LION = product(BASE, optimizer="lion", learning_rate=[1e-3, 1e-2], seed=range(2))


def trained(points, tiny, lanes=2, **how):
    ticks = trained_points(points, tiny, jnp.asarray(tiny.x), lanes, **how)
    return {item.point: item for tick in ticks for item in tick.finished}


def test_the_same_program_for_the_same_arguments():
    static = static_of(BASE, 20)
    assert make_train(static, 2) is make_train(static, 2, Engine())
    assert make_train(static, 2) is make_train(static, 2, Engine(call_seconds=1.0)), (
        "the host's choice, not a program's"
    )
    assert make_train(static, 2) is not make_train(static, 2, Engine(matmul_precision="bfloat16"))


def products(jaxpr):
    """The precision of every matrix product in a program, inner programs included."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield equation.params["precision"]
        for value in jax.tree.leaves(
            equation.params, is_leaf=lambda leaf: hasattr(leaf, "eqns") or hasattr(leaf, "jaxpr")
        ):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from products(inner)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "wanted"),
    [
        ("highest", (jax.lax.Precision.HIGHEST,) * 2),
        ("tensorfloat32", (jax.lax.Precision.HIGH,) * 2),
        ("bfloat16", jax.lax.DotAlgorithmPreset.BF16_BF16_F32),
    ],
)
def test_every_product_of_the_training_has_the_precision_asked_for(tiny, precision, wanted):
    program = make_train(static_of(BASE, 20), 2, Engine(matmul_precision=precision))
    lane = jax.eval_shape(program.start, on_device(traced_of(BASE)), on_device(make_split(BASE, tiny)))
    x = jax.ShapeDtypeStruct(tiny.x.shape, jnp.float32)
    advance = jax.make_jaxpr(program.advance)(jax.eval_shape(program.idle, lane), x, 1)
    embed = jax.make_jaxpr(program.embed, static_argnums=2)(lane, x, False)
    found = [*products(advance.jaxpr), *products(embed.jaxpr)]
    assert len(found) > 15, "forward, backward, validation and embedding"
    assert set(found) == {wanted}


@pytest.mark.slow
def test_layouts_change_nothing_but_rounding(tiny):
    points = product(BASE, optimizer=["adam", "sgd"], seed=range(2))
    plain = trained(points, tiny)
    for engine, close in ((Engine(flat_optimizer=True), 1e-5), (Engine(moments="bfloat16"), 0.1)):
        other = trained(points, tiny, engine=engine)
        for p, item in plain.items():
            assert other[p].losses["valid"] == pytest.approx(item.losses["valid"], rel=close)


def test_wrong_choices_are_one_sentence():
    with pytest.raises(InputError, match="unknown matmul_precision 'hihgest'; did you mean 'highest'"):
        Engine(matmul_precision="hihgest")
    with pytest.raises(InputError, match="unknown moments 'float16'"):
        Engine(moments="float16")
    with pytest.raises(InputError, match="call_seconds is -1"):
        Engine(call_seconds=-1)


# --- precision of a run ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_precision_is_fixed_for_a_folder_and_in_every_row(tmp_path, tiny):
    points = [point(BASE, epochs=1)]
    rows = run(points, tiny, out=tmp_path, lanes=1, quiet=True)
    assert (rows["run/matmul_precision"] == "highest").all()
    with pytest.raises(
        InputError, match="was made with matmul_precision 'highest', and this command asks for 'bfloat16'"
    ):
        run(points, tiny, out=tmp_path, lanes=1, quiet=True, matmul_precision="bfloat16")
    other = run(points, tiny, out=tmp_path / "other", lanes=1, quiet=True, matmul_precision="bfloat16")
    assert (other["run/matmul_precision"] == "bfloat16").all()
    assert set(other["point"]) == set(rows["point"]), "no part of a point's identity"


@pytest.mark.slow
def test_a_folder_from_before_goes_on(tmp_path, tiny):
    run([point(BASE, epochs=1)], tiny, out=tmp_path, lanes=1, quiet=True)
    record = read_run_json(tmp_path)
    del record["matmul_precision"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    rows = run(product(BASE, epochs=1, seed=range(2)), tiny, out=tmp_path, lanes=1, quiet=True)
    assert set(rows["run/matmul_precision"]) == {"highest"}
    assert matmul_precision_of({"device": "cpu cpu"}) == "highest"
    assert matmul_precision_of({"device": "gpu NVIDIA H200"}) == "tensorfloat32", "what JAX did by itself"


# --- optimizers compiled in ------------------------------------------------------------------------------------------


def test_points_and_files_keep_their_names(tiny):
    """Literals of the version before optimizers could be named."""
    digest = "0123456789abcdef"
    adamw = point(optimizer="adamw", weight_decay=0.01)
    muse = {"variant": "muse_xae", "recipe": "benchmarked", "optimizer": "rmsprop", "latent": 5, "batch": 16}
    names = [("97e09e7fc1057434", "vae-50-67b45dc7"), ("68a690c5c330f3df", "vae-50-67b45dc7")]
    names += [("26de0952009c7bac", "beta_tc_vae-50-efbe5d26"), ("c390c131076a7f7f", "muse_xae-5-6db04bbe")]
    points = [Point(), adamw, point(variant="beta_tc_vae", optimizer="sgd", clip=1.0, seed=3), point(**muse)]
    assert [(point_id(p, digest), group_name(p, tiny)) for p in points] == names


def test_a_named_optimizer_is_a_group_of_its_own_whatever_the_rate(tiny):
    points = product(BASE, optimizer=["adam", "sgd", "lion", "muon"], learning_rate=[1e-3, 1e-2])
    groups = group_by_static(points, 20)
    assert [static.optimizer for static, _ in groups] == ["", "lion", "muon"]
    assert [len(group) for group in groups.values()] == [4, 2, 2]
    assert len({group_name(group[0], tiny) for group in groups.values()}) == 3


@pytest.mark.slow
def test_lanes_of_a_named_optimizer_train_and_go_on_from_a_checkpoint(tmp_path, tiny):
    often = Engine(call_seconds=0.0)
    whole = trained(LION, tiny, engine=often)
    for p, item in whole.items():
        assert item.history[-1] < item.history[0], p
    assert len({item.history[-1] for item in whole.values()}) == 4, "rate and seed are the lane's own"
    ticks = trained_points(LION, tiny, jnp.asarray(tiny.x), 2, engine=often)
    for _ in range(2):
        tick = next(ticks)
    running = tick.snapshot()
    save_lanes(tmp_path / "lanes.safetensors", {point_id(p, ""): lane for p, lane in running.items()})
    found, saved = load_lanes(tmp_path), {}
    for p in running:
        template = jax.eval_shape(make_start(static_of(p, 20)), on_device(traced_of(p)), on_device(make_split(p, tiny)))
        saved[p] = restored(
            found[point_id(p, "")], template._replace(key=jax.eval_shape(jax.random.key_data, template.key))
        )
    for p, item in trained(LION, tiny, engine=often, saved=saved).items():
        np.testing.assert_array_equal(item.z, whole[p].z)


@pytest.mark.slow
def test_a_run_mixes_traced_and_named_optimizers(tmp_path, tiny):
    run(product(BASE, epochs=1, optimizer=["adam", "nadam"]), tiny, out=tmp_path, lanes=1, quiet=True)
    rows = read_rows(tmp_path)
    assert set(rows["traced/optimizer"].dropna()) == {"adam", "nadam"}


# --- packages that are not there -------------------------------------------------------------------------------------


def test_missing_packages_are_said_before_training(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "leidenalg", None)
    with pytest.raises(
        InputError, match="metric 'leiden' needs packages that are not installed: pip install leidenalg"
    ):
        run([BASE], tiny, quiet=True)
    from vaebench.metrics.leiden import LeidenOptions

    check_metrics(["leiden"], tiny, {"leiden": LeidenOptions(engine="igraph")})
    monkeypatch.setitem(sys.modules, "loky", None)
    with pytest.raises(
        InputError, match="several processes needs packages that are not installed: pip install loky, or"
    ):
        run([BASE], tiny, ["cox"], quiet=True, evaluators=1)
    with pytest.raises(InputError, match="pip install loky"):
        run([BASE], tiny, ["cox"], quiet=True, workers=2)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match="writing rows needs packages that are not installed: pip install pyarrow"):
        run([BASE], tiny, ["cox"], quiet=True)


@pytest.mark.parametrize("error", [AssertionError(), RuntimeError("Unable to initialize backend 'cuda': no device")])
def test_devices_that_are_not_there_are_one_sentence(monkeypatch, error):
    """Without the plugin JAX fails by an assertion without words, with it by an error of several lines."""

    def absent():
        raise error

    monkeypatch.setattr(jax, "local_devices", absent)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(InputError, match=r"JAX_PLATFORMS is 'cuda', and JAX cannot start these devices.*\.\[cuda\]"):
        check_device()
    monkeypatch.delenv("JAX_PLATFORMS")
    check_device()  # JAX chooses by itself
