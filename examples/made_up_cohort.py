"""Made-up tumours with known truth: a genome, VCF files of substitutions, doublets and indels, and the signatures behind them.

    python examples/made_up_cohort.py made_up                    # signatures made up too
    python examples/made_up_cohort.py made_up --sbs COSMIC.txt   # SBS1, SBS5 and others of a table
    vaebench count made_up/cohort --reference-genome made_up/genome.fa --out counts
    vaebench extract made_up/cohort --reference-genome made_up/genome.fa --reference made_up/SBS96.csv --out extract
    vaebench refit made_up/new extract --reference-genome made_up/genome.fa --per-mutation --annotate-vcf --out refit

Writes genome.fa, half.bed (half of each chromosome), cohort/ and new/ (one VCF a tumour), types.csv, and for each context
the signatures (SBS96.csv) and the true exposures (SBS96_exposures.csv). Takes a few seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import vaebench as vb
from vaebench.data.mutations.channel_names import CONTEXTS

TYPES = {
    "Liver-HCC": ("SBS1", "SBS5", "SBS22a", "SBS40a"),
    "Lung-AdenoCA": ("SBS1", "SBS5", "SBS4", "SBS13"),
    "Skin-Melanoma": ("SBS1", "SBS5", "SBS7a"),
}
AMOUNTS = {"SBS96": 3000.0, "DBS78": 60.0, "ID83": 400.0}
"""Median mutations of a tumour. The substitutions of doublets are counted in SBS96 too, where no signature explains them."""
COPIES = 120
"""Places in the genome for each kind of indel."""
SIZE = 1_000_000
"""Bases of the chromosomes of substitutions and of doublets."""
BASES = np.array(list("ACGT"))
PAIRS = str.maketrans("ACGT", "TGCA")


def indel_places(rng: np.random.Generator) -> tuple[str, dict[str, list[tuple[int, str, str]]]]:
    """A chromosome with places for each channel of ID83, and the records there: position from 1, REF and ALT."""
    pieces, length, places = [], 0, {name: [] for name in CONTEXTS["ID83"]}
    for name in np.repeat(CONTEXTS["ID83"], COPIES):
        size, kind, base, number = str(name).split(":")
        unit = "".join(rng.permutation(BASES)) + "A" if size == "5" else "".join(rng.permutation(BASES)[: int(size)])
        if base in "CT":
            unit = str(rng.choice(["C", "G"] if base == "C" else ["A", "T"]))
        copies = int(number) + (kind == "Del")
        core = unit + unit[: int(number)] if base == "M" else unit * copies
        after = unit[int(number)] if base == "M" and int(number) < len(unit) else unit[0]
        left = str(rng.choice([b for b in BASES if b != unit[-1]]))
        right = str(rng.choice([b for b in BASES if b != after]))
        piece = "".join(rng.choice(BASES, 12)) + left + core + right + "".join(rng.choice(BASES, 12))
        pos = length + 13  # of the base before the core
        places[str(name)].append((pos, left + unit, left) if kind == "Del" else (pos, left, left + unit))
        pieces.append(piece)
        length += len(piece)
    return "".join(pieces), places


def substitution_places(sequence: str, width: int, step: int) -> dict[str, np.ndarray]:
    """Places (from 0) of each word of ``width`` bases, and of its reverse complement, ``step`` apart."""
    starts = np.arange(step, len(sequence) - step, step)
    words = np.array([sequence[i : i + width] for i in starts])
    return {word: starts[words == word] for word in np.unique(words)}


def records(context: str, channel: str, number: int, genome: dict[str, str], places: dict, rng) -> list[tuple]:
    """Records (chromosome, position, REF, ALT) of ``number`` mutations of one channel."""
    if context == "ID83":
        chosen = rng.choice(len(places[channel]), min(number, COPIES), replace=False)
        return [("3", *places[channel][i]) for i in chosen]
    single = context == "SBS96"
    word = channel[0] + channel[2] + channel[6] if single else channel[:2]
    new = channel[4] if single else channel[3:]
    turned, found = word.translate(PAIRS)[::-1], []
    spots = np.concatenate([places[w] for w in dict.fromkeys((word, turned)) if w in places])
    for start in rng.choice(spots, min(number, len(spots)), replace=False).tolist():
        chrom, at = ("1", start + 1) if single else ("2", start)
        ref = genome[chrom][at : at + (1 if single else 2)]
        same = genome[chrom][start : start + len(word)] == word
        found.append((chrom, at + 1, ref, new if same else new.translate(PAIRS)[::-1]))
    return found


def signatures_of(context: str, table: Path | None, rng: np.random.Generator) -> pd.DataFrame:
    """The signatures [S, M] of all types: those of a table, or sparse ones that are made up."""
    names = list(dict.fromkeys(name for own in TYPES.values() for name in own))
    if context == "SBS96" and table is not None:
        return vb.data.read_signatures(table).loc[names]
    channels = list(CONTEXTS[context])
    own = names if context == "SBS96" else [f"{context[:-2]}{k}" for k in (1, 2, 4, 6)]
    return pd.DataFrame(rng.dirichlet(np.full(len(channels), 0.15), len(own)), own, channels)


def main(out: Path, sbs: Path | None, tumours: int, seed: int) -> None:
    """Write everything into ``out``."""
    rng = np.random.default_rng(seed)
    third, indels = indel_places(rng)
    genome = {name: "".join(rng.choice(BASES, SIZE)) for name in "12"} | {"3": third}
    places = {
        "SBS96": substitution_places(genome["1"], 3, 8),
        "DBS78": substitution_places(genome["2"], 2, 16),
        "ID83": indels,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "genome.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in genome.items()))
    (out / "half.bed").write_text("".join(f"{name}\t0\t{len(bases) // 2}\n" for name, bases in genome.items()))
    new = max(tumours // 12, 1)
    names = [f"P{i:03d}" for i in range(tumours + new)]
    kinds = [list(TYPES)[i % len(TYPES)] for i in range(len(names))]
    pd.DataFrame({"sample": names, "type": kinds}).to_csv(out / "types.csv", index=False)
    drawn: dict[str, list[tuple]] = {name: [] for name in names}
    for context, median in AMOUNTS.items():
        spectra, truth = signatures_of(context, sbs, rng), []
        for name, kind in zip(names, kinds, strict=True):
            own = set(TYPES[kind]) if context == "SBS96" else set(spectra.index[[0, 1 + list(TYPES).index(kind)]])
            total = median * rng.lognormal(0.0, 0.5)
            share = rng.dirichlet(np.ones(len(spectra))) * [signature in own for signature in spectra.index]
            exposure = total * share / share.sum()
            counts = rng.poisson(exposure @ spectra.to_numpy())
            for channel, number in zip(spectra.columns, counts.tolist(), strict=True):
                drawn[name] += records(context, channel, number, genome, places[context], rng) if number else []
            truth.append(exposure)
        spectra.T.rename_axis("Type").to_csv(out / f"{context}.csv")
        pd.DataFrame(truth, names, spectra.index).rename_axis("sample").to_csv(out / f"{context}_exposures.csv")
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"
    for i, name in enumerate(names):
        folder = out / ("cohort" if i < tumours else "new")
        folder.mkdir(exist_ok=True)
        lines = [f"{c}\t{p}\t.\t{ref}\t{alt}\t.\tPASS\t.\tGT\t0/1\n" for c, p, ref, alt in sorted(drawn[name])]
        (folder / f"{name}.vcf").write_text(head + name + "\n" + "".join(lines))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sbs", type=Path, help="table of signatures that has those of TYPES")
    parser.add_argument("--tumours", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    main(given.out, given.sbs, given.tumours, given.seed)
