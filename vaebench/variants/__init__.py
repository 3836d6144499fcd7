"""The registry of VAE variants: one file each, and its name here."""

import importlib

from vaebench.errors import unknown_name
from vaebench.types import Variant

_FILES = (
    "vae",
    "beta_vae",
    "beta_tc_vae",
    "dip_vae",
    "iwae",
    "categorical_vae",
    "info_vae",
    "logcosh_vae",
    "huber_vae",
    "quantile_vae",
    "miwae",
    "swae",
    "muse_xae",
    "folded_normal_vae",
    "exponential_vae",
    "weibull_vae",
    "spike_slab_vae",
)
VARIANTS: dict[str, Variant] = {name: importlib.import_module(f"{__name__}.{name}").VARIANT for name in _FILES}
"""Name -> variant, in the order in which variants are listed."""


def variant(name: str) -> Variant:
    """Return the variant of that name; :class:`vaebench.errors.InputError` with the nearest name otherwise."""
    if name not in VARIANTS:
        raise unknown_name("variant", name, VARIANTS)
    return VARIANTS[name]
