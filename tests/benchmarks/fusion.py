"""The quality of the default fusion beside LlamaIndex's, query by query."""

import numpy as np
from lateral.rag.evaluation import read_beir, score_queries
from lateral.rag.evaluation.significance import ALPHA, paired_p
from lateral.retrievers.models import find_model
from peers import python_of
from report import Row, measured

LOSES_NOTHING, GAINS = "no significant loss", "significantly better"
CORPORA = {"cranfield": LOSES_NOTHING, "xquad-en": GAINS}  # the default was chosen on the first
RESAMPLES = 10_000


def rows(corpora, out):
    return [row for name in CORPORA if (corpora / name).is_dir() for row in on_corpus(name, corpora / name, out)]


def on_corpus(name, corpus, out):
    model = find_model("all-MiniLM-L6-v2").path
    peer = measured("peer_llama_index_fusion.py", corpus, model, python=python_of("llama-index"))
    index = out / f"index-fusion-{name}"
    measured("measure.py", "build", corpus, index)
    found = []
    for fusion in ("convex", "rrf"):
        ours = measured("measure.py", f"rankings-{fusion}", corpus, index)
        found.append(compared(name, fusion, read_beir(corpus).qrels, ours, peer))
    return found


def compared(name, fusion, qrels, ours, peer):
    """Bars: significantly better, or not significantly worse."""
    mine, theirs = (score_queries(qrels, rankings)["ndcg@10"] for rankings in (ours, peer))
    p = paired_p(mine, theirs)
    differences = np.array([mine[query] - theirs[query] for query in qrels])
    means = np.random.default_rng(0).choice(differences, (RESAMPLES, len(differences))).mean(axis=1)
    low, high = np.quantile(means, [ALPHA / 2, 1 - ALPHA / 2])
    mean = differences.mean()
    figure = (
        f"{np.mean(list(mine.values())):.4f} against {np.mean(list(theirs.values())):.4f}: "
        f"{mean:+.4f} (95% {low:+.4f} to {high:+.4f}, p {'< 0.001' if p < 0.001 else f'= {p:.3f}'})"
    )
    reached = {LOSES_NOTHING: mean >= 0 or p > ALPHA, GAINS: mean > 0 and p <= ALPHA}[CORPORA[name]]
    bar = CORPORA[name] if fusion == "convex" else ""
    return Row(f"{name}: nDCG@10, {fusion}, against LlamaIndex's tuned fusion", figure, bar, reached if bar else None)
