"""What is judged relevant and did not reach the index."""

from __future__ import annotations

from ..pipeline import RAG
from .corpus import JudgedCorpus
from .remarks import Remark, RemarkCounter

__all__ = ["not_indexed"]


def not_indexed(rag: RAG, corpus: JudgedCorpus) -> tuple[Remark, ...]:
    """Returns a remark where something that is judged relevant, and is in the corpus, is not in the index.

    Args:
        rag: The corpus's index.
        corpus: What was indexed.
    """
    with rag.index.read() as snapshot:
        rows = snapshot.rows("SELECT DISTINCT d.source, n.page FROM nodes n JOIN documents d ON d.id = n.document_id")
    there = {unit for source, page in rows for unit in corpus.places(source, page)}
    missing = [
        f"{unit}, query {query}"
        for query, grades in corpus.qrels.items()
        for unit, grade in grades.items()
        if grade > 0 and unit in corpus.known_units and unit not in there
    ]
    found = RemarkCounter()
    if missing:
        words = "relevant documents or pages that are not in the index; they count as not found"
        found.note("not_indexed", words, missing[0], count=len(missing))
    return found.remarks
