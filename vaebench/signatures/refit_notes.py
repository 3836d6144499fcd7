"""Notes of a refit: what is wrong, how sure it is, and what to do; and the thresholds from which they are made."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from vaebench.data.wording import per_cent
from vaebench.signatures.dispersion import NoiseFit
from vaebench.signatures.learned import learned_sentence
from vaebench.signatures.published import ALL_TYPES, disagreements, usual, without_heir
from vaebench.signatures.sampler.grounds import Ground
from vaebench.signatures.tables import Estimates


@dataclasses.dataclass(frozen=True)
class RefitChecks:
    """Thresholds of the flags and notes of a refit.

    Attributes:
        unusual: probability, shared by all samples, with which one is flagged although the model holds.
        cosine: share of the cosine that counts of a right fit would have with it, below which a sample is flagged.
        clear: such a cosine above which it is judged. That of few mutations is mostly chance.
        surplus: share of a sample's mutations by which its exposures may exceed them, beside 5 standard deviations of these.
        dispersion: smallest excess of the dispersion over 1 that is noted. A cohort of any size has some overdispersion.
        errors: standard errors of the dispersion by which it must exceed 1 to be noted.
        present: P(present) from which a signature counts as present in the table of exposures.
        often: share of the samples from which inseparable signatures are noted; rarer ones are only in the table of sums.
        alike: cosine of two signatures from which counts can hardly ever tell them apart.
        r_hat: R-hat of the worst hundredth of the exposures above which the sampler is noted as slow.
        effective: effective draws of the worst hundredth below which it is.
        usual: share of the published tumours of a type that have a signature from which its absence from the table is noted.
        repeated: mutations from which two samples with the same counts are taken for one sample. Fewer may be chance.
        checked: samples up to which a refit with a published prior is checked on simulated tumours
            (:mod:`vaebench.signatures.self_check`), which takes about as long as the refit of 20; 0 for never.
        few: mutations below which the prior decides what is shown of a sample: a signature with a tenth of them has less
            than one.
    """

    unusual: float = 0.001
    cosine: float = 0.9
    clear: float = 0.8
    surplus: float = 0.1
    dispersion: float = 0.04
    errors: float = 4.0
    present: float = 0.5
    often: float = 0.1
    alike: float = 0.99
    r_hat: float = 1.1
    effective: float = 50.0
    usual: float = 0.5
    repeated: int = 20
    checked: int = 10
    few: int = 10


CHECKS = RefitChecks()
"""The defaults."""
NAME_TISSUE = "; name the tissue if you know it"
"""Advice at the end of the note on the prior, for callers that have such an option."""


_WEAK = (
    "No published exposures are the prior, which is weak: fewer than half of the signatures have names of COSMIC's, such as SBS5 "
    "(the first is {})."
)


def noise_notes(fitted: NoiseFit, checks: RefitChecks, *, intervals: bool = True) -> list[str]:
    """Sentences about noise unlike Poisson's, and what it does to the ``intervals`` if there are any."""
    poisson, found = fitted.poisson, fitted.found
    if poisson.rounding:
        return [
            f"The counts scatter only {poisson.dispersion:.2g} times as much as Poisson counts: they are rounded means "
            "without sampling noise."
            + (" The intervals show how precisely these means determine the exposures." if intervals else "")
        ]
    if fitted.noise != "poisson" and np.isinf(poisson.error):
        return [
            f"The samples have too few mutations to estimate the scatter of a {fitted.noise} model; the counts are taken for "
            "Poisson counts."
        ]
    if not poisson.dispersion > 1 + max(checks.dispersion, checks.errors * poisson.error):
        return []
    effect = {
        "negative_binomial": f"The fit takes them for counts of a negative binomial of size {found.size:.3g}.",
        "dirichlet": "The scatter grows with the mutations of a sample, as where signatures vary between tumours"
        + (", and intervals are widened sample by sample." if intervals else "."),
    }.get(fitted.noise, "Intervals are widened for it." if intervals else "")
    if intervals:
        effect += " That is right for overdispersion, but not for wrong signatures."
    return [
        f"The counts scatter {poisson.dispersion:.2f} times as much as Poisson counts. Either they are overdispersed, or "
        f"the signatures are of another version or genome build, or one is missing. {effect + ' ' if effect else ''}Check the "
        "signatures first."
    ]


def fit_notes(
    fitted: NoiseFit,
    samples: pd.DataFrame,
    signatures: pd.DataFrame,
    diagnostics: dict[str, Any],
    estimates: Estimates | None,
    checks: RefitChecks,
) -> list[str]:
    """Sentences about the noise, the samples and the signatures of a fit, with ``estimates`` of intervals or without."""
    noise = noise_notes(fitted, checks, intervals=estimates is not None)
    return noise + sample_notes(samples, diagnostics, estimates, checks) + twin_notes(signatures, checks)


def mostly_fit(samples: pd.DataFrame) -> bool:
    """False if most samples are misfits, or need a signature that was left out: simulated tumours, which fit, are unlike them."""
    bad = samples["flag"] == "misfit"
    if "needs" in samples:
        bad |= samples["needs"] != ""
    return bool(bad.mean() <= 0.5)


def twin_notes(signatures: pd.DataFrame, checks: RefitChecks) -> list[str]:
    """Sentence about signatures that are alike."""
    unit = signatures.to_numpy() / np.linalg.norm(signatures.to_numpy(), axis=1, keepdims=True)
    alike = np.triu(unit @ unit.T > checks.alike, 1)
    if not alike.any():
        return []
    j, k = np.argwhere(alike)[0]
    more = f" (and {alike.sum() - 1} further pairs)" if alike.sum() > 1 else ""
    return [
        f"{signatures.index[j]} and {signatures.index[k]} have nearly the same spectrum{more}. No counts can tell them "
        "apart: use their sum, or exclude one."
    ]


def sum_notes(signatures: pd.DataFrame, samples: pd.Index, estimates: Estimates, checks: RefitChecks) -> list[str]:
    """Sentence about signatures that the counts of many samples cannot tell apart."""
    counted = collections.Counter(tuple(found[1]) for found in estimates.sums or ())
    members, often = (counted.most_common(1) or [((), 0)])[0]
    if not members or often < checks.often * len(samples):
        return []
    t, _, mean, low, high = next(found for found in estimates.sums or () if tuple(found[1]) == members)
    names = [str(signatures.index[k]) for k in members]
    rest = len(counted) - 1
    some = "" if len(samples) == 1 else f"of {often} of {len(samples)} samples "
    more = f" {rest} other set{' is' if rest == 1 else 's are'} in sums." if rest else ""
    return [
        f"The counts {some}cannot tell {', '.join(names[:-1])} from {names[-1]}: "
        f"together they are {mean:,.0f} [{low:,.0f}, {high:,.0f}] in {samples[t]}.{more}"
    ]


def prior_notes(
    ground: Ground | None,
    names: pd.Index,
    tissue: str | None,
    estimates: Estimates,
    prior: str | pd.DataFrame,
    alike: Mapping[str, float],
) -> list[str]:
    """Sentences about the published or learned prior, and about how far the data disagree with it."""
    if ground is None and isinstance(prior, str):
        unused = prior == "published" and np.isfinite(estimates.presence).any()
        return [_WEAK.format(str(names[0])[:40])] if unused else []
    if ground is None:
        return ["The learned prior is not used: only spike_slab has a prior."]
    source = f"published exposures of {tissue}" if tissue else _types_alike(alike)
    notes = [f"The prior is from {source}." if isinstance(prior, str) else learned_sentence(prior, tissue)]
    found = disagreements(ground, list(map(str, names)), estimates.presence)
    if found:
        listed = ", ".join(f"{name} in {share:.0%} (expected {p:.0%})" for name, p, share in found[:4])
        more = f" and {len(found) - 4} more" if len(found) > 4 else ""
        notes.append(f"Signatures found more or less often than the prior expects: {listed}{more}.")
    return notes


def usual_notes(
    types: Mapping[str, float], signatures: pd.DataFrame, left_out: pd.DataFrame, checks: RefitChecks
) -> list[str]:
    """Sentence about signatures that most tumours of the ``types`` of the prior have, and that neither table has."""
    if not types:
        return []
    found = usual(types).reindex(without_heir([*signatures.index, *left_out.index])).sort_values(ascending=False)
    found = found[found >= checks.usual]
    if found.empty:
        return []
    listed = ", ".join(f"{name} ({share:.0%})" for name, share in found.iloc[:4].items())
    one = len(found) == 1
    return [
        f"Most published tumours of such types have {listed}, which {'is' if one else 'are'} not among the signatures. Where "
        f"these samples have {'it' if one else 'them'}, other signatures get the mutations, and their intervals are wrong: add "
        f"{'it' if one else 'them'}."
    ]


def repeat_notes(counts: pd.DataFrame, checks: RefitChecks, *, intervals: bool = True) -> list[str]:
    """Sentences about samples that have the counts of another one, or are the sum or the mean of all others."""
    own = counts[counts.sum(axis=1) >= checks.repeated]
    again, said = own[own.duplicated()], _total_notes(own)
    if again.empty:
        return said
    first = own.index[(own == again.iloc[0]).all(axis=1)][0]
    one = len(again) == 1
    harm = "makes the prior too sure, and intervals too narrow" if intervals else "counts twice in the noise"
    return [
        *said,
        f"{len(again)} sample{' has' if one else 's have'} the counts of another one (first: {str(again.index[0])[:40]} those of "
        f"{str(first)[:40]}). A sample that is there twice {harm}: keep one of each.",
    ]


def _total_notes(counts: pd.DataFrame) -> list[str]:
    """Sentence about a sample [M] that is the sum or the mean of all others, of which there are three or more."""
    if len(counts) < 4:
        return []
    x = counts.to_numpy()
    for what, times in (("sum", 1.0), ("mean", len(x) - 1.0)):
        found = np.flatnonzero(np.isclose(times * x, x.sum(0) - x, rtol=1e-6, atol=1e-6).all(1))
        if len(found):
            return [
                f"The sample {str(counts.index[found[0]])[:40]} is the {what} of all others. If it is no sample, leave it out: "
                "it counts in the noise and the prior of the others."
            ]
    return []


def _types_alike(alike: Mapping[str, float]) -> str:
    """Clause about the types that make the prior where no tissue is named."""
    if alike.get(ALL_TYPES, 0.0) > 0.5:  # as of one sample, which is no prior of itself
        return "published exposures of all tumour types; name the tissue for more"
    most = [(kind, share) for kind, share in list(alike.items())[:4] if share >= 0.05 and kind != ALL_TYPES]
    listed = ", ".join(f"{kind} {share:.0%}" for kind, share in most) or "none of them clearly"
    return (
        f"published exposures of the tumour types that these counts resemble ({listed}; the rest are others)"
        f"{NAME_TISSUE}"
    )


def sample_notes(
    samples: pd.DataFrame, diagnostics: dict[str, Any], estimates: Estimates | None, checks: RefitChecks
) -> list[str]:
    """Sentences about samples that do not fit, are empty or have few mutations, and chains that differ."""
    notes = []
    bad, empty = ((samples["flag"] == flag).to_numpy() for flag in ("misfit", "no mutations"))
    doubtful = "exposures" if estimates is None else "intervals"
    if bad.sum() == 1:
        notes.append(
            f"The sample {samples.index[bad][0]} does not fit. A signature of it may be missing. Do not trust its {doubtful}."
        )
    elif bad.any():
        names = ", ".join(map(str, samples.index[bad][:3]))
        notes.append(
            f"{int(bad.sum())} of {len(samples)} samples do not fit (first: {names}). A signature of theirs may be missing. Do "
            f"not trust their {doubtful}."
        )
    if empty.sum() == 1:
        notes.append(f"The sample {samples.index[empty][0]} has no mutations. Its exposures are 0.")
    elif empty.any():
        notes.append(f"{int(empty.sum())} of {len(samples)} samples have no mutations. Their exposures are 0.")
    notes += _few_notes(samples, estimates, checks)
    worst = diagnostics.get("effective_draws_1", math.inf)
    if diagnostics.get("r_hat_99", 1.0) > checks.r_hat or worst < checks.effective:
        notes.append(
            f"The sampler mixes slowly: R-hat {diagnostics['r_hat_99']:.2f} and {worst:.0f} effective draws for the worst "
            f"hundredth of the exposures{_stopped(diagnostics)}. Their intervals are uncertain. Repeat with another seed and "
            "compare."
        )
    return notes


def _few_notes(samples: pd.DataFrame, estimates: Estimates | None, checks: RefitChecks) -> list[str]:
    """Sentence about samples of so few mutations that they hardly change the prior."""
    few = samples[(samples["mutations"] > 0) & (samples["mutations"] < checks.few)]["mutations"]
    if few.empty:
        return []
    prior = estimates is not None and bool(np.isfinite(estimates.presence).any())
    first = f"{few.iloc[0]:g} mutation{'' if few.iloc[0] == 1 else 's'}"
    if len(few) == 1:
        shown = "what is shown of it is the prior, not the sample" if prior else "its exposures are mostly chance"
        return [f"{few.index[0]} has {first}: {shown}."]
    shown = "what is shown of them is the prior, not the samples" if prior else "their exposures are mostly chance"
    return [
        f"{len(few)} of {len(samples)} samples have fewer than {checks.few} mutations (first: {few.index[0]} with {first}): "
        f"{shown}."
    ]


def _stopped(diagnostics: dict[str, Any]) -> str:
    """`` at the limit of 2,150 sweeps`` of a sampler that has one."""
    limit = diagnostics.get("sweeps_limit")
    return f" at the limit of {limit:,} sweeps" if limit else ""


def draw_notes(method: str | None, level: float, options: object) -> list[str]:
    """Note on intervals whose ends are quantiles of too few draws: n of them reach a coverage of 1 - 2 / (n + 1), and no more."""
    draws = getattr(options, "replicates", getattr(options, "draws", 0))
    needed = math.ceil(2 / (1 - level) - 1 - 1e-6)
    if not draws or draws >= needed or method == "conformal":
        return []
    return [
        f"{per_cent(level)} intervals need {needed:,} draws, and {method} has {draws:,}: their ends are the smallest and the "
        f"largest draw, which hold about {1 - 2 / (draws + 1):.1%}. In Python, options= sets more; profile_likelihood needs none."
    ]


def probability_notes(asked: bool, intervals: str | None, estimates: Estimates | None) -> list[str]:
    """Note on probabilities of mutations, where they were ``asked`` for and have no intervals."""
    if not asked or (estimates is not None and estimates.draws is not None):
        return []
    method = intervals or "none"
    return [
        f"Probabilities of mutations have no intervals: intervals {method!r} draws no exposures, as 'spike_slab' does."
    ]
