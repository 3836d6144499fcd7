"""Barcodes of TCGA, TARGET and GTEx: the patient, the type of the sample, and the order of a patient's samples.

A TCGA barcode reads ``TCGA-02-0001-01C-01R-0182-01``: patient (first 12 characters), sample type (``01`` primary tumour, ``11``
normal tissue), vial, portion and analyte, plate, centre. TARGET's are of the same kind; GTEx donors are all without a tumour.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vaebench.errors import InputError

_BARCODE = re.compile(
    r"(?P<patient>TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}|TARGET-\d{2}-[A-Z0-9]{6})(-(?P<type>\d{2})(?P<rest>[A-Z]?(-.*)?))?"
)
_STUDY = re.compile(r"(TCGA|TARGET|GTEX)[-._]", re.IGNORECASE)
_ACCESSION = re.compile(r"GSM\d{3,}\b.*|[SED]RR\d{5,}|ACH-\d{6}|.+\.CEL(\.gz)?", re.IGNORECASE)
"""Names of samples in GEO, SRA and DepMap, and of files of microarrays."""
_DONOR = re.compile(r"(?P<patient>GTEX-[A-Z0-9]{4,5})(-(?P<rest>.*))?")
_TUMOURS = frozenset(
    (*(f"{number:02d}" for number in range(1, 10)), "40", "41", "42")
)  # 40 to 42: recurrent leukaemias
_NORMALS = frozenset(("10", "11", "12", "13", "14", "20"))
_PATIENT_COLUMNS = (
    *(
        "patient",
        "patient_id",
        "patientid",
        "bcr_patient_barcode",
        "case_submitter_id",
        "cases_submitter_id",
        "case_id",
    ),
    *("subject", "subject_id", "subjid", "donor", "donor_id", "icgc_donor_id", "participant", "participant_id"),
)
_TYPE_COLUMNS = (
    *("sample_type", "sample_type_samples", "tissue_type", "tissue_type_samples", "shortlettercode", "definition"),
    *("sample_type_name", "tumor_normal", "tumour_normal"),
)
_CODE_COLUMNS = ("sample_type_id", "sample_type_code", "sample_type")
_PAIRED = re.compile(
    r"(?P<patient>.*?[A-Za-z0-9])([._ -]?(?P<normal>NT|NAT|N|[Nn]ormal|NORMAL|[Aa]dj(acent)?)|"
    r"[._ -]?(T|TP|[Tt]umou?r|TUMOU?R|[Cc]ancer|[Pp]rimary))"
)
"""Endings of the samples of a patient in CPTAC, GEO and many laboratories: C3L-00104.N beside C3L-00104.T."""
_NORMAL = re.compile(r"\bnormal|\bcontrol\b|^n[bt]$|\badjacent\b|\bnat\b|\bhealthy\b", re.IGNORECASE)


class Barcode(NamedTuple):
    """The parts of a barcode: patient, sample type (two digits, ``""`` for a patient's), and what follows the type."""

    patient: str
    type: str
    rest: str

    @property
    def sample(self) -> str:
        """Returns the barcode of the sample, which its vials and aliquots share; ``""`` for a patient's barcode."""
        return f"{self.patient}-{self.type}" if self.type else ""

    @property
    def normal(self) -> bool:
        """Returns true for normal tissue and controls, and for any sample of GTEx."""
        return self.patient.startswith("GTEX") or bool(self.type and self.type not in _TUMOURS)


def cleaned(name: str) -> str:
    """Returns a sample name with hyphens for dots, which R writes for them, and barcodes in capitals."""
    text = str(name).strip()
    if _STUDY.match(text):
        return re.sub(r"[._]", "-", text).upper()
    return text.replace(".", "-")


def barcode(name: str) -> Barcode | None:
    """Returns the parts of a barcode, however its parts are separated; ``None`` for any other name."""
    text = cleaned(name)
    found = _BARCODE.fullmatch(text)
    if found:
        return Barcode(found["patient"], found["type"] or "", found["rest"] or "")
    donor = _DONOR.fullmatch(text)
    return Barcode(donor["patient"], "", donor["rest"] or "") if donor else None


def samples_across(header: Sequence[str]) -> bool:
    """Returns true for the names of columns that are mostly barcodes or the like: the samples of a table are in columns."""
    return sum(barcode(name) is not None or _ACCESSION.fullmatch(name) is not None for name in header) * 2 > len(header)


def sample_types(names: Sequence[str]) -> np.ndarray:
    """Returns the sample type of each barcode, its two digits (01 primary tumour, 11 normal); else ``None``."""
    found = [barcode(name) for name in names]
    return np.array([parts.type or None if parts else None for parts in found], dtype=object)


class Cohort(NamedTuple):
    """Patients and tissues of the samples.

    Attributes:
        patients: [N] names, ``""`` where unknown.
        normal: [N] bool, true for normal tissue and controls.
        told: something says of which tissue the samples are: a sample type in a barcode, a column, or names in pairs.
        order: [N] keys; of a patient's samples, the one with the lowest is the usual choice: a tumour before normal tissue,
            then the lowest sample type, vial and portion.
    """

    patients: np.ndarray
    normal: np.ndarray
    told: bool
    order: list[tuple[bool, str, str]]


def cohort_of(names: Sequence[str], columns: dict[str, np.ndarray]) -> Cohort:
    """Finds patients and tissues from barcodes, else from columns such as ``patient_id`` and ``sample_type``.

    Args:
        names: [N] sample names.
        columns: columns of the table, name -> [N].
    """
    parts = [barcode(name) for name in names]
    plain = {re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"): name for name in columns}
    patient = next((columns[plain[name]] for name in _PATIENT_COLUMNS if name in plain), np.full(len(names), None))
    known = [_types_of(columns[plain[name]]) for name in _CODE_COLUMNS if name in plain]
    known += [columns[plain[name]] for name in _TYPE_COLUMNS if name in plain]
    tissue = next((c for c in known if c.dtype.kind == "O" and any(map(_says_normal, c))), np.full(len(names), None))
    paired = _paired(names) if not any(parts) else {}
    patients = [p.patient if p else "" if v is None or v != v else str(v) for p, v in zip(parts, patient, strict=True)]
    normal = [p.normal if p else _says_normal(t) for p, t in zip(parts, tissue, strict=True)]
    for position, (name, is_normal) in paired.items():
        patients[position] = patients[position] or name
        normal[position] = normal[position] or is_normal
    order = [(n, p.type if p else "", p.rest if p else "") for n, p in zip(normal, parts, strict=True)]
    told = bool(known or paired) or any(p.type or p.normal for p in parts if p)
    return Cohort(np.array(patients, dtype=object), np.array(normal, dtype=bool), told, order)


def _paired(names: Sequence[str]) -> dict[int, tuple[str, bool]]:
    """Returns patient and tissue of the samples whose names differ in their ending only: ``S1N`` and ``S1T`` or ``S1``.

    Two such pairs are needed, so that a name that ends in N by chance is left alone.
    """
    found = {i: match for i, name in enumerate(names) if (match := _PAIRED.fullmatch(str(name)))}
    tumours = {str(name): i for i, name in enumerate(names) if i not in found}
    tumours |= {match["patient"]: i for i, match in found.items() if not match["normal"]}
    pairs = [
        (i, tumours[m["patient"]], m["patient"]) for i, m in found.items() if m["normal"] and m["patient"] in tumours
    ]
    if len(pairs) < 2:
        return {}
    return {place: (name, place == i) for i, tumour, name in pairs for place in (i, tumour)}


def _types_of(column: np.ndarray) -> np.ndarray:
    """Returns a column of TCGA's codes of sample types (1 or 01 for a primary tumour, 11 for normal tissue, ...) as words.

    Any other column is returned as it is.
    """
    texts = [
        "" if v is None or v != v else f"{v:g}" if isinstance(v, float) else str(v).strip() for v in column.tolist()
    ]
    codes = {text: text.zfill(2) for text in texts if text}
    if not set(codes.values()) <= _TUMOURS | _NORMALS or not {"01"} < set(codes.values()):
        return column
    return np.array(["normal" if codes.get(text) in _NORMALS else "tumour" for text in texts], dtype=object)


def _says_normal(tissue: object) -> bool:
    return isinstance(tissue, str) and _NORMAL.search(tissue) is not None


def usual_samples(
    cohort: Cohort, wanted: np.ndarray, tumours_only: bool, one_per_patient: bool, source: str
) -> np.ndarray:
    """Returns [N] bool: the samples in ``wanted`` [N], without normal tissue, and the usual one of each patient.

    Args:
        cohort: of all samples.
        wanted: [N] bool.
        tumours_only: leave out normal tissue and controls.
        one_per_patient: of the samples of a patient, keep the one with the lowest ``cohort.order``.
        source: name of the table, for messages.

    Raises:
        InputError: nothing names patients or tissues, or no tumour is left.
    """
    kept = wanted.copy()
    if tumours_only:
        if not cohort.told:
            raise InputError(
                f"tumours_only (--tumours-only) needs to know the tissues of {source}: TCGA or TARGET barcodes with a sample "
                "type, or a column such as sample_type; where (--where) can leave samples out by any column"
            )
        kept &= ~cohort.normal
        if not kept.any():
            raise InputError(
                f"tumours_only (--tumours-only) leaves none of the {wanted.sum()} samples of {source}: all are normal"
            )
    if one_per_patient:
        if not (cohort.patients != "").any():
            raise InputError(
                f"one_per_patient (--one-per-patient) needs to know the patients of {source}: sample names that are TCGA, TARGET "
                "or GTEx barcodes, or a column such as patient_id"
            )
        best: dict[str, int] = {}
        for position in np.flatnonzero(kept & (cohort.patients != "")).tolist():
            patient = cohort.patients[position]
            if patient not in best or cohort.order[position] < cohort.order[best[patient]]:
                best[patient] = position
        kept &= (cohort.patients == "") | np.isin(np.arange(len(kept)), list(best.values()))
    return kept


def cohort_note(names: Sequence[str], cohort: Cohort) -> str:
    """Returns a sentence on normal tissue among tumours and on patients with several samples; ``""`` if there is neither."""
    named = cohort.patients != ""
    patients = len(set(cohort.patients[named].tolist()))
    tumours = cohort.patients[named & ~cohort.normal].tolist()
    normals, repeats = int(cohort.normal.sum()), len(tumours) - len(set(tumours))
    if normals == len(names) or not (normals or repeats):
        return ""
    parts, hints = [], []
    if normals:
        parts.append(f"{normals} are normal tissue or controls, such as {str(names[int(cohort.normal.argmax())])!r}")
        hints.append("--tumours-only (tumours_only=True) leaves out normal tissue")
    if repeats:
        parts.append(f"{repeats} are further tumour samples of a patient")
    if patients < named.sum():
        hints.append("--one-per-patient (one_per_patient=True) keeps one of each patient, a tumour first")
    of = f"{len(names)} samples of {patients} patients" if patients else f"{len(names)} samples"
    return f"{of}: {', and '.join(parts)}; {'; '.join(hints)}"
