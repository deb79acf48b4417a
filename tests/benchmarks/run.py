"""Runs every measurement, prints a table, and writes it as Markdown and JSON.

Each measurement is a process of its own, repeated where it is a time; medians are quoted. Imports and model loading are
outside every time except those of the cold-start rows.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

REPEATS = 5
COLD_REPEATS = 11
MEASURE = Path(__file__).with_name("measure.py")
CORPORA = {"cranfield": (0.416, 0.372), "xquad-en": (0.966, 0.941)}  # nDCG@10 to reach: hybrid, dense alone
HEAVY = {"torch", "transformers", "chromadb", "llama_index", "langchain_core", "sentence_transformers"}


@dataclass(frozen=True)
class Row:
    """A line of the table: what was measured, the figure, the bar and whether it is reached."""

    work: str
    figure: str
    bar: str
    reached: bool


def measured(what, corpus, index):
    command = [sys.executable, str(MEASURE), what, str(corpus), str(index)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def seconds_of(command):
    times = []
    for _ in range(COLD_REPEATS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def cold_start():
    bare = seconds_of([sys.executable, "-c", "pass"])
    package = seconds_of([sys.executable, "-c", "import lateral"]) - bare
    program = [str(Path(sys.executable).with_name("lateral")), "--help"]
    helping = seconds_of(program)
    code = (
        "import sys, lateral, lateral.tools.cli.app; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    heavy = sorted(HEAVY & set(loaded))
    return [
        Row("`import lateral`, beyond an empty Python", f"{package:.3f} s", "0.15 s", package <= 0.15),
        Row("`lateral --help`, whole process", f"{helping:.3f} s", "0.4 s", helping <= 0.4),
        Row("heavy libraries loaded by either", ", ".join(heavy) or "none", "none", not heavy),
    ]


def on_corpus(name, corpus, out):
    index = out / f"index-{name}"
    built = measured("build", corpus, index)
    found = measured("quality", corpus, index)
    hybrid, dense = CORPORA[name]
    rows = [
        Row(
            f"{name}: nDCG@10 / recall@100, {label}",
            f"{it['nDCG@10']:.4f} / {it['R@100']:.4f}",
            str(bar),
            it["nDCG@10"] >= bar,
        )
        for label, bar, it in (
            ("hybrid", hybrid, found["hybrid"]),
            ("dense alone", dense, found["bi-encoder"]),
            ("BM25 alone", 0, found["bm25"]),
        )
    ]
    rate = built["encoded"] / built["seconds"]
    rows.append(
        Row(
            f"{name}: index {built['documents']} documents, {built['nodes']} nodes",
            f"{built['seconds']:.1f} s, {rate:.0f} chunks/s",
            "",
            True,
        )
    )
    return rows


def on_cranfield(corpus, out):
    index = out / "index-cranfield"
    again = [measured("add-again", corpus, index) for _ in range(REPEATS)]
    retrieved = [measured("retrieve", corpus, index) for _ in range(REPEATS)]
    of_files = measured("files", corpus, index)
    seconds = statistics.median(it["seconds"] for it in again)
    p50 = statistics.median(it["p50_ms"] for it in retrieved)
    p95 = statistics.median(it["p95_ms"] for it in retrieved)
    encoded = max(it["encoded"] for it in again)
    return [
        Row(
            f"add {again[0]['unchanged']} unchanged documents again",
            f"{seconds:.3f} s, {encoded} encodes",
            "1 s, 0",
            seconds < 1 and not encoded,
        ),
        Row(
            f"the same as a folder of {of_files['unchanged']} files",
            f"{of_files['seconds']:.3f} s, {of_files['encoded']} encodes",
            "1 s, 0",
            of_files["seconds"] < 1 and not of_files["encoded"],
        ),
        Row("`retrieve` minus encoding, 1,398 documents", f"p50 {p50:.2f} ms, p95 {p95:.2f} ms", "2 ms", p50 < 2),
    ]


def machine():
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    names = ("lateral", "torch", "sentence-transformers", "bm25s", "numpy")
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, " + ", ".join(
        f"{name} {version(name)}" for name in names
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True, help="folder of corpora in BEIR form")
    parser.add_argument("--out", type=Path, required=True, help="folder for indexes and results, emptied first")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.out, ignore_errors=True)
    arguments.out.mkdir(parents=True)
    rows = cold_start()
    present = [name for name in CORPORA if (arguments.corpora / name).is_dir()]
    for name in present:
        rows += on_corpus(name, arguments.corpora / name, arguments.out)
    if "cranfield" in present:
        rows += on_cranfield(arguments.corpora / "cranfield", arguments.out)
    table = "\n".join(
        ["| work | figure | bar | |", "|---|---|---|---|"]
        + [f"| {it.work} | {it.figure} | {it.bar} | {'✓' if it.reached else '✗'} |" for it in rows]
    )
    text = f"{machine()}\n\n{table}\n"
    (arguments.out / "results.md").write_text(text, encoding="utf-8")
    (arguments.out / "results.json").write_text(
        json.dumps({"machine": machine(), "rows": [asdict(it) for it in rows]}, indent=2), encoding="utf-8"
    )
    print(text)
    missing = sorted(set(CORPORA) - set(present))
    if missing:
        print(f"not measured, no such folder under {arguments.corpora}: {', '.join(missing)}")
    sys.exit(0 if all(it.reached for it in rows) else 1)


if __name__ == "__main__":
    main()
