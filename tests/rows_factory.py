"""Synthetic rows in the shape that a run writes, for the tests of everything that reads rows."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

HYPERS = {"beta_vae": "hyper/beta", "dip_vae": "hyper/lambda_offdiag", "info_vae": "hyper/alpha"}
NAN = float("nan")


def _row(variant, latent, rate, seed, rng, samples):
    level = 0.25 + 0.08 * np.log10(latent) - 0.05 * (np.log10(rate) + 3) ** 2 + 0.03 * (len(variant) % 5)
    ari = float(np.clip(level + rng.normal(0, 0.03), 0, 1))
    epochs = int(rng.integers(40, 80))
    scale = {"vae": 300.0, "beta_vae": 420.0}.get(variant, 350.0) * (1 + 0.2 * (latent > 20))
    curve = scale * (1 + 2.5 * np.exp(-np.arange(epochs) * rate * 80)) + rng.normal(0, 4, epochs)
    aic = 5200.0 - 60 * level + rng.normal(0, 8)
    return {
        "schema": 1,
        "study": "test",
        "point": f"{variant}-{latent}-{rate}-{seed}",
        "status": "OK",
        "static/variant": variant,
        "static/latent": latent,
        "static/hidden": (512,),
        "static/recipe": "textbook",
        "static/batch": 64,
        "traced/seed": seed,
        "traced/learning_rate": rate,
        "traced/init": "glorot",
        "traced/optimizer": "adam",
        "traced/activation": "relu",
        **{column: (4.0 if name == variant else NAN) for name, column in HYPERS.items()},
        "data/name": "synthetic cohort",
        "data/digest": "0123456789abcdef",
        "data/samples": samples,
        "data/features": 2000,
        "data/train": int(samples * 0.8),
        "data/valid": samples - int(samples * 0.8),
        "data/steps": 13,
        "run/lanes": 32,
        "run/epochs": epochs,
        "run/best_epoch": epochs - 10,
        "run/stop": "converged" if seed % 3 else "out_of_epochs",
        "loss/train": float(curve[-1]) * 0.95,
        "loss/valid": float(curve[-1]),
        "loss/best_valid": float(curve.min()),
        "history/valid": [float(v) for v in curve],
        "metric/leiden/ari": ari,
        "metric/leiden/clusters": 12,
        "metric/leiden/status": "OK",
        "metric/cox/aic": aic,
        "metric/cox/aic_covariates": 5190.0,
        "metric/cox/delta_aic": aic - 5190.0,
        "metric/cox/events": 310,
        "metric/cox/samples": samples - 30,
        "metric/cox/left_out_no_event_labels": 20,
        "metric/cox/status": "OK",
    }


def fail(rows: pd.DataFrame, which, status: str = "DIVERGED") -> pd.DataFrame:
    """Give the rows at positions ``which`` a failed training: no loss, no scores."""
    rows = rows.copy()
    index = rows.index[which]
    rows.loc[index, "status"] = status
    rows.loc[index, "run/stop"] = "diverged"
    scores = [c for c in rows.columns if c.startswith(("loss/", "metric/")) and not c.endswith("/status")]
    rows[scores] = rows[scores].astype(float)
    rows.loc[index, scores] = NAN
    rows.loc[index, [c for c in rows.columns if c.startswith("metric/") and c.endswith("/status")]] = None
    return rows


def make_rows(
    variants=("vae", "beta_vae"), latents=(10, 50), rates=(1e-3, 1e-4), seeds=3, baseline=True, samples=1000, gap=0.0
) -> pd.DataFrame:
    """Rows of a full grid; ``gap`` raises the PCA baseline's ARI."""
    rng = np.random.default_rng(7)
    lines = [_row(*point, rng, samples) for point in itertools.product(variants, latents, rates, range(seeds))]
    for latent in latents if baseline else ():
        line = _row("vae", latent, 1e-3, 0, rng, samples)
        for name in line:
            if name.startswith(("traced/", "loss/", "run/", "history/")):
                line[name] = NAN
        line.update({"static/variant": "pca", "point": f"pca-{latent}", "static/hidden": None})
        line["metric/leiden/ari"] += gap
        lines.append(line)
    return pd.DataFrame(lines)


SCORE = "metric/leiden/ari"
AXES = {
    "static/latent": (10, 20, 50),
    "traced/learning_rate": (1e-4, 1e-3, 1e-2, 1e-1),
    "traced/optimizer": ("adam", "sgd"),
}
NAMES = list(AXES)


def grid(value, seeds=1, axes=AXES):
    """Rows of a full factorial whose score is ``value(levels, seed)``."""
    lines = []
    for levels in itertools.product(*axes.values()):
        for seed in range(seeds):
            line = {"status": "OK", "static/variant": "vae", "static/latent": 10, "traced/seed": seed}
            lines.append({**line, **dict(zip(axes, levels, strict=True)), SCORE: value(levels, seed)})
    return pd.DataFrame(lines)
