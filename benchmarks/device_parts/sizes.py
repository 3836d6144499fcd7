"""Sizes of everything that is measured: in full for a GPU, small for a test on a CPU."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What is measured; the defaults are the study's, on one GPU.

    Attributes:
        samples: N of the expression matrix, as TCGA.
        features: D, as the study.
        hidden: width of the hidden layer.
        lanes: numbers of lanes, the most telling first: those at the end are left out when time is short.
        epochs: of training before validation losses are compared.
        copy_megabytes: of the array that is copied.
        product: side of the square matrices that are multiplied.
        torch_steps: steps of the torch loop in one timing.
        band_lanes: trainings of each learning rate that are followed to their end.
        most_epochs: of one training of the grid; the study's 1,000.
        catalogue: samples of the catalogue that autoencoders train on.
        augmentation: redraws of each, as MUSE-XAE.
        restarts: as MUSE-XAE.
        signatures: of that catalogue.
        sparse: (samples, signatures) of the catalogue for ``sparse``.
        refit: (samples, signatures) of the catalogue for ``spike_slab``.
        evaluated: (samples, latents) of the embedding that is evaluated.
        wsepin_draws: of WSEPIN.
    """

    samples: int = 11_014
    features: int = 5_000
    hidden: int = 512
    lanes: tuple[int, ...] = (64, 1, 256, 16, 512, 128, 4, 32, 8, 2)
    epochs: int = 4
    copy_megabytes: int = 2048
    product: int = 8192
    torch_steps: int = 100
    band_lanes: int = 8
    most_epochs: int = 1000
    catalogue: int = 1000
    augmentation: int = 100
    restarts: int = 100
    signatures: int = 11
    sparse: tuple[int, int] = (100, 4)
    refit: tuple[int, int] = (300, 8)
    evaluated: tuple[int, int] = (11_014, 50)
    wsepin_draws: int = 500


SMALL = Sizes(
    samples=200,
    features=60,
    hidden=16,
    lanes=(2, 1),
    epochs=2,
    copy_megabytes=8,
    product=128,
    torch_steps=5,
    band_lanes=1,
    most_epochs=40,
    catalogue=40,
    augmentation=2,
    restarts=2,
    signatures=3,
    sparse=(30, 2),
    refit=(30, 2),
    evaluated=(300, 5),
    wsepin_draws=64,
)
SIZES = {"full": Sizes(), "small": SMALL}
