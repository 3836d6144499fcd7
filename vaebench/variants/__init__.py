"""The registry of VAE variants: one file and one line each."""

from vaebench.types import Variant, unknown_name
from vaebench.variants import beta_vae, vae

VARIANTS: dict[str, Variant] = {
    module.VARIANT.name: module.VARIANT
    for module in (
        vae,
        beta_vae,
    )
}


def variant(name: str) -> Variant:
    """The variant of that name; :class:`vaebench.types.InputError` with the nearest name otherwise."""
    if name not in VARIANTS:
        raise unknown_name("variant", name, VARIANTS)
    return VARIANTS[name]
