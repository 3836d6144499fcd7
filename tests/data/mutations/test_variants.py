"""Files as callers and portals write them: VCF with and without genotypes, MAF, tables; and files that are none."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile

import pytest

from vaebench.data.mutations.counting import count
from vaebench.data.mutations.variants import read_variants
from vaebench.errors import InputError

GENOME = {"1": "GATTCGACTTTTACGGATCC", "chr2": "CCATCGATTTGCAGCATTAC"}
HEAD = "##fileformat=VCFv4.2\n"
FIXED = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


def vcf(folder, name, *rows, samples=(), head=HEAD, end="\n"):
    """A VCF of rows (chrom, pos, ref, alt, filter, *genotypes)."""
    header = FIXED + ("\tFORMAT\t" + "\t".join(samples) if samples else "")
    lines = [
        "\t".join([c, str(p), ".", r, a, ".", f, ".", *(["GT:DP"] if samples else []), *genotypes])
        for c, p, r, a, f, *genotypes in rows
    ]
    path = folder / name
    text = (head + "\n".join([header, *lines]) + "\n").replace("\n", end)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    return path


def sums(counted, context="SBS96") -> dict[str, int]:
    return {name: int(n) for name, n in counted.catalogues[context].sum(axis=1).items()}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("ending", ["vcf", "vcf.gz", "vcf.bgz"])
def test_a_folder_of_vcf_files(tmp_path, ending, end):
    vcf(tmp_path, f"T 1.{ending}", ("chr1", 5, "C", "T", "PASS"), ("1", 8, "C", "A", "q10"), end=end)
    vcf(tmp_path, f"T2.{ending}", end=end)
    (tmp_path / "T2.vcf.gz.tbi").write_bytes(b"\0")
    counted = count(tmp_path, GENOME)
    assert sums(counted) == {"T 1": 1, "T2": 0}
    assert counted.catalogues["SBS96"].loc["T 1", "T[C>T]G"] == 1
    assert counted.dropped[["reason", "line"]].to_numpy().tolist() == [["FILTER is not PASS", 4]]
    assert sums(count(tmp_path, GENOME, ignore_filter=True)) == {"T 1": 2, "T2": 0}


def test_lists_of_mutations_in_a_folder_that_are_not_read_are_said(tmp_path):
    vcf(tmp_path, "T1.vcf", ("1", 5, "C", "T", "PASS"))
    for name in ("T1.vcf.tbi", "genome.fa", "T1.log"):
        (tmp_path / name).write_text(">1\nACGT\n")
    (tmp_path / "types.csv").write_text("sample,type\nT1,a\n")
    (tmp_path / "made").mkdir()
    assert count(tmp_path, GENOME).notes == []
    (tmp_path / "T2.bcf").write_bytes(b"BCF\2")
    vcf(tmp_path, "T3.txt", ("1", 5, "C", "T", "PASS"))
    vcf(tmp_path / "made", "T4.vcf", ("1", 5, "C", "T", "PASS"))
    counted = count(tmp_path, GENOME)
    assert sums(counted) == {"T1": 1}
    (note,) = counted.notes
    assert "2 files and 1 folder with mutations were not read, such as 'T2.bcf'" in note
    assert count(tmp_path / "T1.vcf", GENOME).notes == []


def test_genotypes_say_who_carries_which_allele(tmp_path):
    rows = [
        ("1", 5, "C", "T,A", ".", "0/1:9", "0|2:9", "./.:0"),
        ("1", 8, "C", "A", "PASS", "1/1:9", "0/0:9", "0/0:9"),
        ("2", 4, "T", "G", "PASS", "0/0:9", "0/0:9", "0/0:9"),
    ]
    counted = count(vcf(tmp_path, "many.vcf", *rows, samples=("A", "B", "C")), GENOME)
    assert sums(counted) == {"A": 2, "B": 1, "C": 0}
    assert counted.catalogues["SBS96"].loc["B", "T[C>A]G"] == 1
    assert counted.reasons() == {"no genotype with the allele": 1}


def test_tumour_and_normal(tmp_path):
    row = ("1", 5, "C", "T", "PASS", "0/0:9", "0/1:9")
    plain = read_variants(vcf(tmp_path, "P1.somatic.vcf", row, samples=("NORMAL", "TUMOR")))
    assert plain.samples == ["P1.somatic"]
    assert plain.notes == ["P1.somatic.vcf: the normal sample 'NORMAL' was left out"]
    head = HEAD + "##normal_sample=P9-B\n##tumor_sample=P9-T\n##reference=file:///x/hg38.fa\n"
    mutect = read_variants(
        vcf(tmp_path, "x.vcf", ("1", 5, "C", "T", "PASS", "0/1:9", "0/0:9"), samples=("P9-T", "P9-B"), head=head)
    )
    assert (mutect.samples, mutect.builds) == (["P9-T"], ["file:///x/hg38.fa"])
    # Pindel writes no genotype at all: what is listed is called
    none = count(vcf(tmp_path, "y.vcf", (*row[:5], "./.:9", "./.:9"), samples=("NORMAL", "TUMOUR")), GENOME)
    assert sums(none) == {"y": 1}
    assert any("carries all records" in note for note in none.notes)
    with pytest.raises(InputError, match="2 samples and no genotype"):
        read_variants(vcf(tmp_path, "z.vcf", (*row[:5], "./.:9", "./.:9"), samples=("A", "B")))


def test_comments_of_any_encoding_and_a_byte_order_mark(tmp_path):
    row = f"{FIXED}\n1\t5\t.\tC\tT\t.\t.\t.\n"
    for name, start, code in (("latin", "##source=Universität\n", "latin-1"), ("mark", "\ufeff", "utf-8")):
        (tmp_path / f"{name}.vcf").write_bytes((start + HEAD + row).encode(code))
        assert sums(count(tmp_path / f"{name}.vcf", GENOME)) == {name: 1}


def test_two_files_of_one_sample_are_counted_together(tmp_path):
    one = vcf(tmp_path, "snv.vcf", ("1", 5, "C", "T", ".", "0/1"), samples=("P1",))
    two = vcf(tmp_path, "indel.vcf", ("1", 8, "CT", "C", ".", "0/1"), ("1", 5, "C", "T", ".", "0/1"), samples=("P1",))
    counted = count([one, two], GENOME)
    assert counted.totals() == {"SBS96": 1, "DBS78": 0, "ID83": 1}
    assert counted.reasons() == {"duplicate of another record": 1}
    assert any("in more than one file" in note for note in counted.notes)


def test_structural_variants_only(tmp_path):
    counted = count(vcf(tmp_path, "sv.vcf", ("1", 5, "C", "<DUP>", "PASS"), ("1", 7, "A", "A]2:3]", "PASS")), GENOME)
    assert counted.totals() == {"SBS96": 0, "DBS78": 0, "ID83": 0}
    assert counted.reasons() == {"structural variant": 2}


MAF = "Hugo_Symbol\tNCBI_Build\tChromosome\tStart_Position\tReference_Allele\tTumor_Seq_Allele1\tTumor_Seq_Allele2\t{}"


def test_maf(tmp_path):
    """GDC: a version line; ``-`` in indels; the allele in the first column where the second is the reference."""
    rows = [
        "TP53\tGRCh38\tchr1\t5\tC\tC\tT\tS 1\tPASS\tSomatic",
        "A\tGRCh38\tchr1\t9\tT\tT\t-\tS 1\tPASS\tSomatic",  # T of TTTT
        "A\tGRCh38\tchr1\t12\t-\t-\tT\tS 1\t.\t",  # a fifth T
        "A\tGRCh38\tchr2\t9\tT\tG\tT\tS2\tPASS\t",
        "A\tGRCh38\tchr2\t5\tCG\tCG\tTA\tS2\tPASS\t",
        "A\tGRCh38\tchr2\t9\tT\tT\tA\tS3\tpanel_of_normals\t",
        "A\tGRCh38\tchr2\t9\tT\tT\tA\tS3\tPASS\tGermline",
        "A\tGRCh38\tchr2\t9\tT\tT\tA\t\tPASS\t",
    ]
    file = tmp_path / "cohort.maf.gz"
    head = MAF.format("Tumor_Sample_Barcode\tFILTER\tMutation_Status")
    with gzip.open(file, "wt", newline="") as out:
        out.write("#version 2.4\r\n" + "\r\n".join([head, *rows]) + "\r\n")
    counted = count(file, GENOME)
    assert sums(counted) == {"S 1": 1, "S2": 3, "S3": 0}
    # a third substitution of S2 lies within five bases of its pair
    assert sums(counted, "DBS78") == {"S 1": 0, "S2": 0, "S3": 0}
    found = counted.catalogues["ID83"].loc["S 1"]
    assert found[found > 0].to_dict() == {"1:Del:T:3": 1, "1:Ins:T:4": 1}
    assert counted.reasons() == {"FILTER is not PASS": 1, "not somatic": 1, "no sample name": 1}
    assert counted.dropped["line"].tolist() == [8, 10, 9]


def test_context_of_a_maf_stands_in_for_the_genome(tmp_path):
    rows = [
        ("1", 7, "C", "T", "AGGATCGATTG"),
        ("1", 12, "C", "A", "TTTTACGGATC"),
        ("1", 12, "CG", "TA", "TTTTACGGATCA"),
    ]
    rows += [("1", 30, "C", "T", ""), ("1", 31, "CT", "C", "TTTTACTGATCA")]
    file = tmp_path / "mc3.maf"
    lines = [f"A\tGRCh37\t{c}\t{p}\t{r}\t{r}\t{a}\tS{i}\t{x}" for i, (c, p, r, a, x) in enumerate(rows)]
    file.write_text("\n".join([MAF.format("Tumor_Sample_Barcode\tCONTEXT"), *lines]))
    counted = count(file)
    assert list(counted.catalogues) == ["SBS96", "DBS78"]
    assert any(note.startswith("ID83 not counted") for note in counted.notes)
    names = {s: row[row > 0].to_dict() for s, row in counted.catalogues["SBS96"].iterrows()}
    assert names == {"S0": {"T[C>T]G": 1}, "S1": {"A[C>A]G": 1}, "S2": {"A[C>T]G": 1, "C[C>T]G": 1}, "S3": {}, "S4": {}}
    assert counted.catalogues["DBS78"].loc["S2", "CG>TA"] == 1
    assert counted.reasons() == {"no CONTEXT": 1, "indel without a reference genome": 1}
    outer = count(file, contexts=("SBS1536",)).catalogues["SBS1536"].loc["S0"]
    assert outer[outer > 0].to_dict() == {"AT[C>T]GA": 1}


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
@pytest.mark.parametrize("head", ["sample chrom pos ref alt", "Sample_ID Chromosome Position Ref Alt"])
def test_plain_tables(tmp_path, delimiter, head):
    file = tmp_path / "list.txt"
    lines = [head.split(), ["a", "1", "5", "c", "t"], [], ["b b", "chr2", "4", "T", "G"]]
    file.write_text("\n".join(delimiter.join(line) for line in lines))
    assert sums(count(file, GENOME)) == {"a": 1, "b b": 1}


def broken(folder):
    """Name of the case -> (what is given, part of the message)."""
    (folder / "empty").mkdir()
    (folder / "bams").mkdir()
    (folder / "bams" / "a.bam").write_bytes(b"x")
    texts = {
        "no_header.vcf": (HEAD + "1\t5\t.\tC\tT\n", "is a record before any line #CHROM"),
        "only_header.vcf": (HEAD, "has no line #CHROM"),
        "spaces.vcf": (HEAD + "#CHROM POS ID REF ALT\n1 5 . C T\n", "not separated by tabs"),
        "short.vcf": (HEAD + FIXED + "\n1\t5\t.\tC\n", "line 3 of .* has fewer fields"),
        "position.vcf": (HEAD + FIXED + "\n1\tfive\t.\tC\tT\t.\t.\t.\n", "line 3 of .* has 'five' in POS"),
        "no_barcode.maf": (
            MAF.format("x") + "\nA\tb\t1\t5\tC\tC\tT\tS\n",
            "no column of samples; add Tumor_Sample_Barcode",
        ),
        "no_alt.csv": ("sample,chrom,pos,ref\na,1,5,C\n", r"no column alt \(tumorseqallele2\)"),
        "other.csv": ("gene,s1,s2\nTP53,1,2\n", "is not a list of mutations"),
        "no_row.maf": (MAF.format("Tumor_Sample_Barcode") + "\n", "the files name no sample"),
        "empty.vcf": ("", "is empty"),
    }
    for name, (text, message) in texts.items():
        (folder / name).write_text(text)
        yield name, message
    (folder / "cut.vcf.gz").write_bytes(gzip.compress(b"##fileformat=VCFv4.2\n" * 4000)[:60])
    (folder / "zip.vcf.gz").write_bytes(b"PK\x03\x04 and so on")
    (folder / "calls.bcf").write_bytes(gzip.compress(b"BCF\2\2rest"))
    yield from {
        "cut.vcf.gz": "cannot be read", "zip.vcf.gz": "cannot be read", "calls.bcf": "is a BCF file.*bcftools view",
        "nowhere.vcf": "does not exist", "empty": "has no VCF or MAF file", "bams": "it holds the file a.bam",
    }.items()  # fmt: skip


def test_files_that_are_no_list_of_mutations(tmp_path):
    for name, message in broken(tmp_path):
        with pytest.raises(InputError, match=message) as caught:
            count(tmp_path / name, GENOME)
        assert len(str(caught.value).replace(str(tmp_path), "")) < 300, name


def test_a_folder_of_tables_of_counts_names_the_table(tmp_path):
    """SigProfilerMatrixGenerator writes PROJECT/output/SBS/PROJECT.SBS96.all and others beside it."""
    made = tmp_path / "p" / "output" / "SBS"
    made.mkdir(parents=True)
    for name in ("p.SBS1536.all", "p.SBS6.all", "p.SBS96.all"):
        (made / name).write_text("MutationType\tS\n")
    for folder in (tmp_path / "p", made.parent, made):
        with pytest.raises(InputError, match=r"give the table itself, such as .*SBS/p\.SBS96\.all"):
            count(folder, GENOME)


def test_what_is_missing_is_said(tmp_path):
    file = vcf(tmp_path, "T.vcf", ("1", 5, "C", "T", "PASS"))
    with pytest.raises(InputError, match="the reference genome is missing"):
        count(file)
    with pytest.raises(InputError, match="unknown context 'SBS69'; did you mean 'SBS96'"):
        count(file, GENOME, contexts=("SBS69",))


def zipped(content: bytes, folder) -> bytes:
    with zipfile.ZipFile(folder / "made.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner", content)
    return (folder / "made.zip").read_bytes()


@pytest.mark.parametrize("pack", ["gzip", "bzip2", "xz", "zip", "utf-16"])
def test_lists_of_mutations_and_genomes_are_unpacked_like_tables(tmp_path, pack):
    packed = {
        "gzip": gzip.compress,
        "bzip2": bz2.compress,
        "xz": lzma.compress,
        "zip": lambda content: zipped(content, tmp_path),
        "utf-16": lambda content: content.decode().encode("utf-16"),
    }[pack]
    plain = vcf(tmp_path, "T.vcf", ("chr1", 5, "C", "T", "PASS")).read_bytes()
    (tmp_path / "T.vcf").write_bytes(packed(plain))
    maf = (MAF.format("Tumor_Sample_Barcode") + "\nA\tb\t1\t5\tC\tC\tT\tS\n").encode()
    (tmp_path / "S.maf").write_bytes(packed(maf))
    genome = "".join(f">{name}\n{text}\n" for name, text in GENOME.items()).encode()
    (tmp_path / "g.fa.packed").write_bytes(packed(genome))
    pytest.importorskip("pyfaidx", reason="the extra 'vcf' is not installed")
    for name in ("T.vcf", "S.maf"):
        counted = count(tmp_path / name, tmp_path / "g.fa.packed")
        assert counted.catalogues["SBS96"].iloc[0]["T[C>T]G"] == 1, name


SS = '##{}=<ID=SS,Number=1,Type=String,Description="Somatic status of variant (0=Reference,1=Germline,2=Somatic,3=LOH)">\n'


def test_germline_and_lost_alleles_of_varscan_and_somaticsniper_are_not_counted(tmp_path):
    lines = [f"1\t{pos}\t.\t{r}\t{a}\t.\tPASS" for pos, r, a in ((5, "C", "T"), (8, "C", "A"), (14, "C", "G"))]
    info = [f"{line}\tDP=9;SS={s};SSC=1\tGT\t0/0\t0/1" for line, s in zip(lines, (2, 1, 3), strict=True)]
    fields = [f"{line}\t.\tGT:SS\t0/0:.\t0/1:{s}" for line, s in zip(lines, (2, 1, 3), strict=True)]
    for column, rows in (("INFO", info), ("FORMAT", fields)):
        head = HEAD + SS.format(column) + FIXED + "\tFORMAT\tNORMAL\tTUMOR\n"
        (tmp_path / f"{column}.vcf").write_text(head + "\n".join(rows) + "\n")
        counted = count(tmp_path / f"{column}.vcf", GENOME)
        assert sums(counted) == {column: 1}
        assert counted.reasons() == {"not somatic": 2}
    # another field of this name says nothing of the kind
    text = (tmp_path / "INFO.vcf").read_text().replace("Somatic status", "Splice site").replace("=Germline", "")
    (tmp_path / "other.vcf").write_text(text)
    assert sums(count(tmp_path / "other.vcf", GENOME)) == {"other": 3}


@pytest.mark.parametrize("names", [("P1-N", "P1-T"), ("P1n", "P1t")])
def test_a_normal_beside_its_tumour_is_no_sample(tmp_path, names):
    row = ("1", 5, "C", "T", "PASS", "0/0:9", "0/1:9")
    found = read_variants(vcf(tmp_path, "pair.vcf", row, samples=names))
    assert found.samples == [names[1]]
    assert found.notes == [f"pair.vcf: the normal sample '{names[0]}' was left out"]
    assert read_variants(vcf(tmp_path, "two.vcf", row, samples=("AN", "BT"))).samples == ["AN", "BT"]


def test_all_samples_that_a_header_names_as_normal_are_left_out(tmp_path):
    head = HEAD + "##normal_sample=N_A\n##normal_sample=N_B\n##tumor_sample=P1\n##tumor_sample=P1-N\n"
    row = ("1", 5, "C", "T", "PASS", "0/0", "0/1", "0/1", "0/1")
    found = read_variants(vcf(tmp_path, "x.vcf", row, samples=("N_A", "P1", "N_B", "P1-N"), head=head))
    assert found.samples == ["P1", "P1-N"]
    assert found.notes == ["x.vcf: the normal samples 'N_A', 'N_B' were left out"]


def test_files_without_a_record_are_named(tmp_path):
    found = read_variants([vcf(tmp_path, "a.vcf", ("1", 5, "C", "T", "PASS")), vcf(tmp_path, "b.vcf")])
    assert found.notes == ["b.vcf has no record of a mutation"]


def test_files_that_all_call_their_sample_tumor_are_called_by_their_names(tmp_path):
    head = MAF.format("Tumor_Sample_Barcode")
    for name in ("P1", "P2"):
        (tmp_path / f"{name}.maf").write_text(f"{head}\nA\tb\t1\t5\tC\tC\tT\tTUMOR\n")
    counted = count(tmp_path, GENOME)
    assert sums(counted) == {"P1": 1, "P2": 1}
    assert counted.notes == ["2 files call their only sample 'TUMOR': it is called by the name of the file"]
    assert sums(count(tmp_path / "P1.maf", GENOME)) == {"TUMOR": 1}


def test_a_packed_file_names_its_sample(tmp_path):
    plain = vcf(tmp_path, "T5.vcf", ("1", 5, "C", "T", "PASS"))
    (tmp_path / "T5.vcf.bz2").write_bytes(bz2.compress(plain.read_bytes()))
    assert read_variants(tmp_path / "T5.vcf.bz2").samples == ["T5"]


R_TABLES = {
    "tab.tsv": '"sample"\t"chrom"\t"pos"\t"ref"\t"alt"\n"1"\t"a"\t"chr1"\t5\t"C"\t"T"\n"2"\t"b"\t"chr2"\t4\t"T"\t"G"\n',
    "no_names.tsv": '"sample"\t"chrom"\t"pos"\t"ref"\t"alt"\n"a"\t"chr1"\t5\t"C"\t"T"\n"b"\t"chr2"\t4\t"T"\t"G"\n',
    "plain.tsv": "sample\tchrom\tpos\tref\talt\n1\ta\t1\t5\tC\tT\n2\tb\t2\t4\tT\tG\n",
    "space.txt": "sample chrom pos ref alt\n1 a 1 5 C T\n2 b 2 4 T G\n",
    "write.csv": '"","sample","chrom","pos","ref","alt"\n"1","a","1",5,"C","T"\n"2","b","2",4,"T","G"\n',
    "aligned.txt": "sample  chrom  pos  ref  alt\na       chr1   5    C    T\nb       chr2   4    T    G\n",
    "trailing.tsv": "sample\tchrom\tpos\tref\talt\na\t1\t5\tC\tT\t\nb\t2\t4\tT\tG\t\n",
}


@pytest.mark.parametrize("name", R_TABLES)
def test_tables_as_r_writes_them(tmp_path, name):
    (tmp_path / name).write_text(R_TABLES[name])
    assert sums(count(tmp_path / name, GENOME)) == {"a": 1, "b": 1}
