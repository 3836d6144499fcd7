"""Registry of VAE variants.

A variant is one file with its losses, its weights (``Hyper``), choices that change the program (``Shape``) and its registry entry
``VARIANT``, made by :func:`vaebench.nn.autoencoder.expression_variant` or :func:`vaebench.nn.count_autoencoder.count_variant`;
its name is listed here. ``textbook`` is the loss of the papers' equations, ``benchmarked`` that of the studies' released code.
"""

import importlib

from vaebench.errors import InputError, unknown_name
from vaebench.types import Variant

__all__ = ["VARIANTS", "check_output", "variant"]
__dir__ = __all__.copy

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
    "conditional_vae",
    "mixture_vae",
    "folded_mixture_vae",
    "identifiable_vae",
    "semi_supervised_vae",
    "constrained_vae",
    "vae_ms",
)
VARIANTS: dict[str, Variant] = {name: importlib.import_module(f"{__name__}.{name}").VARIANT for name in _FILES}
"""Name -> variant, in the order in which variants are listed."""


def variant(name: str) -> Variant:
    """Return the variant of that name.

    Raises:
        InputError: the name is unknown; the message has the nearest one.
    """
    if not isinstance(name, str) or name not in VARIANTS:
        raise unknown_name("variant", name, VARIANTS)
    return VARIANTS[name]


def check_likelihood(chosen: Variant, recipe: str, output: str, likelihood: str, kl_warmup: int) -> None:
    """Raise :class:`InputError` for counts, or a warm-up of the KL, where the loss or the output does not allow them."""
    textbook = chosen.domain == "expression" and recipe == "textbook"
    if likelihood != "own" and not (textbook and chosen.gaussian):
        raise InputError(
            f"likelihood is {likelihood!r}, and recipe {recipe!r} of {chosen.name} is no expression model with a Gaussian "
            "likelihood that it could replace; choose another variant or recipe"
        )
    if likelihood != "own" and output != "identity":
        raise InputError(
            f"likelihood is {likelihood!r} and output {output!r}; with counts the output must be 'identity'"
        )
    if kl_warmup and not textbook:
        raise InputError(
            f"kl_warmup is {kl_warmup}, and recipe {recipe!r} of {chosen.name} has none; give 0, or an expression model of "
            "recipe 'textbook'"
        )


def check_output(chosen: Variant, recipe: str, output: str) -> None:
    """Raise :class:`InputError` for correlated errors of a loss that has no Gaussian likelihood of expression."""
    gaussian = chosen.gaussian and chosen.domain == "expression" and recipe == "textbook"
    if output == "correlated" and not gaussian:
        raise InputError(
            f"output is 'correlated', and recipe {recipe!r} of {chosen.name} is no expression model with a Gaussian likelihood; "
            "choose another output, variant or recipe"
        )
