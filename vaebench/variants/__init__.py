"""The registry of VAE variants: one file and one line each."""

from vaebench.errors import unknown_name
from vaebench.types import Variant
from vaebench.variants import (
    beta_tc_vae,
    beta_vae,
    categorical_vae,
    dip_vae,
    exponential_vae,
    folded_normal_vae,
    huber_vae,
    info_vae,
    iwae,
    logcosh_vae,
    miwae,
    muse_xae,
    quantile_vae,
    spike_slab_vae,
    swae,
    vae,
    weibull_vae,
)

VARIANTS: dict[str, Variant] = {
    module.VARIANT.name: module.VARIANT
    for module in (
        vae,
        beta_vae,
        beta_tc_vae,
        dip_vae,
        iwae,
        categorical_vae,
        info_vae,
        logcosh_vae,
        huber_vae,
        quantile_vae,
        miwae,
        swae,
        muse_xae,
        folded_normal_vae,
        exponential_vae,
        weibull_vae,
        spike_slab_vae,
    )
}


def variant(name: str) -> Variant:
    """The variant of that name; :class:`vaebench.errors.InputError` with the nearest name otherwise."""
    if name not in VARIANTS:
        raise unknown_name("variant", name, VARIANTS)
    return VARIANTS[name]
