"""ColBERT: indexing, search, quality, size and growth, beside RAGatouille and sentence-transformers' own MaxSim."""

from report import Row, measured
from speed import fresh, middle, ratio_row

BACKEND = "openvino"  # the fastest of those that load_colbert offers on a CPU
BACKENDS = (BACKEND, "ragatouille")
ENCODERS = ("ragatouille", "sentence-transformers", "openvino")
SETTINGS = ("defaults", "tuned")
INDEX_BAR = 8.0
MEMORY_BAR = 6.0
GIVEN_BAR = 2.0
TEXT_BAR = 1.3
EXACT_BAR = 4.0
LOSS = 0.003  # of nDCG@10 against RAGatouille
ROUNDING = 1e-4  # of a sum over a query's tokens in float32: nearer scores may stand in either order
SHAPES = ((10_000, 128), (100_000, 128), (1_000_000, 16))  # documents, tokens of each
GROWTH_MB = 1_000


def rows(corpora, out, rounds):
    cranfield = corpora / "cranfield"
    if not cranfield.is_dir():
        return []
    folder = out / "late"
    model = measured("measure_late.py", "checkpoint", folder)["path"]
    found = beside_ragatouille(cranfield, folder, model, rounds)
    if (corpora / "xquad-en").is_dir():
        found += quality_elsewhere(corpora / "xquad-en", folder, model)
    return [*found, encoders(cranfield, model), exact_search(cranfield, folder, model), *growth(folder)]


def beside_ragatouille(corpus, folder, model, rounds):
    """Ours before, between and after the peer's, which takes minutes: once at its defaults, once tuned."""
    ours, theirs = {name: [] for name in BACKENDS}, {}
    for turn in range(max(rounds, len(SETTINGS))):
        for backend in BACKENDS if turn == 0 else BACKENDS[:1]:
            ours[backend].append(ours_on(corpus, folder, model, backend))
        if turn < len(SETTINGS):
            theirs[SETTINGS[turn]] = peer_on(corpus, folder, model, SETTINGS[turn])
    found = [
        ratio_row(
            f"index Cranfield, {backend}, against RAGatouille's index() ({setting})",
            theirs[setting]["seconds"],
            middle(ours[backend], "seconds"),
            "s",
            INDEX_BAR if (backend, setting) == (BACKEND, "defaults") else None,
        )
        for backend in BACKENDS
        for setting in SETTINGS
    ]
    peer = theirs["defaults"]
    found.append(memory_row(middle(ours[BACKEND], "peak_mb"), peer["peak_mb"], theirs["tuned"]["peak_mb"]))
    found.append(search_row("query vectors to hits", middle(ours[BACKEND], "given_ms"), peer["given_ms"], GIVEN_BAR))
    for backend in BACKENDS:
        work, bar = f"text to hits, {backend}", TEXT_BAR if backend == BACKEND else None
        found.append(search_row(work, middle(ours[backend], "text_ms"), peer["text_ms"], bar))
    found.append(quality_row("cranfield", ours[BACKEND][0]["ndcg"], peer["ndcg"]))
    return [*found, *sizes(corpus, folder, model, theirs)]


def ours_on(corpus, folder, model, backend):
    return measured("measure_late.py", "index", corpus, fresh(folder / "index"), model, backend)


def peer_on(corpus, folder, model, setting):
    """Gives RAGatouille the nodes of our last index."""
    nodes = folder / "nodes.json"
    measured("measure_late.py", "nodes", corpus, folder / "index", nodes)
    return measured("peer_ragatouille.py", nodes, corpus, model, fresh(folder / "peer"), setting)


def quality_elsewhere(corpus, folder, model):
    mine = ours_on(corpus, folder, model, BACKEND)["ndcg"]
    return [quality_row(corpus.name, mine, peer_on(corpus, folder, model, "defaults")["ndcg"])]


def memory_row(mine, defaults, tuned):
    figure = f"{mine:.0f} MB, 1/{defaults / mine:.1f} of {defaults:.0f} MB (tuned: {tuned:.0f} MB)"
    work = f"peak memory while indexing Cranfield, {BACKEND}, of RAGatouille's"
    return Row(work, figure, f"1/{MEMORY_BAR:g}", mine * MEMORY_BAR <= defaults)


def search_row(work, mine, peer, bar):
    figure = f"{mine:.1f} ms, {peer / mine:.1f}x faster than {peer:.1f} ms"
    name = f"exact search p50 on Cranfield against RAGatouille's PLAID, {work}"
    return Row(name, figure, f"{bar:g}x" if bar else "", peer >= bar * mine if bar else None)


def quality_row(name, mine, peer):
    figure = f"{mine:.4f}, RAGatouille {peer:.4f}"
    return Row(f"{name}: nDCG@10, ColBERT, float16", figure, f"-{LOSS}", mine >= peer - LOSS)


def sizes(corpus, folder, model, theirs):
    told = measured("measure_late.py", "sizes", corpus, fresh(folder / "sizes"), model, BACKEND)
    found = [size_row(name, it) for name, it in told.items()]
    peer = theirs["defaults"]
    return [*found, size_row(f"RAGatouille's PLAID, {peer['bits']} bits", peer)]


def size_row(name, it):
    return Row(f"bytes a token, {name}", f"{it['bytes_a_token']:.1f}, nDCG@10 {it['ndcg']:.4f}")


def encoders(corpus, model):
    told = {name: measured("measure_late.py", "encode", corpus, model, name)["documents_a_second"] for name in ENCODERS}
    figure = ", ".join(f"{name} {rate:.0f}" for name, rate in told.items())
    return Row("ColBERT encoders alone on Cranfield, documents/s", figure)


def exact_search(corpus, folder, model):
    vectors = fresh(folder / "exact")
    ours = measured("measure_late.py", "exact", corpus, vectors, model, BACKEND)
    theirs = measured("peer_similarity.py", vectors)
    mine, peer, count = ours["ms"], theirs["ms"], len(ours["found"])
    alike = sum(same_order(ours["found"][query], it) for query, it in theirs["found"].items())
    figure = f"{mine:.1f} ms, {peer / mine:.1f}x faster than {peer:.1f} ms, same order in {alike} of {count}"
    work = f"exact search of {ours['tokens']:,} float32 tokens against sentence-transformers' maxsim"
    return Row(work, figure, f"{EXACT_BAR:g}x, all", peer >= EXACT_BAR * mine and alike == count)


def same_order(ours, theirs):
    """Returns whether, rank by rank, both name the same documents, or scores that rounding can't tell apart."""
    ranked = [sorted(it.items(), key=lambda pair: -pair[1]) for it in (ours, theirs)]
    return len(ours) == len(theirs) and all(
        name == other or abs(score - its) <= ROUNDING for (name, score), (other, its) in zip(*ranked, strict=True)
    )


def growth(folder):
    found = []
    for documents, tokens in SHAPES:
        index = fresh(folder / "growth")
        index.parent.mkdir(parents=True, exist_ok=True)
        made = measured("measure_growth.py", "write", index, documents, tokens)
        it = measured("measure_growth.py", "search", index)
        figure = (
            f"p50 {it['p50_ms']:.1f} ms, first {it['first_s']:.1f} s, written in {made['seconds']:.0f} s, "
            f"{made['disk_mb']:.0f} MB on disk, "
            f"+{it['growth_mb']:.0f} MB of memory, sought text first in {it['found']} of {it['queries']}"
        )
        work = f"ColBERT search over {documents:,} documents of {tokens} tokens, int8, synthetic"
        fits = it["growth_mb"] <= GROWTH_MB and it["found"] == it["queries"]
        found.append(Row(work, figure, f"+{GROWTH_MB} MB, all", fits))
        fresh(index)
    return found
