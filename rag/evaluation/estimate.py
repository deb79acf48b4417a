"""What indexing a folder would take and give, from a sample of its files: nothing is indexed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ...errors import InvalidArgumentError
from ...loaders.chunking import Chunker
from ...loaders.files import Paths, SourceFile, walk
from ...loaders.node import LoadFailure, document_id
from ...retrievers.indexed import IndexedRetriever, storage_space
from ...retrievers.retriever import Retriever
from ...retrievers.store import hash_text
from ..context import Passage
from ..indexing.setup import indexed, make_chunker, make_config
from ..pipeline import CONTEXT_TOKENS
from ..prompt import build_messages
from .encoding_pace import EncodingPace, measure_encoding
from .file_sample import FolderSample, read_sample
from .index_sizes import (
    INDEX_BASE_BYTES,
    POSTING_BYTES,
    VECTOR_ENTRY_BYTES,
    term_bytes,
    vector_bytes,
)
from .sampling import Estimated, extrapolate

__all__ = ["DEFAULT_SAMPLE", "Estimate", "VectorEstimate", "estimate"]

DEFAULT_SAMPLE = 60  # files: about ten seconds of reading where they are PDFs of ten pages
HEAPS = 0.6  # vocabulary grows with this power of the text: Manning et al. 2008, Introduction to IR, section 5.1.1
SIZE_ERROR = 0.1  # of the bytes that are worked out: they came within 10% of the indexes they were compared with
TIME_ERROR = 0.5  # a short measurement, of a machine that does other things too
STORE_SECONDS = 0.0006  # to commit a node and put it into BM25, measured on two cores over 998 to 1,659 nodes
MAPPED_ROW_BYTES = 48  # a chunk's id, the hash of its text, and the scores of a query
CACHED_NODES, CACHED_NODE_BYTES = 20_000, 2_000  # as `lateral.retrievers.store.snapshot` keeps them
DIGITS = 3  # of a number as JSON: a millisecond is less than any estimate tells
TOP_K = 10  # hits that an answer is made from
ASKED = "How long should I wait before testing a flooded well?"
APPROXIMATE_ABOVE = 100_000  # chunks above which `--store auto` builds Chroma's graph too


@dataclass(frozen=True, slots=True)
class VectorEstimate:
    """The vectors of one retriever.

    Args:
        model: Its model.
        dim: Length of a vector.
        format: How they will be stored.
        vectors: How many: one a text, or one a token.
        bytes: Of their files, in every format that can hold them.
    """

    model: str
    dim: int
    format: str
    vectors: Estimated
    bytes: Mapping[str, Estimated]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What indexing would take and give.

    Args:
        files: How many would be read.
        files_read: How many were, for this estimate.
        skipped: Files and folders that are not read on purpose.
        failed: What can't be read, of the sample and of the walk.
        documents: Files that give a document.
        pages: Pages of PDFs, slides, sheets and images.
        chunks: Passages.
        vectors: By retriever.
        index_bytes: Of the whole index, as its vectors will be stored; for a minute after it was made it holds what
            was merged too, up to twice as much.
        catalog_bytes: Of its texts, ids and metadata.
        bm25_bytes: Of its index of words.
        seconds: Of indexing on this machine with the models loaded; None where encoding was not measured.
        load_seconds: Of loading the models; None where they were not loaded.
        memory_bytes: What searches map and hold of the index, beside the program and its models.
        context_tokens: What an answer's passages take, as the first encoder counts.
        prompt_tokens: With the rules, the fences and a question: what a chat model reads for an answer.
        notes: What the numbers leave out.
    """

    files: int
    files_read: int
    skipped: int
    failed: tuple[LoadFailure, ...]
    documents: Estimated
    pages: Estimated
    chunks: Estimated
    vectors: Mapping[str, VectorEstimate]
    index_bytes: Estimated
    catalog_bytes: Estimated
    bm25_bytes: Estimated
    seconds: Estimated | None
    load_seconds: float | None
    memory_bytes: Estimated
    context_tokens: int
    prompt_tokens: int
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Returns the estimate as JSON values."""
        return asdict(self, dict_factory=_rounded)


def _rounded(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Returns values by name without what sums of shares leave behind: two pages are no 1.9999999999999998."""
    return {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in pairs}


def estimate(
    paths: Paths,
    retrievers: Sequence[Retriever],
    *,
    sample: int = DEFAULT_SAMPLE,
    encode: bool = True,
    chunk_size: int | None = None,
    chunk_overlap: int | None = None,
) -> Estimate:
    """Returns what indexing files would take and give, without indexing them.

    A sample of the files, by format and size, is read and cut as `RAG.add` would, for at most 20 seconds; a few of its
    chunks are encoded for at most a few seconds. Counts are exact where every file was read.

    Args:
        paths: Files and folders.
        retrievers: Of the index to be made.
        sample: How many files to read at most, though one of every format.
        encode: Whether to load the models and measure them. Else time is not estimated, and token vectors are counted
            from tokens.
        chunk_size: As for `RAG`.
        chunk_overlap: As for `RAG`.

    Raises:
        SourceRootError: A path is missing.
        InvalidArgumentError: There is no file to read, or an argument is out of bounds.
        ModelNotFoundError: A model can't be had.
    """
    found = list(walk(paths))
    files = [it for it in found if isinstance(it, SourceFile)]
    failed = [it for it in found if isinstance(it, LoadFailure)]
    if not files:
        why = f": {failed[0].source}: {failed[0].reason}" if failed else ""
        raise InvalidArgumentError(f"there is no file to read{why}")
    config = make_config(retrievers, chunk_size, chunk_overlap)
    chunker = make_chunker(retrievers, config)
    read_in = read_sample(files, sample, chunker, retrievers)
    kept = indexed(retrievers)
    texts = list(dict.fromkeys(read_in.texts))
    paces = {it.name: measure_encoding(it.encoder, texts, encode=encode) for it in kept if it.encoder is not None}
    return _estimated(read_in, kept, chunker, paces, walked=(len(files), len(found) - len(files) - len(failed), failed))


def _estimated(
    sample: FolderSample,
    retrievers: Sequence[IndexedRetriever],
    chunker: Chunker,
    paces: Mapping[str, EncodingPace],
    *,
    walked: tuple[int, int, Sequence[LoadFailure]],
) -> Estimate:
    chunks = extrapolate(sample.strata, lambda one: len(one.texts))
    pages = extrapolate(sample.strata, lambda one: one.pages)
    distinct = len(set(map(hash_text, sample.texts))) / (len(sample.texts) or 1)
    vectors = {
        it.name: found for it in retrievers if (found := _vectors(it, paces, chunks.scaled(distinct))) is not None
    }
    entries = chunks.scaled(distinct * VECTOR_ENTRY_BYTES * len(vectors))
    base = Estimated(INDEX_BASE_BYTES, INDEX_BASE_BYTES, INDEX_BASE_BYTES)
    catalog = _uncertain(extrapolate(sample.strata, lambda one: one.catalog_bytes) + entries + base, SIZE_ERROR)
    words = _bm25_bytes(sample) if any(it.name == "bm25" for it in retrievers) else Estimated(0, 0, 0)
    stored = sum((it.bytes[it.format] for it in vectors.values()), Estimated(0, 0, 0))
    held = chunks.scaled(MAPPED_ROW_BYTES) + _capped(chunks, CACHED_NODES).scaled(CACHED_NODE_BYTES)
    context, prompt = _tokens(sample, chunker)
    files, skipped, failed = walked
    return Estimate(
        files=files,
        files_read=sum(len(stratum.read) for stratum in sample.strata),
        skipped=skipped,
        failed=(*failed, *sample.failed),
        documents=extrapolate(sample.strata, lambda one: one.documents, by_size=False),
        pages=pages,
        chunks=chunks,
        vectors=vectors,
        index_bytes=catalog + words + stored,
        catalog_bytes=catalog,
        bm25_bytes=words,
        seconds=_seconds(sample, chunks.scaled(distinct), chunks + pages, paces),
        load_seconds=sum(it.load_seconds for it in paces.values()) if _measured(paces) else None,
        memory_bytes=stored + words + held,
        context_tokens=context,
        prompt_tokens=prompt,
        notes=_notes(chunks, paces, sample),
    )


def _vectors(retriever: IndexedRetriever, paces: Mapping[str, EncodingPace], texts: Estimated) -> VectorEstimate | None:
    space = storage_space(retriever)
    if space is None:
        return None
    pace = paces[retriever.name]
    vectors = _uncertain(texts.scaled(pace.rows_a_text), pace.rows_error)
    low, value, high = (vector_bytes(count, space.dim) for count in (vectors.low, vectors.value, vectors.high))
    sizes = {str(form): Estimated(value[form], low[form], high[form]) for form in value}
    return VectorEstimate(space.model, space.dim, space.format, vectors, sizes)


def _bm25_bytes(sample: FolderSample) -> Estimated:
    postings = extrapolate(sample.strata, lambda one: one.postings).scaled(POSTING_BYTES)
    words = extrapolate(sample.strata, lambda one: one.words)
    seen = sample.total("words") or 1.0
    own = term_bytes(sorted(sample.terms))
    low, value, high = (own * (count / seen) ** HEAPS for count in (words.low, words.value, words.high))
    return _uncertain(postings + Estimated(value, low, high), SIZE_ERROR)


def _seconds(
    sample: FolderSample, texts: Estimated, nodes: Estimated, paces: Mapping[str, EncodingPace]
) -> Estimated | None:
    """Returns the time of all steps together; reading and encoding overlap: the longer of them may be enough."""
    if not _measured(paces) and paces:
        return None
    reading = extrapolate(sample.strata, lambda one: one.seconds) + nodes.scaled(STORE_SECONDS)
    encoding = texts.scaled(sum(it.seconds_a_text or 0.0 for it in paces.values()))
    together = _uncertain(reading + encoding, TIME_ERROR)
    return Estimated(together.value, min(together.value, max(reading.low, encoding.low)), together.high)


def _measured(paces: Mapping[str, EncodingPace]) -> bool:
    return bool(paces) and all(it.seconds_a_text is not None for it in paces.values())


def _tokens(sample: FolderSample, chunker: Chunker) -> tuple[int, int]:
    """Returns the tokens of an answer's passages, and of the whole prompt around them."""
    texts = len(sample.texts)
    mean = sample.total("tokens") / (texts or 1)
    taken = min(TOP_K, texts, int(CONTEXT_TOKENS / mean) if mean else 0)
    context = round(taken * mean)
    name = next((file.path for stratum in sample.strata for file in stratum.chosen), "")
    empty = [Passage(n, (), "", document_id(name), Path(name).name, None, 0, 0, 0, ()) for n in range(1, taken + 1)]
    return context, context + sum(chunker.count_tokens([it["content"] for it in build_messages(ASKED, empty)]))


def _notes(chunks: Estimated, paces: Mapping[str, EncodingPace], sample: FolderSample) -> tuple[str, ...]:
    notes = []
    if chunks.high > APPROXIMATE_ABOVE:
        notes.append(
            f"above {APPROXIMATE_ABOVE:,} chunks Chroma's graph comes on top of the bytes, unless --store says"
        )
    if paces and not _measured(paces):
        notes.append("encoding was not measured: no time, and token vectors are counted from tokens")
    if sample.failed:
        notes.append(
            f"{len(sample.failed):,} files of the sample can't be read, and as many of the others in proportion"
        )
    return tuple(notes)


def _uncertain(it: Estimated, error: float) -> Estimated:
    return Estimated(it.value, it.low * (1 - error), it.high * (1 + error))


def _capped(it: Estimated, most: float) -> Estimated:
    return Estimated(min(it.value, most), min(it.low, most), min(it.high, most))
