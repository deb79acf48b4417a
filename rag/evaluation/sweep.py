"""What storing vectors otherwise costs on this corpus: formats, and pooling of token vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from ...retrievers.bi_encoder import BiEncoderRetriever
from ...retrievers.colbert import ColBERTRetriever
from ...retrievers.indexed import IndexedRetriever, close_files
from ...retrievers.store.formats import FORMATS, VectorFormat
from ..indexing.setup import indexed
from ..pipeline import RAG
from .comparison import Row, against
from .configuration import Configuration
from .contender import Contender
from .corpus import JudgedCorpus
from .measures import require_measures, score_queries
from .once import encoded_once, tokens_encoded_once
from .queries_ahead import AskedTwoWays, queries_ahead, token_queries_ahead
from .searching import OnQuery, build_index, index_bytes, warming_query
from .side_by_side import search_side_by_side, untimed_texts

__all__ = ["POOL_FACTORS", "sweep"]

POOL_FACTORS = (1, 2, 4)  # Clavie et al. 2024 measure these: hardly any loss at 2, some at 4


@dataclass(frozen=True, slots=True)
class _Variant:
    """A retriever that stores its vectors in one way.

    Args:
        name: What its row is called.
        alone: As a search asks it: a query is encoded when it is asked.
        ahead: The same, with queries that are encoded once for all variants.
    """

    name: str
    alone: IndexedRetriever
    ahead: IndexedRetriever


def sweep(
    corpus: JudgedCorpus, configuration: Configuration, index_folder: Path, *, on_query: OnQuery | None = None
) -> list[Row]:
    """Returns what each vector format, and each pooling of ColBERT's token vectors, does to quality, time and size.

    Each document is encoded once an encoder and stored in every way, each in an index that is removed before the next
    is made. Queries are encoded once an encoder too, but for those that are timed (see `search_side_by_side`), which
    are encoded for every row. Every row is tested against the first of its retriever: float32, not pooled. The index
    that is there tells only how it was made.

    Args:
        corpus: From `read_corpus`, `read_beir` or `read_questions`.
        configuration: As for `compare`.
        index_folder: Of an index with the retrievers.
        on_query: Told after each query of all the rows together.

    Raises:
        MissingExtraError: ir-measures is not installed.
        ModelNotFoundError: A model can't be had.
    """
    require_measures()
    with TemporaryDirectory(prefix="lateral-sweep-") as made, configuration.open(index_folder) as rag:
        folder, status, untimed = Path(made), rag.status(), untimed_texts(corpus)
        groups = [
            list(_variants(it, untimed, folder)) for it in indexed(rag.retrievers) if _is_swept(it, configuration)
        ]
        chunking = (status.chunk_size, status.chunk_overlap)
        tells = _counted(on_query, len(corpus.queries), rows=sum(map(len, groups)))
        rows: list[Row] = []
        for group in groups:
            found = [
                _measured(
                    corpus, one, folder=folder, chunking=chunking, top_k=configuration.top_k, on_query=next(tells)
                )
                for one in group
            ]
            rows += against(found, found[0].name) if found else []
    return rows


def _is_swept(retriever: IndexedRetriever, configuration: Configuration) -> bool:
    """Returns whether a retriever has vectors, and is one of those that are compared."""
    names = configuration.retrievers
    return retriever.encoder is not None and (names is None or retriever.name in names)


def _variants(retriever: IndexedRetriever, untimed: Sequence[str], folder: Path) -> Iterator[_Variant]:
    """Yields the retriever in every way that its vectors can be stored, over one encoder that encodes once."""
    if isinstance(retriever, BiEncoderRetriever):
        once = encoded_once(retriever.encoder, folder)
        ways = (once, encoded_once(queries_ahead(once, untimed), folder, side="query"))
        for form in _formats(once.space.dim):
            alone, ahead = (BiEncoderRetriever(encoder=it, vectors=form) for it in ways)
            yield _Variant(f"{retriever.name} {form}", alone, ahead)
    elif isinstance(retriever, ColBERTRetriever):
        tokens = tokens_encoded_once(retriever.encoder, folder)
        both = (tokens, tokens_encoded_once(token_queries_ahead(tokens, untimed), folder, side="query"))
        for factor, form in product(POOL_FACTORS, _formats(tokens.space.dim)):
            pooled = "" if factor == 1 else f" pooled by {factor}"
            late, early = (ColBERTRetriever(encoder=it, vectors=form, pool_factor=factor) for it in both)
            yield _Variant(f"{retriever.name} {form}{pooled}", late, early)


def _formats(dim: int) -> list[VectorFormat]:
    """Returns the formats that vectors of this length can be stored in: binary ones fill bytes."""
    return [form for form in FORMATS if form != "binary" or dim % 8 == 0]


def _measured(
    corpus: JudgedCorpus,
    variant: _Variant,
    *,
    folder: Path,
    chunking: tuple[int, int],
    top_k: int,
    on_query: OnQuery | None,
) -> Row:
    """Returns a variant's row, measured on an index that is gone afterwards."""
    with (
        TemporaryDirectory(dir=folder) as place,
        RAG(
            Path(place) / "index", retrievers=(variant.alone,), chunk_size=chunking[0], chunk_overlap=chunking[1]
        ) as rag,
    ):
        build_index(rag, corpus)
        variant.ahead.attach(rag.index)
        ways = AskedTwoWays([variant.alone], [variant.ahead], warming_query(rag.index, [variant.alone]))
        one = Contender((variant.alone.name,))
        found = search_side_by_side(ways, [one], corpus, top_k=top_k, on_query=on_query)[one]
        status = rag.status()
        size = index_bytes(status, [variant.alone.name]) / max(status.documents, 1)
        close_files([variant.ahead])
    return Row(variant.name, score_queries(corpus.qrels, found.rankings), found.milliseconds, size)


def _counted(tell: OnQuery | None, queries: int, *, rows: int) -> Iterator[OnQuery | None]:
    """Yields for each row what is told of its queries, and tells of all rows' together."""
    for row in range(rows):
        yield None if tell is None else partial(_tell, tell, row * queries, rows * queries)


def _tell(tell: OnQuery, before: int, total: int, done: int, _: int) -> None:
    tell(before + done, total)
