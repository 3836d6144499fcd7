"""Extraction: a catalogue in; signatures, exposures and the choice of their number out, by any method of the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from vaebench.data.files.folders import whole_folder
from vaebench.data.files.writing import write_frame
from vaebench.data.mutations.channels import checked_catalogue, checked_signatures, refuse_other_context, refuse_shares
from vaebench.data.mutations.opportunities import Opportunities, write_opportunities
from vaebench.data.mutations.tables import cancer_types, write_exposures, write_signatures, write_sigprofiler
from vaebench.errors import InputError, check_choice, checked_seed, whole_number
from vaebench.signatures import interchange, plots
from vaebench.signatures.extraction_notes import ambiguity_notes, choice_notes, drawn_notes
from vaebench.signatures.kept import OPPORTUNITIES, PRIOR
from vaebench.signatures.learned import learned_prior
from vaebench.signatures.matching import fit_cosines, matches
from vaebench.signatures.methods import METHODS, ExtractionMethod, ExtractionTask, loaded
from vaebench.signatures.opportunities import Given, Scaled, at_genome, converted, known_opportunities, scale_notes
from vaebench.signatures.selection import RULES
from vaebench.signatures.sparse.options import SparseOptions
from vaebench.signatures.steps import keeping_steps
from vaebench.types.shown import one_line, tables_page

if TYPE_CHECKING:
    from anndata import AnnData

_TRAINING = {"augmentation": 5, "epochs": 1000, "patience": 30}
"""How autoencoders train unless told otherwise."""


class Extraction(NamedTuple):
    """Result of an extraction.

    Attributes:
        signatures: [S, 96], rows that sum to 1, named S1, S2, ... in decreasing order of their mutations.
        exposures: [T, S] in mutations; zeros for a sample without mutations.
        samples: one row for each sample: ``mutations``, and ``cosine`` of its counts and their fit, NaN without mutations.
        selection: one row for each number of signatures, ``chosen`` true in one; columns of
            :func:`vaebench.signatures.selection.selection_table` and, of autoencoders, ``active`` (latents in use) and
            ``latent_kl`` (nats per latent), both means over restarts; of ``"sparse"``, ``swaps``.
        matches: :func:`vaebench.signatures.matching.matches` with the reference; ``None`` without one.
        method: name of the method.
        notes: sentences that a reader of the result should see.
        genome: with opportunities, the signatures on the genome's scale, and the yields by which exposures are divided.
        catalogue: the counts [T, 96] that it was made from; ``None`` for a result of an earlier version.
        opportunities: of the counts, which ``signatures`` are on the scale of; ``None`` for the genome's.
    """

    __repr__ = one_line
    _repr_html_ = tables_page
    plot_signatures = plots.plot_signatures
    plot_exposures = plots.plot_exposures
    plot_sample = plots.plot_sample
    plot_burden = plots.plot_burden
    plot_comparison = plots.plot_comparison
    to_anndata = interchange.to_anndata

    signatures: pd.DataFrame
    exposures: pd.DataFrame
    samples: pd.DataFrame
    selection: pd.DataFrame
    matches: pd.DataFrame | None
    method: str
    notes: tuple[str, ...]
    genome: Scaled | None = None
    catalogue: pd.DataFrame | None = None
    opportunities: Opportunities | None = None

    @classmethod
    def from_anndata(cls, adata: AnnData, asignatures: AnnData | None = None) -> Extraction:
        """Read an extraction from AnnData, as :meth:`to_anndata` or salamander writes it.

        Args:
            adata: counts [T, M] in ``X``, exposures [T, S] in ``obsm["exposures"]``.
            asignatures: signatures [S, M] in ``X``; by default ``adata.uns["signatures"]``, as ``to_anndata`` writes them.

        Raises:
            InputError: exposures or signatures are missing, or of other sizes.
        """
        return cls(**interchange.read_parts(adata, asignatures))

    def save(self, folder: str | Path, *, types: pd.Series | None = None, tsv: bool = False) -> None:
        """Write the tables that ``vaebench extract`` writes into ``folder``, which is created if it is missing.

        ``signatures.csv``, ``exposures.csv``, ``samples.csv``, ``selection.csv``, ``prior.csv`` (what a refit of new samples
        takes over, for ``types`` or those in names like ``type::sample``), and ``matches.csv`` if there was a reference; with
        opportunities also ``signatures_genome.csv``, ``exposures_genome.csv`` and ``opportunities.csv``. They replace all files
        of an earlier extraction, which ``manifest.json`` names, in one step; other files stay. Intervals have a ``save`` of
        their own, to be called after this one.

        Args:
            folder: of the result.
            tsv: write ``signatures.tsv``, ``exposures.tsv`` and ``catalogue.tsv`` too, in the layout that SigProfilerPlotting
                reads.

        Raises:
            InputError: ``folder`` holds the results of another command.

        Example:
            >>> import tempfile, vaebench as vb
            >>> catalogue, _ = vb.data.simulate_catalogue(seed=0, tumours=40, signatures=3, types=2)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     vb.signatures.extract(catalogue, k=3, method="nmf", restarts=2).save(folder)
        """
        with whole_folder(folder, "extract") as new:
            write_signatures(self.signatures, new / "signatures.csv")
            write_exposures(self.exposures, new / "exposures.csv")
            if self.genome is not None:
                write_signatures(self.genome.signatures, new / "signatures_genome.csv")
                write_exposures(self.exposures / self.genome.yields, new / "exposures_genome.csv")
            if self.opportunities is not None:
                write_opportunities(self.opportunities, new / OPPORTUNITIES)
            write_frame(self.samples.rename_axis("Samples").reset_index(), new / "samples.csv")
            write_frame(self.selection, new / "selection.csv")
            types = cancer_types(self.exposures.index) if types is None else types
            write_frame(learned_prior(self.exposures, types=types), new / PRIOR)
            if self.matches is not None:
                write_frame(self.matches, new / "matches.csv")
            if tsv:
                write_sigprofiler(new, self.exposures, self.signatures, self.catalogue)


def methods() -> tuple[str, ...]:
    """Names that ``method`` may take: those of :data:`vaebench.signatures.methods.METHODS`."""
    return tuple(METHODS)


def extract(
    catalogue: pd.DataFrame,
    *,
    k: int | Iterable[int] = range(2, 16),
    method: str = "sparse",
    restarts: int = 10,
    seed: int = 0,
    reference: pd.DataFrame | None = None,
    prior_weight: float = 0.0,
    progress: Callable[[str, int, int], None] | None = None,
    rule: str | None = None,
    augmentation: int = _TRAINING["augmentation"],
    epochs: int = _TRAINING["epochs"],
    patience: int = _TRAINING["patience"],
    settings: Mapping[str, Any] | None = None,
    fractions: bool = False,
    opportunities: Given | None = None,
    options: SparseOptions | None = None,
    steps: str | Path | None = None,
) -> Extraction:
    """Extract mutational signatures and their exposures from a catalogue, and choose their number.

    ``"sparse"`` is this package's own method (:mod:`vaebench.signatures.sparse`). ``"nmf"`` (KL, multiplicative updates) and
    the autoencoders follow the framework of MUSE-XAE (:mod:`vaebench.signatures.restarts`; Pancotti et al. 2024).

    Args:
        catalogue: counts [T, M], labelled by sample and channel, of any context.
        k: the numbers of signatures to try, or the one to use; numbers above that of the samples are left out with a note.
        method: one of :func:`methods`.
        restarts: random starts for each number.
        seed: of all random numbers.
        reference: known signatures [S', M], to match with.
        prior_weight: samples that each known signature is worth as the prior of an extracted one near it
            (:mod:`vaebench.signatures.sparse.known`); 0 for no prior. 100 is a good choice for known signatures of the same
            genome build. Of ``"sparse"`` only, and with a ``reference``.
        progress: called with what was done, steps done and steps in all.
        rule: of the choice, ``"stability"`` or ``"criterion"`` (:func:`vaebench.signatures.selection.selection_table`);
            always the criterion for ``"sparse"``, and stability by default for others.
        augmentation: redraws of each sample that an autoencoder trains on (MUSE-XAE 100, gislum2024 20).
        epochs: most epochs of an autoencoder.
        patience: epochs without a lower loss after which an autoencoder stops.
        settings: other settings of an autoencoder; see :func:`vaebench.signatures.autoencoders.fits.trained_signatures`.
        fractions: allow counts that are not whole numbers.
        opportunities: as for :func:`vaebench.signatures.refit`; the reference is that of the genome.
        options: constants of ``"sparse"``; other methods have none.
        steps: folder that keeps finished steps, so that the same call continues after an interrupt, with the same result; delete
            it once the result is saved. ``None`` keeps nothing.

    Returns:
        Signatures, exposures, the table of all numbers, and notes; :meth:`Extraction.save` writes them.

    Raises:
        InputError: for a table that is no catalogue, or an option that is not allowed.
        RunError: if every restart of every number failed.

    Example:
        >>> import vaebench as vb
        >>> catalogue, truth = vb.data.simulate_catalogue(seed=0, tumours=40, signatures=3, types=2)
        >>> found = vb.signatures.extract(catalogue, k=range(2, 5), method="nmf", restarts=3, reference=truth.signatures)
        >>> found.selection[["k", "criterion", "chosen"]], found.matches[["extracted", "reference", "cosine"]]  # doctest: +SKIP
    """
    table = checked_catalogue(catalogue, fractions=fractions)
    refuse_shares(table)
    known, scales = _at_scale(table, reference, opportunities)
    whole, used = table.to_numpy(), table.to_numpy().sum(1) > 0
    numbers, capped = _numbers(k, int(used.sum()))
    training = {"augmentation": augmentation, "epochs": epochs, "patience": patience, "settings": settings}
    chosen = _checked_method(method, restarts, seed, rule, training, options)
    _check_prior(method, prior_weight, reference is not None)
    asked = {"numbers": numbers, "restarts": restarts, "seed": seed, "training": training, "options": options}
    task = ExtractionTask(
        method=chosen,
        counts=whole[used],
        rule=rule or chosen.rules[0],
        **asked,
        tell=progress or (lambda what, done, total: None),
        known=known.to_numpy() if known is not None and prior_weight > 0 else None,
        prior_weight=float(prior_weight),
    )
    with keeping_steps(steps):
        found = loaded(chosen.function)(task)
    order = np.argsort(-found.exposures.sum(0), kind="stable")
    names = [f"S{i + 1}" for i in range(len(order))]
    signatures = pd.DataFrame(found.signatures[order], names, table.columns)
    exposures = np.zeros((len(whole), len(order)))
    exposures[used] = found.exposures[:, order]
    fits = {"mutations": whole.sum(1), "cosine": fit_cosines(whole, exposures @ signatures.to_numpy())}
    notes = scales + capped + choice_notes(table.index[~used], found.table, numbers, whole[used], prior_weight > 0)
    notes += ambiguity_notes(found.reassignments, np.argsort(order))
    result = Extraction(
        signatures=signatures,
        exposures=pd.DataFrame(exposures, table.index, names),
        samples=pd.DataFrame(fits, table.index),
        selection=found.table,
        matches=None if known is None else matches(signatures, known),
        method=method,
        catalogue=table,
        notes=notes + drawn_notes([found.priors[i] for i in order] if found.priors else [], known, prior_weight),
    )
    return _on_both_scales(result, known_opportunities(opportunities, table))


def _at_scale(
    counts: pd.DataFrame, reference: pd.DataFrame | None, opportunities: Given | None
) -> tuple[pd.DataFrame | None, tuple[str, ...]]:
    """The reference, checked and converted to the opportunities of the counts, and notes where there are none."""
    if reference is None:
        return None, ()
    known = checked_signatures(reference, source="the reference")
    refuse_other_context(counts, known, "the reference")
    found = converted(opportunities, counts, known)
    return found.signatures, tuple(found.notes) if opportunities is None else ()


def _on_both_scales(result: Extraction, target: Opportunities | None) -> Extraction:
    """The result with its signatures on the genome's scale too, if there are opportunities."""
    if target is None:
        return result
    genome = at_genome(result.signatures, target)
    return result._replace(
        genome=genome, opportunities=target, notes=(*scale_notes(target, genome.yields), *result.notes)
    )


def _numbers(k: int | Iterable[int], samples: int) -> tuple[list[int], tuple[str, ...]]:
    """Checked numbers of signatures, in increasing order, each once, up to the number of samples; and a note on that."""
    asked = []
    given = k if isinstance(k, Iterable) and not isinstance(k, str) else [k]
    for number in given:  # checked one by one: a range may be endless
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or not 1 <= number <= 96:
            raise InputError(f"k holds {number!r}; a number of signatures must be a whole number from 1 to 96")
        asked.append(number)
    if not asked:
        raise InputError(f"k={k!r} holds no number of signatures; give one, or a range such as range(2, 16)")
    tried = sorted({int(number) for number in asked if number <= samples})
    if not tried:
        raise InputError(
            f"k goes up to {max(asked)}, but the catalogue has {samples} sample{'s' * (samples != 1)} with mutations; "
            "there cannot be more signatures than samples"
        )
    if max(asked) <= samples:
        return tried, ()
    have = "1 sample has" if samples == 1 else f"{samples} samples have"
    most = "1 signature was" if tried[-1] == 1 else f"{tried[-1]} signatures were"
    note = f"Up to {most} tried, not {max(asked)}, since only {have} mutations."
    return tried, (note,)


def _checked_method(
    method: str, restarts: int, seed: int, rule: str | None, training: Mapping[str, Any], options: object
) -> ExtractionMethod:
    """The method; ``InputError`` for an option that is not allowed, or not with it."""
    check_choice("method", method, METHODS)
    entry = METHODS[method]
    whole_number("restarts", restarts, 1, 10_000)
    checked_seed(seed)
    for name, value in training.items():
        if value and value != _TRAINING.get(name) and not entry.trains:
            raise InputError(f"{name}={value!r} is not allowed with method={method!r}; it is an autoencoder's")
    if rule is not None:
        check_choice("rule", rule, RULES)
    if rule is not None and rule not in entry.rules:
        allowed = " or ".join(f"the {name}" for name in entry.rules)
        raise InputError(f"rule={rule!r} is not allowed with method={method!r}, whose number is chosen by {allowed}")
    if options is None:
        return entry
    if not entry.options:
        raise InputError(f"options={options!r} is not allowed with method={method!r}, which has no options of its own")
    if not isinstance(options, loaded(entry.options)):
        needed = entry.options.partition(":")[2]
        raise InputError(f"options={options!r} is not allowed with method={method!r}; it must be a {needed}")
    return entry


def _check_prior(method: str, weight: float, reference: bool) -> None:
    """``InputError`` for a weight of known signatures that is not allowed, or not with these options."""
    number = isinstance(weight, int | float | np.number) and not isinstance(weight, bool)
    if not number or not 0 <= weight < np.inf:
        raise InputError(f"prior_weight={weight!r} is not allowed; it must be a number of samples, 0 or more")
    if weight and not METHODS[method].takes_known:
        raise InputError(
            f"prior_weight={weight!r} is not allowed with method={method!r}, which has no prior on spectra"
        )
    if weight and not reference:
        raise InputError(f"prior_weight={weight!r} needs a reference, the table of signatures that are known")
