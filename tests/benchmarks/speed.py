"""Indexing, queries, cold start and exact search, beside LlamaIndex and beside what the machine can do at best."""

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from peers import python_of
from report import Row, measured

COLD_REPEATS = 7
DIM = 384
LOSS = 0.003  # of nDCG@10 against torch in float32
LIGHT = ("torch", "sentence_transformers", "transformers", "chromadb")  # what a cold search must not load
RUNTIMES = {"OpenVINO": "openvino-auto", "OpenVINO int8": "openvino-int8", "torch": "torch-auto"}
INDEX_BARS = {
    ("OpenVINO", "defaults"): 5.0,
    ("OpenVINO", "tuned"): 2.0,
    ("OpenVINO int8", "defaults"): 5.0,
    ("OpenVINO int8", "tuned"): 2.0,
    ("torch", "defaults"): 2.5,
}
QUERY_BARS = {"OpenVINO": 0.2, "OpenVINO int8": 0.2, "torch": 0.6}


def rows(corpora, out, rounds):
    cranfield = corpora / "cranfield"
    if not cranfield.is_dir():
        return []
    nodes = out / "nodes.json"
    made = out / "index-made"
    measured("measure_speed.py", "index", cranfield, made, "openvino-auto")
    told = measured("measure_speed.py", "nodes", cranfield, made, nodes)
    quantized = measured("measure_speed.py", "quantize", cranfield, made, "int8")
    found = [int8_row(quantized), *indexing(cranfield, out, nodes, told["model"], rounds)]
    found += [cold_search(made), through_chroma(cranfield, made), *exact_search(out)]
    for name in ("cranfield", "xquad-en"):
        if (corpora / name).is_dir():
            found += quality(name, corpora / name, out)
    return found


def indexing(corpus, out, nodes, model, rounds):
    """Ours and the peer's in turn, so that both see the machine in the same state."""
    ours = {name: [] for name in RUNTIMES}
    theirs = {"defaults": [], "tuned": []}
    bare = {"defaults": [], "tuned": []}  # sentence-transformers alone
    alone = []
    for _ in range(rounds):
        for setting, times in theirs.items():
            folder = fresh(out / "peer-index")
            times.append(
                measured("peer_llama_index.py", nodes, model, folder, setting, python=python_of("llama-index"))
            )
        for name, runtime in RUNTIMES.items():
            index = fresh(out / "index-speed")
            ours[name].append(measured("measure_speed.py", "index", corpus, index, runtime))
            if name == "OpenVINO":
                alone.append(measured("measure_speed.py", "raw", corpus, index, runtime))
        for setting, times in bare.items():
            it = measured("peer_sentence_transformers.py", nodes, model, setting, python=python_of("llama-index"))
            times.append(it)
    found = beside(ours["OpenVINO"], bare, measured("measure_limits.py", corpus, index))
    for name in RUNTIMES:
        mine, queried = middle(ours[name], "seconds"), middle(ours[name], "p50_ms")
        for setting, its in theirs.items():
            work = f"index Cranfield, {name}, against LlamaIndex + Chroma ({setting})"
            found.append(ratio_row(work, middle(its, "seconds"), mine, "s", INDEX_BARS.get((name, setting))))
        peer = middle(theirs["defaults"], "p50_ms")
        bar = QUERY_BARS[name]
        figure = f"{queried:.2f} ms, {queried / peer:.2f}x of {peer:.2f} ms"
        found.append(Row(f"query p50, text to hits, {name}, of LlamaIndex's", figure, f"{bar}x", queried <= bar * peer))
    mine, least = middle(ours["OpenVINO"], "seconds"), middle(alone, "seconds")
    figure = f"{mine:.1f} s, {mine / least:.2f}x of {least:.1f} s"
    work = "index Cranfield, of encoding in this runtime plus writing"
    found.append(Row(work, figure, "1.15x", mine <= 1.15 * least))
    mine, peer = middle(ours["OpenVINO"], "peak_mb"), middle(theirs["defaults"], "peak_mb")
    figure = f"{mine:.0f} MB, LlamaIndex {peer:.0f} MB"
    return [*found, Row("peak memory while indexing Cranfield, OpenVINO", figure, "LlamaIndex's", mine <= peer)]


def beside(ours, bare, limit):
    """Indexing and a query beside sentence-transformers, which only encodes, and beside what the hardware sets."""
    mine, queried = middle(ours, "seconds"), middle(ours, "p50_ms")
    found = []
    for setting, its in bare.items():
        seconds, ms = middle(its, "seconds"), middle(its, "p50_ms")
        work = f"index Cranfield, OpenVINO, against sentence-transformers that only encode ({setting})"
        found.append(ratio_row(work, seconds, mine, "s", None))
        work = f"query p50, text to hits, OpenVINO, against sentence-transformers that only encode it ({setting})"
        found.append(Row(work, f"{queried:.2f} ms, {queried / ms:.2f}x of {ms:.2f} ms"))
    least, rate = limit["encode_s"], f"{limit['gflop_s']:.0f} GFLOP/s of {limit['dtype']}"
    figure = f"{mine:.1f} s, {mine / least:.1f}x of {least:.1f} s at {rate}"
    found.append(Row("index Cranfield, OpenVINO, of the encoder's products alone", figure))
    least = limit["query_ms"]
    figure = f"{queried:.2f} ms, {queried / least:.1f}x of {least:.2f} ms at {rate} and {limit['gb_s']:.1f} GB/s"
    found.append(Row("query p50, OpenVINO, of its products, or of reading weights and vectors from memory", figure))
    return found


def through_chroma(corpus, index):
    """The same query with Chroma's approximate search in place of the exact one; the index has a document more then."""
    it = measured("measure_speed.py", "through-chroma", corpus, index, RUNTIMES["OpenVINO"])
    figure = f"{it['p50_ms']:.2f} ms, {it['answered']} of {it['asked']} answered by it"
    return Row("query p50, text to hits, OpenVINO, through Chroma, one run", figure)


def cold_search(index):
    """From process start to printed hits, the model exported."""
    lateral = Path(sys.executable).with_name("lateral")
    command = [lateral, "search", "heat transfer in a boundary layer", "--index", index]
    times = []
    for _ in range(COLD_REPEATS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    code = (
        f"import sys; from lateral import RAG; RAG({str(index)!r}).retrieve('heat'); "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    heavy = sorted(set(LIGHT) & set(loaded))
    seconds = statistics.median(times)
    figure = f"{seconds:.2f} s, heavy libraries loaded: {', '.join(heavy) or 'none'}"
    return Row(
        "cold start: `lateral search`, process start to hits", figure, "1.5 s, none", seconds <= 1.5 and not heavy
    )


def exact_search(out):
    """How near exact search comes to reading every vector once, and how it grows."""
    found = []
    for form, width in (("float32", 4), ("int8", 1)):
        for count in (10_000, 100_000, 1_000_000):
            folder = fresh(out / "exact")
            it = measured("measure_speed.py", "exact", out, folder, f"{count}-{form}")
            least = count * DIM * width / 1e6 / it["gb_s"]
            figure = f"p50 {it['p50_ms']:.2f} ms, {it['disk_mb']:.0f} MB on disk, {it['memory_mb']:.0f} MB of memory"
            work = f"exact search, {count:,} x {DIM}, {form}"
            if count == 100_000:
                figure += f"; {it['p50_ms'] / least:.2f}x of reading them once at {it['gb_s']:.1f} GB/s"
                found.append(Row(work, figure, "1.5x", it["p50_ms"] <= 1.5 * least))
            else:
                found.append(Row(work, figure, "textbook: 30 ms" if count == 1_000_000 else ""))
    shutil.rmtree(out / "exact")
    return found


def int8_row(quantized):
    """What `lateral quantize` says: the loss on texts that it was not quantized with."""
    figure = (
        f"cosine to float32 {quantized['cosine']:.4f}, at least {quantized['lowest_cosine']:.4f}, "
        f"{quantized['kept']:.0%} of the nearest ten kept"
    )
    return Row("the bi-encoder in int8, by a sample of Cranfield", figure)


def quality(name, corpus, out):
    exact = measured("measure_speed.py", "quality", corpus, fresh(out / "index-quality"), "torch-float32")["ndcg"]
    measured("measure_speed.py", "quantize", corpus, out / "index-quality", "int8")
    found = []
    for runtime in RUNTIMES.values():
        ndcg = measured("measure_speed.py", "quality", corpus, fresh(out / "index-quality"), runtime)["ndcg"]
        figure = f"{ndcg:.4f}, torch float32 {exact:.4f}"
        found.append(Row(f"{name}: nDCG@10, dense, {runtime}", figure, f"-{LOSS}", ndcg >= exact - LOSS))
    return found


def ratio_row(work, theirs, mine, unit, bar):
    figure = f"{mine:.1f} {unit}, {theirs / mine:.2f}x faster than {theirs:.1f} {unit}"
    return Row(work, figure, f"{bar:g}x" if bar else "", theirs >= bar * mine if bar else None)


def middle(measurements, key):
    return statistics.median(it[key] for it in measurements)


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    return folder
