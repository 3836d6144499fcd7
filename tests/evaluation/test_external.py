"""Embeddings from files: aligned by name, scored beside PCA and the covariates, refused in one sentence."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from vaebench.cli.main import main
from vaebench.errors import InputError
from vaebench.evaluation.baseline import pca_embedding
from vaebench.evaluation.external import evaluated_embedding, read_embedding
from vaebench.evaluation.scores import evaluate
from vaebench.metrics.leiden import LeidenOptions
from vaebench.results import read_rows, read_run_json

N = 60
SAMPLES = np.array([f"sample_{i + 1}" for i in range(N)])
Z = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)


def written(folder, kind, samples=SAMPLES, z=Z, named=True):
    path = folder / f"z.{kind}"
    if kind == "npy":
        np.save(path, z)
        return path
    order = np.random.default_rng(1).permutation(len(samples))
    frame = pd.DataFrame(z, columns=[f"z{i}" for i in range(z.shape[1])], index=samples).iloc[order]
    if kind == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="\t" if "tsv" in kind else ",", index=named, index_label="sample" if named else None)
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "tsv.gz", "parquet", "npy"])
def test_rows_are_put_in_the_order_of_the_samples(tmp_path, kind):
    np.testing.assert_allclose(read_embedding(written(tmp_path, kind), SAMPLES), Z, rtol=1e-6)
    if kind != "npy":
        np.testing.assert_allclose(read_embedding(tmp_path / f"z.{kind}", SAMPLES[[4, 2]]), Z[[4, 2]], rtol=1e-6)


def test_what_does_not_fit_is_one_sentence(tmp_path):
    pd.DataFrame({"sample": SAMPLES}).to_parquet(tmp_path / "names.parquet", index=False)
    for path, words in (
        (written(tmp_path, "csv", SAMPLES[2:], Z[2:]), "2 of 60 samples are missing from .*sample_1, sample_2"),
        (written(tmp_path, "npy", z=Z[:5]), r"shape \(5, 3\)"),
        (written(tmp_path, "tsv", named=False), "no column of sample names"),
        (tmp_path / "names.parquet", "no column besides the sample names"),
        (tmp_path / "absent.csv", "does not exist"),
    ):
        with pytest.raises(InputError, match=words):
            read_embedding(path, SAMPLES)
    (tmp_path / "text.csv").write_text(
        "sample,z0\n" + "".join(f"{s},{'x' if i == 3 else i}\n" for i, s in enumerate(SAMPLES))
    )
    with pytest.raises(InputError, match=r"'z0' of text\.csv holds the text 'x'"):
        read_embedding(tmp_path / "text.csv", SAMPLES)
    (tmp_path / "bad.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match=r"is not a \.npy file"):
        read_embedding(tmp_path / "bad.npy", SAMPLES)
    np.savez(tmp_path / "archive.npz", z=Z)
    (tmp_path / "archive.npz").rename(tmp_path / "archive.npy")
    with pytest.raises(InputError, match="is a NumPy archive"):
        read_embedding(tmp_path / "archive.npy", SAMPLES)
    with pytest.raises(InputError, match="must hold real numbers"):
        read_embedding(written(tmp_path, "npy", z=Z.astype(str)), SAMPLES)
    (tmp_path / "twice.csv").write_text("sample,z0\na,1\na,2\n")
    with pytest.raises(InputError, match="duplicate sample name 'a'"):
        read_embedding(tmp_path / "twice.csv", SAMPLES[:1])


def test_names_match_as_those_of_an_annotation_do(tmp_path):
    barcodes = np.array([f"TCGA-A1-{1000 + i}-01A" for i in range(N)])
    for kind in (lambda name: name.replace("-", "."), lambda name: name[:12]):
        path = written(tmp_path, "csv", [kind(name) for name in barcodes])
        np.testing.assert_allclose(read_embedding(path, barcodes), Z, rtol=1e-6)


def test_a_line_of_a_patient_is_not_that_of_two_samples(tmp_path):
    patients = [f"TCGA-A1-{1000 + i}" for i in range(N)]
    path = written(tmp_path, "csv", patients)
    barcodes = np.array([f"{name}-01A" for name in patients])
    barcodes[1] = f"{patients[0]}-11A"  # normal tissue, whose z is not that of the tumour
    with pytest.raises(InputError, match=r"'TCGA-A1-1000-01A' and 'TCGA-A1-1000-11A' are both 'TCGA-A1-1000' in .*csv"):
        read_embedding(path, barcodes)


def test_a_name_stands_for_one_file(tmp_path, tiny):
    evaluated_embedding(written(tmp_path, "csv"), tiny, ["leiden"], tmp_path / "out")
    with pytest.raises(InputError, match=r"an embedding 'z' from a file of other contents \(z\.csv\); .*--name"):
        evaluated_embedding(written(tmp_path, "csv", z=Z + 1), tiny, ["leiden"], tmp_path / "out")
    assert len(read_rows(tmp_path / "out")) == 2


def test_scores_are_those_of_evaluate_and_of_pca(tmp_path, tiny):
    rows = evaluated_embedding(written(tmp_path, "csv"), tiny, ["leiden", "cox"], tmp_path / "out", name="mine")
    assert rows["static/variant"].tolist() == ["mine", "pca"]
    for row, z in zip(rows.to_dict("records"), (Z, pca_embedding(tiny.x, 3)), strict=True):
        for name, scores in evaluate(z, tiny).items():
            for key in scores.keys() - {"seconds"}:
                same = row[f"metric/{name}/{key}"]
                assert same == scores[key] if key == "status" else same == pytest.approx(scores[key], nan_ok=True), key
    kept = read_rows(tmp_path / "out")
    assert kept["point"].tolist() == rows["point"].tolist()
    evaluated_embedding(tmp_path / "z.csv", tiny, ["leiden", "cox"], tmp_path / "out", name="mine")
    assert len(read_rows(tmp_path / "out")) == 2
    with pytest.raises(InputError, match="needs a posterior"):
        evaluated_embedding(tmp_path / "z.csv", tiny, ["latent_use"], tmp_path / "other")
    with pytest.raises(InputError, match="is the baseline's"):
        evaluated_embedding(tmp_path / "z.csv", tiny, ["leiden"], tmp_path / "other", name="pca")


def test_a_folder_keeps_its_options_metrics_and_data(tmp_path, tiny):
    """Scores of other options are never shown under those of a folder: the second command is refused, nothing is lost."""

    def evaluated(metrics=("leiden",), data=tiny, neighbours=15, folder="out", **more):
        options = {"leiden": LeidenOptions(neighbours=neighbours)}
        return evaluated_embedding(path, data, metrics, tmp_path / folder, options=options, **more)

    path = written(tmp_path, "csv")
    evaluated()
    record = read_run_json(tmp_path / "out")
    evaluated(name="again")  # another embedding by the same options is one more line
    assert read_rows(tmp_path / "out")["static/variant"].tolist() == ["z", "pca", "again"]
    assert list(read_run_json(tmp_path / "out")["embeddings"]) == ["z", "again"]
    assert record["metrics"] == read_run_json(tmp_path / "out")["metrics"]
    with pytest.raises(InputError, match="leiden options neighbours=15, and this command asks for neighbours=5;"):
        evaluated(neighbours=5)
    with pytest.raises(InputError, match="with metrics leiden, and this command asks for leiden, probe"):
        evaluated(("leiden", "probe"))
    with pytest.raises(InputError, match="other data"):
        evaluated(data=dataclasses.replace(tiny, digest="other"))
    assert len(read_rows(tmp_path / "out")) == 3
    evaluated(("cox", "leiden"), folder="cox")
    with pytest.raises(InputError, match="label_covariate=True, and this command asks for label_covariate=False"):
        evaluated(("cox", "leiden"), folder="cox", label_covariate=False)
    (tmp_path / "cox" / "run.json").write_text('{"lanes": 1}')
    with pytest.raises(InputError, match="holds a run, not evaluated embeddings"):
        evaluated(("cox", "leiden"), folder="cox")
    (tmp_path / "cox" / "run.json").unlink()
    with pytest.raises(InputError, match=r"rows but no run\.json"):
        evaluated(("cox", "leiden"), folder="cox")


def test_more_latents_than_components(tmp_path, tiny):
    wide = np.random.default_rng(2).normal(size=(N, 25))
    rows = evaluated_embedding(written(tmp_path, "npy", z=wide), tiny, ["leiden"], tmp_path / "out")
    assert rows["static/latent"].tolist() == [25, 25]
    assert rows["run/components"].iloc[1] == 20


def test_command(tmp_path, capsys):
    frame = pd.DataFrame(
        np.random.default_rng(3).normal(size=(N, 6)), columns=[f"G{i}" for i in range(6)], index=SAMPLES
    )
    frame.assign(type=["A", "B"] * 30).to_csv(tmp_path / "data.csv")
    arguments = ["evaluate", "--data", str(tmp_path / "data.csv"), "--label", "type", "--metrics", "leiden"]
    arguments += ["--embedding", str(written(tmp_path, "tsv")), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--metric-option", "leiden.neighbours=10", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines[0] == "data: 60 samples x 6 features, such as 'G0'; samples such as 'sample_1'"
    assert ["z", "pca", "covariates", "alone"] in [line.split() for line in lines]
    (ari,) = [line.split() for line in lines if line.startswith("leiden/ari ")]
    first, second = json.loads(last)["rows"]
    assert [float(v) for v in ari[1:]] == pytest.approx(
        [first["metric/leiden/ari"], second["metric/leiden/ari"]], abs=1e-3
    )
    assert "neighbours=10" in json.loads((tmp_path / "out" / "run.json").read_text())["metrics"]["leiden"]
    assert main(["report", str(tmp_path / "out"), "--quiet"]) == 0
    assert "1 embedding of data (60 samples" in (tmp_path / "out" / "report.html").read_text()
    assert main(["evaluate", "--data", str(tmp_path / "data.csv")]) == 2
    assert "--embedding is missing" in capsys.readouterr().err


def test_leftover_columns_are_no_latents(tmp_path):
    frame = pd.DataFrame(Z, columns=["z0", "z1", "z2"])
    frame.insert(0, "sample", SAMPLES)
    frame.to_csv(tmp_path / "z.csv")  # with pandas' index before the names
    np.testing.assert_allclose(read_embedding(tmp_path / "z.csv", SAMPLES), Z, rtol=1e-6)
    frame.assign(age=50).to_csv(tmp_path / "z.csv", index=False)
    with pytest.raises(InputError, match=r"'age', which is no latent"):
        read_embedding(tmp_path / "z.csv", SAMPLES)
