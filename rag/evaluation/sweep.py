"""What storing vectors otherwise costs on this corpus: formats, and pooling of token vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from ...retrievers.bi_encoder import BiEncoderRetriever
from ...retrievers.colbert import ColBERTRetriever
from ...retrievers.indexed import IndexedRetriever
from ...retrievers.retriever import TokenEncoder
from ...retrievers.store.formats import FORMATS, VectorFormat
from ..indexing.setup import indexed
from ..pipeline import RAG
from .comparison import Row, against
from .configuration import Configuration
from .corpus import JudgedCorpus
from .measures import require_measures, score_queries
from .once import EncodedOnce, TokensEncodedOnce
from .searching import OnQuery, build_index, index_bytes, search_all

__all__ = ["POOL_FACTORS", "sweep"]

POOL_FACTORS = (1, 2, 4)  # Clavie et al. 2024 measure these: hardly any loss at 2, some at 4

Variant = tuple[str, IndexedRetriever]


def sweep(
    corpus: JudgedCorpus, configuration: Configuration, index_folder: Path, *, on_query: OnQuery | None = None
) -> list[Row]:
    """Returns what each vector format, and each pooling of ColBERT's token vectors, does to quality, time and size.

    Each document is encoded once an encoder and stored in every way, in indexes that are removed at the end. Every row
    is tested against the first of its retriever: float32, not pooled. The index that is there tells only how it was
    made.

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
        folder = Path(made)
        chunking = (rag.status().chunk_size, rag.status().chunk_overlap)
        names = configuration.retrievers
        groups = [
            list(_variants(it, folder))
            for it in indexed(rag.retrievers)
            if it.encoder and (not names or it.name in names)
        ]
        tell = _counted(on_query, len(corpus.queries) * sum(map(len, groups)))
        rows: list[Row] = []
        for group in groups:
            found = [
                _measured(corpus, one, folder=folder, chunking=chunking, top_k=configuration.top_k, on_query=tell)
                for one in group
            ]
            rows += against(found, found[0].name) if found else []
    return rows


def _variants(retriever: IndexedRetriever, folder: Path) -> Iterator[Variant]:
    """Yields the retriever in every way that its vectors can be stored, over one encoder that encodes once."""
    if isinstance(retriever, BiEncoderRetriever):
        once = EncodedOnce(retriever.encoder, folder)
        for form in _formats(once.space.dim):
            yield f"{retriever.name} {form}", BiEncoderRetriever(encoder=once, vectors=form)
    elif isinstance(retriever, ColBERTRetriever):
        encoder: TokenEncoder = TokensEncodedOnce(retriever.encoder, folder)
        for factor in POOL_FACTORS:
            pooled = "" if factor == 1 else f" pooled by {factor}"
            for form in _formats(encoder.space.dim):
                variant = ColBERTRetriever(encoder=encoder, vectors=form, pool_factor=factor)
                yield f"{retriever.name} {form}{pooled}", variant


def _formats(dim: int) -> list[VectorFormat]:
    """Returns the formats that vectors of this length can be stored in: binary ones fill bytes."""
    return [form for form in FORMATS if form != "binary" or dim % 8 == 0]


def _measured(
    corpus: JudgedCorpus,
    variant: Variant,
    *,
    folder: Path,
    chunking: tuple[int, int],
    top_k: int,
    on_query: OnQuery | None,
) -> Row:
    name, retriever = variant
    index = folder / name.replace(" ", "-")
    with RAG(index, retrievers=(retriever,), chunk_size=chunking[0], chunk_overlap=chunking[1]) as rag:
        build_index(rag, corpus)
        found = search_all(rag.retrieve, corpus, top_k, on_query=on_query)
        size = index_bytes(rag, [retriever.name]) / max(rag.status().documents, 1)
    return Row(name, score_queries(corpus.qrels, found.rankings), found.milliseconds, size)


def _counted(tell: OnQuery | None, total: int) -> Callable[[int, int], None] | None:
    """Returns what is told of one row's queries, and tells of all rows' together."""
    if tell is None:
        return None
    done = 0

    def count(_: int, __: int) -> None:
        nonlocal done
        done += 1
        tell(done, total)

    return count
