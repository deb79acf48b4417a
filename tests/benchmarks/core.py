"""The main job: start, quality, adding again, the time of a retrieval besides its encoding."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from report import Row, measured

REPEATS = 5
COLD_REPEATS = 11
CORPORA = {"cranfield": (0.416, 0.372), "xquad-en": (0.966, 0.941)}  # nDCG@10 to reach: hybrid, dense alone
HEAVY = {"torch", "transformers", "chromadb", "llama_index", "langchain_core", "sentence_transformers", "openai"}


def rows(corpora, out):
    present = [name for name in CORPORA if (corpora / name).is_dir()]
    found = cold_start()
    for name in present:
        found += on_corpus(name, corpora / name, out)
    if "cranfield" in present:
        found += on_cranfield(corpora / "cranfield", out)
    return found


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
    helping = seconds_of([str(Path(sys.executable).with_name("lateral")), "--help"])
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
    built = measured("measure.py", "build", corpus, index)
    found = measured("measure.py", "quality", corpus, index)
    hybrid, dense = CORPORA[name]
    retrievers = (("hybrid", "hybrid", hybrid), ("dense alone", "bi-encoder", dense), ("BM25 alone", "bm25", None))
    quality = [
        Row(
            f"{name}: nDCG@10 / recall@100, {label}",
            f"{found[key]['ndcg@10']:.4f} / {found[key]['recall@100']:.4f}",
            "" if bar is None else str(bar),
            None if bar is None else found[key]["ndcg@10"] >= bar,
        )
        for label, key, bar in retrievers
    ]
    rate = built["encoded"] / built["seconds"]
    work = f"{name}: index {built['documents']:,} documents, {built['nodes']:,} nodes"
    return [*quality, Row(work, f"{built['seconds']:.1f} s, {rate:.0f} chunks/s")]


def on_cranfield(corpus, out):
    index = out / "index-cranfield"
    again = [measured("measure.py", "add-again", corpus, index) for _ in range(REPEATS)]
    retrieved = [measured("measure.py", "retrieve", corpus, index) for _ in range(REPEATS)]
    of_files = measured("measure.py", "files", corpus, index)
    seconds = statistics.median(it["seconds"] for it in again)
    p50 = statistics.median(it["p50_ms"] for it in retrieved)
    p95 = statistics.median(it["p95_ms"] for it in retrieved)
    encoded = max(it["encoded"] for it in again)
    return [
        Row(
            f"add {again[0]['unchanged']:,} unchanged documents again",
            f"{seconds:.3f} s, {encoded} encodes",
            "1 s, 0",
            seconds < 1 and not encoded,
        ),
        Row(
            f"the same as a folder of {of_files['unchanged']:,} files",
            f"{of_files['seconds']:.3f} s, {of_files['encoded']} encodes",
            "1 s, 0",
            of_files["seconds"] < 1 and not of_files["encoded"],
        ),
        Row("`retrieve` minus encoding, 1,398 documents", f"p50 {p50:.2f} ms, p95 {p95:.2f} ms", "2 ms", p50 < 2),
    ]
