"""A simulated cancer cohort with known expression programmes, batches and hazards.

The model of a cohort of N tumours and D genes:

1. Each tumour has a type (label), a batch, an age and a gender; types come from few batches, so the two are confounded.
2. It has activities of P programmes: proliferation, immune infiltration, hypoxia, tissue programmes, age and gender,
   each standardised over the cohort.
3. Expression = gene level + activities @ loadings + batch shift + noise, clipped to [0, 16]; loadings are sparse.
4. Log hazard = effect of the type + 0.03 age + 0.5 proliferation + 0.35 hypoxia - 0.4 immune; times are Weibull, and
   70% are censored.
5. Days to metastasis shorten with proliferation; signature shares depend on type and age.

Clinical values and expression use separate random streams, so the number of genes changes no clinical value.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from vaebench.data.dataset import dataset_from_arrays
from vaebench.errors import whole_number
from vaebench.types import Dataset, Survival
from vaebench.types.shown import one_line

HAZARD_COEFFICIENTS = {"age": 0.03, "proliferation": 0.5, "hypoxia": 0.35, "immune": -0.4}
"""Log hazard ratio per year of age, and per standard deviation of a programme."""

CENSORED = 0.7
"""Share of samples with censored survival, as in TCGA."""
_WEIBULL_SHAPE = 1.2  # above 1: the hazard grows with time
_METASTASIS = 0.15  # share of samples with an observed metastasis
_TISSUE_SPREAD = 0.3  # standard deviation of a tissue programme within a type, before standardising
_BLOCK = 500  # genes drawn at once, so that memory stays near that of the float32 result
_SIGNATURES = ("SBS1", "SBS2", "SBS5", "SBS13", "SBS15", "SBS40")


@dataclasses.dataclass(frozen=True)
class Truth:
    """The true parameters of a simulated cohort.

    Samples are in the order of the data set, and genes in the order before constant ones were dropped.

    Attributes:
        types: [N] int32 positions of the types, the data set's labels.
        programmes: names of the P programmes; first proliferation, immune and hypoxia, last age and gender.
        activities: [N, P] float64, standardised over the cohort.
        loadings: [P, D] float64, log2 expression per standard deviation of activity; most are 0.
        genes: [D] names.
        log_hazards: [N] float64, up to a constant.
        coefficients: factor -> log hazard ratio per unit, as in :data:`HAZARD_COEFFICIENTS`.
        type_effects: [C] float64, log hazard of each type.
        batches: [N] int32 positions of the batches.
    """

    __repr__ = one_line

    types: np.ndarray
    programmes: tuple[str, ...]
    activities: np.ndarray
    loadings: np.ndarray
    genes: np.ndarray
    log_hazards: np.ndarray
    coefficients: dict[str, float]
    type_effects: np.ndarray
    batches: np.ndarray


class _Cohort(NamedTuple):
    """Clinical values of the samples, [N] each, and the activities [N, P] of the named programmes."""

    types: np.ndarray
    batches: np.ndarray
    age: np.ndarray
    female: np.ndarray
    programmes: tuple[str, ...]
    activities: np.ndarray


def simulated(
    seed: int = 0, samples: int = 1200, genes: int = 1000, types: int = 12, scaling: str = "zscore"
) -> Dataset:
    """Returns the data set of :func:`simulate_cohort` without the truth, for the registry of data sets."""
    return simulate_cohort(seed, samples=samples, genes=genes, types=types, scaling=scaling)[0]


def simulate_cohort(
    seed: int = 0, *, samples: int = 1200, genes: int = 1000, types: int = 12, scaling: str = "zscore"
) -> tuple[Dataset, Truth]:
    """Simulates a cancer cohort with expression, labels, survival, covariates and factors.

    Expression, on a log2-like scale from 0 to 16, is a sum of sparse programmes (proliferation, immune infiltration,
    hypoxia, tissue programmes shared by types, age, gender), batch shifts, and noise that differs between genes. The sizes
    of types decrease geometrically. Survival times are Weibull with proportional hazards in age, proliferation, hypoxia,
    immune infiltration and type; 70% are censored. Days to metastasis are NaN for 85% of the samples. Signature shares
    depend on type and age, not on expression, and sum to at most 1.

    Args:
        seed: whole number, 0 or more.
        samples: N, at least 10 for each type, from 60 to 50,000.
        genes: D before constant genes are dropped, from 50 to 25,000.
        types: number of cancer types C, from 2 to 33.
        scaling: ``"zscore"``, ``"unit"`` or ``"none"``.

    Returns:
        The data set and the true parameters. Times are in days, ages in years.

    Raises:
        InputError: an option is not allowed.

    Example:
        >>> data, truth = simulate_cohort(seed=0, samples=300, genes=100, types=5)
        >>> data.x.shape, truth.loadings.shape[1]
        ((300, 100), 100)
    """
    whole_number("seed", seed, 0, None)
    whole_number("types", types, 2, 33)
    whole_number("samples", samples, max(60, 10 * types), 50_000)
    whole_number("genes", genes, 50, 25_000)
    clinical, genomic = (np.random.Generator(np.random.PCG64([int(seed), stream])) for stream in (0, 1))
    cohort = _cohort(clinical, samples, types)
    effects = clinical.normal(0.0, 0.4, types)
    log_hazards = effects[cohort.types] + HAZARD_COEFFICIENTS["age"] * (cohort.age - 60.0)
    for factor in ("proliferation", "hypoxia", "immune"):
        log_hazards += HAZARD_COEFFICIENTS[factor] * cohort.activities[:, cohort.programmes.index(factor)]
    survival = _survival(clinical, log_hazards)
    factors = {name: cohort.activities[:, i] for i, name in enumerate(("proliferation", "immune", "hypoxia"))}
    factors["age"], factors["gender"] = cohort.age, cohort.female.astype(np.float64)
    factors["days_to_metastasis"] = _metastasis(clinical, factors["proliferation"], survival.time)
    factors |= _signature_shares(clinical, cohort)
    loadings = _loadings(genomic, cohort.programmes, genes)
    names = np.array([f"GENE{i + 1:05d}" for i in range(genes)])
    dataset = dataset_from_arrays(
        _expression(genomic, cohort, loadings),
        samples=[f"SAMPLE{i + 1:05d}" for i in range(samples)],
        features=names,
        labels=[f"TYPE{i + 1:02d}" for i in cohort.types],
        survival=survival,
        covariates={"age": cohort.age, "gender": np.where(cohort.female, "female", "male")},
        # rounded as in files, so that differences in a machine's last digits do not change the digest
        factors={name: np.round(values, 6) for name, values in factors.items()},
        scaling=scaling,
        name="simulated",
        provenance={"source": "simulate_cohort", "options": {"seed": int(seed), "genes": genes, "types": types}},
    )
    truth = Truth(
        types=cohort.types,
        programmes=cohort.programmes,
        activities=cohort.activities,
        loadings=loadings,
        genes=names,
        log_hazards=log_hazards,
        coefficients=dict(HAZARD_COEFFICIENTS),
        type_effects=effects,
        batches=cohort.batches,
    )
    return dataset, truth


def _cohort(rng: np.random.Generator, samples: int, types: int) -> _Cohort:
    """Draws types, batches, age, gender and activities."""
    kinds = rng.permutation(np.repeat(np.arange(types), _type_sizes(samples, types))).astype(np.int32)
    # each type comes from 3 batches, as tumours come from collection sites, so batch and type are partly confounded
    batch_count = max(3, types // 2)
    sites = np.array([rng.permutation(batch_count)[:3] for _ in range(types)])
    batches = sites[kinds, rng.integers(0, 3, samples)].astype(np.int32)
    age = np.clip(rng.uniform(50.0, 68.0, types)[kinds] + rng.normal(0.0, 11.0, samples), 18.0, 90.0).round(1)
    women = rng.uniform(0.35, 0.65, types)
    women[0] = 1.0  # one type occurs in women only, one in men only
    if types > 2:
        women[2] = 0.0
    female = rng.random(samples) < women[kinds]

    within = rng.normal(0.0, 1.0, (samples, 3))
    within[:, 2] = 0.4 * within[:, 0] + np.sqrt(1 - 0.4**2) * within[:, 2]  # hypoxic tumours proliferate more
    known = rng.normal(0.0, 0.8, (types, 3))[kinds] + within
    tissues = 4 + types // 3
    # a type uses 1 to 3 tissue programmes, some of them shared with other types, so that types overlap
    profile = np.array([np.isin(np.arange(tissues), rng.permutation(tissues)[: 1 + i % 3]) for i in range(types)])
    levels = profile * rng.uniform(1.0, 2.0, (types, tissues))
    tissue = levels[kinds] + rng.normal(0.0, _TISSUE_SPREAD, (samples, tissues))
    activities = np.column_stack([known, tissue, age, female])
    names = ("proliferation", "immune", "hypoxia", *(f"tissue_{i + 1}" for i in range(tissues)), "age", "gender")
    return _Cohort(kinds, batches, age, female, names, _standardised(activities))


def _type_sizes(samples: int, types: int) -> np.ndarray:
    """Sizes [C] that decrease geometrically to a twentieth, above a floor of 15, or of 5 when samples are few."""
    floor = 15 if samples >= 30 * types else 5
    weights = 20.0 ** (-np.arange(types) / (types - 1))
    sizes = floor + np.floor((samples - floor * types) * weights / weights.sum()).astype(int)
    sizes[0] += samples - sizes.sum()
    return sizes


def _standardised(values: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and standard deviation 1."""
    return (values - values.mean(axis=0)) / values.std(axis=0)


def _survival(rng: np.random.Generator, log_hazards: np.ndarray) -> Survival:
    """Weibull times in whole days, with a median near 5 years; follow-up is scaled to censor 70%."""
    waits = rng.exponential(1.0, log_hazards.size)
    days = 2000.0 * (waits * np.exp(-(log_hazards - log_hazards.mean()))) ** (1 / _WEIBULL_SHAPE)
    follow_up = rng.gamma(1.5, 1.0, log_hazards.size)
    follow_up *= np.quantile(days / follow_up, 1 - CENSORED)
    return Survival(time=np.ceil(np.minimum(days, follow_up)), event=days <= follow_up)


def _metastasis(rng: np.random.Generator, proliferation: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Days to metastasis [N], shorter with proliferation; NaN where none was observed within the survival time."""
    days = rng.exponential(1.0, time.size) * np.exp(-0.7 * proliferation)
    days = np.ceil(days / np.quantile(days / time, _METASTASIS))
    return np.where(days <= time, days, np.nan)


def _signature_shares(rng: np.random.Generator, cohort: _Cohort) -> dict[str, np.ndarray]:
    """Share of each signature in a sample's mutations, [N] each; the remainder belongs to unlisted signatures."""
    samples, types = len(cohort.types), int(cohort.types.max()) + 1
    apobec = rng.lognormal(-1.5, 1.0, types)[cohort.types] * rng.lognormal(0.0, 1.0, samples)
    burdens = {
        "SBS1": 0.5 * np.exp(0.03 * (cohort.age - 60.0)) * rng.gamma(8.0, 1 / 8, samples),
        "SBS2": apobec * rng.gamma(12.0, 1 / 12, samples),
        "SBS5": np.exp(0.01 * (cohort.age - 60.0)) * rng.gamma(4.0, 1 / 4, samples),
        "SBS13": 0.8 * apobec * rng.gamma(12.0, 1 / 12, samples),
        # mismatch repair is deficient in few samples, where its signature dominates
        "SBS15": np.where(rng.random(samples) < 0.03, rng.gamma(4.0, 1.0, samples), 0.0),
        "SBS40": rng.lognormal(-0.7, 0.5, types)[cohort.types] * rng.gamma(3.0, 1 / 3, samples),
    }
    total = sum(burdens.values()) + rng.gamma(2.0, 0.25, samples)
    return {name: np.floor(1e6 * burdens[name] / total) / 1e6 for name in _SIGNATURES}


def _loadings(rng: np.random.Generator, programmes: tuple[str, ...], genes: int) -> np.ndarray:
    """Loadings [P, D]: each programme acts on a random share of the genes; a gene may belong to several."""
    loadings = np.zeros((len(programmes), genes))
    for row, name in enumerate(programmes):
        share, size = {"age": (0.05, 0.15), "gender": (0.01, 1.0)}.get(name, (0.12, 0.8))
        members = rng.permutation(genes)[: max(3, round(share * genes))]
        signs = np.where(rng.random(members.size) < 0.75, 1.0, -1.0)
        loadings[row, members] = size * signs * rng.gamma(4.0, 0.25, members.size)
    return loadings


def _expression(rng: np.random.Generator, cohort: _Cohort, loadings: np.ndarray) -> np.ndarray:
    """Expression [N, D] in float32, from 0 to 16 with 4 decimals, drawn in blocks of genes."""
    samples, genes = len(cohort.types), loadings.shape[1]
    x = np.empty((samples, genes), dtype=np.float32)
    for start in range(0, genes, _BLOCK):
        block = slice(start, min(start + _BLOCK, genes))
        width = block.stop - block.start
        level = np.clip(rng.normal(8.0, 2.5, width), 1.0, 14.0)
        shifts = rng.normal(0.0, 0.25, (int(cohort.batches.max()) + 1, width))
        spread = np.exp(rng.normal(np.log(0.8), 0.35, width))
        part = rng.normal(0.0, 1.0, (samples, width)) * spread
        part += level + cohort.activities @ loadings[:, block] + shifts[cohort.batches]
        x[:, block] = np.clip(part, 0.0, 16.0).round(4)
    return x
