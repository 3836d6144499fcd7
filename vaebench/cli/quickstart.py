"""The quickstart's cohort and points: what ``vaebench quickstart`` trains."""

from __future__ import annotations

from vaebench.data.simulate import simulate_cohort
from vaebench.space import Point, product
from vaebench.types import Dataset


def quickstart_data(seed: int = 0) -> Dataset:
    """A simulated pan-cancer cohort of 1,200 samples x 1,000 genes."""
    dataset, _ = simulate_cohort(seed)
    return dataset


def quickstart_points(seed: int = 0) -> list[Point]:
    """24 points: two variants, two latent dimensions, two learning rates, three seeds."""
    return product(
        variant=["vae", "beta_vae"],
        latent=[10, 50],
        learning_rate=[1e-3, 1e-2],
        seed=range(seed, seed + 3),
        hidden=(128,),
        epochs=100,
        patience=10,
        study="quickstart",
    )
