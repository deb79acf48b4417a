"""Passages with real words, and ColBERT indexes over them, for the tests of PLAID."""

import re
from pathlib import Path

from lateral import RAG, ColBERTRetriever, load
from lateral.retrievers.models.colbert import load_colbert

SAMPLES = Path(__file__).parents[1] / "notebooks" / "samples"
COUNT = 300  # more than PLAID's minimum, and more than may change before it is built anew
QUERIES = (
    "How long should water boil?",
    "Which filters remove nitrate?",
    "when to test a well after a flood",
    "bleach drops for clear water",
    "what was for dinner",
)


def passages():
    """The first sentences of the sample files, in alphabetical order."""
    texts = [node.text for path in sorted(SAMPLES.iterdir()) for node in load(path) if getattr(node, "text", "")]
    sentences = {it for text in texts for it in re.split(r"(?<=[.?!])\s+", text) if 5 < len(it.split()) <= 60}
    chosen = sorted(sentences)[:COUNT]
    assert len(chosen) == COUNT
    return chosen


def documents(texts, version=""):
    """A document for each text."""
    return [
        {"id": f"doc-{at}", "text": f"{text} {version}".strip(), "metadata": {"third": at % 3, "number": at}}
        for at, text in enumerate(texts)
    ]


def colbert_encoder(checkpoint):
    """The checkpoint, run as RAGatouille runs it."""
    return load_colbert(str(checkpoint), backend="ragatouille", dtype="float32", offline=True)


def open_rag(folder, encoder, **options):
    """ColBERT alone; options are the retriever's."""
    return RAG(folder, retrievers=(ColBERTRetriever(encoder=encoder, **options),), chunk_size=128)


def hits(rag, query, top_k=10, where=None):
    """What the pipeline finds."""
    return [(hit.node.source, hit.score) for hit in rag.retrieve(query, top_k, where)]


def exact(rag, query, top_k=10, where=None):
    """What exact search over the same index finds."""
    return hits(open_rag(rag.index.folder, rag.retrievers[0].encoder, index="exact"), query, top_k, where)


def found_by_plaid(rag, query, top_k=10, where=None):
    """What PLAID finds; None where it leaves the search to exact search."""
    retriever = rag.retrievers[0]
    with rag.index.read() as snapshot:
        made = retriever._made(snapshot)
        search = retriever._search(snapshot)
        view = retriever._shortlist.plaid(made).view(snapshot, made.space, search)
        asked = retriever._query(query)
        return None if view is None else view.search(asked, top_k, snapshot.allowed(where))


def generation_folder(rag):
    """Where the published generation stands, fitting or not; None where there is none."""
    with rag.index.read() as snapshot:
        rows = snapshot.rows("SELECT folder FROM derived WHERE name = 'plaid'")
        return snapshot.folder / rows[0][0] if rows else None
