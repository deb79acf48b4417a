"""Reading files: memory over many, one parsing process against two, pdfium alone, and LlamaIndex's reader."""

import os
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import file_sets
from peers import python_of
from report import Row, measured, table

REPEATS = 5
GROWTH_MB = 50
WORKERS_BAR = 1.6
EXTRACTION_BAR = 1.25
PEER_BAR = 8


def rows(_corpora, out):
    """The corpora are not needed: every file is made here."""
    mixed, pdfs = out / "mixed-files", out / "pdfs"
    file_sets.write_mixed(mixed)
    file_sets.write_pdfs(pdfs)
    return [*over_many_files(mixed, out), *on_pdfs(pdfs)]


def over_many_files(folder, out):
    """300 good and bad files, through the command line and, for the memory, through `RAG.add`."""
    lateral = Path(sys.executable).with_name("lateral")
    command = [lateral, "add", folder, "--index", out / "index-of-mixed", "--model", "hash-embedder-64", "--json"]
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    told = measured("measure_files.py", "add", folder, out / "index-for-memory")
    growth = told["peak_mb"] - told["before_mb"]
    figure = f"{told['added']} added, {told['failed']} failed, exit code {ended}"
    count = told["added"] + told["failed"] + told["skipped"]
    return [
        Row(f"`lateral add` over {count} good and bad files", figure, "exit code 1", ended == 1),
        Row("memory of the parent after the first 30 of them", f"+{growth:.0f} MB", "50 MB", growth < GROWTH_MB),
    ]


def on_pdfs(folder):
    """Each side in turn, so that all see the machine in the same state; medians of the ratios."""
    sides = ("one worker", "two workers", "read_pdf", "pdfium")
    runs = [{side: measured("measure_files.py", side, folder) for side in sides} for _ in range(REPEATS)]
    peer = python_of("llama-index")
    for run in runs:
        run["peer"] = measured("peer_pdf_reader.py", folder, python=peer)
    speedup = ratio(runs, "one worker", "two workers")
    share = ratio(runs, "read_pdf", "pdfium")
    ahead = ratio(runs, "peer", "two workers")
    cores = len(os.sched_getaffinity(0))
    ours, theirs = (statistics.median(run[side]["pages_a_second"] for run in runs) for side in ("two workers", "peer"))
    return [
        Row(f"PDFs through two workers, on {cores} cores", f"{speedup:.2f}x one", "1.6x", speedup >= WORKERS_BAR),
        Row("PDF text in the process, of pdfium alone", f"{share:.2f}x its time", "1.25x", share <= EXTRACTION_BAR),
        Row(
            "PDF text through two workers, against LlamaIndex's PDFReader",
            f"{ours:.0f} pages/s, {ahead:.1f}x of {theirs:.0f}",
            "8x",
            ahead >= PEER_BAR,
        ),
    ]


def ratio(runs, slower, faster):
    return statistics.median(run[slower]["seconds"] / run[faster]["seconds"] for run in runs)


def main():
    out = Path(__file__).parents[2] / "build" / "bench-files"
    out.mkdir(parents=True, exist_ok=True)
    print(table(rows(None, out)))


if __name__ == "__main__":
    main()
