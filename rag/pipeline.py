"""The pipeline: an index directory, the retrievers over it, and what turns hits into answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from ..errors import IndexCorruptError, InvalidArgumentError
from ..loaders.boxes import Box
from ..loaders.files import walk
from ..loaders.limits import RENDER_DPI
from ..loaders.page_image import PageImage
from ..rerankers.registry import choose_reranker
from ..rerankers.reranker import Reranker, candidates_of
from ..retrievers.device_memory import free_device_memory
from ..retrievers.hit import Hit, check_top_k
from ..retrievers.hybrid import DEFAULT_FUSION, Fusion, HybridRetriever, check_fusion
from ..retrievers.retriever import Retriever, Where
from ..retrievers.store import Index, StoredDocument
from .answer import Answer
from .citing.boxes import BoxFinder, Located
from .citing.pictures import show_page
from .context import build_context
from .explaining import ExplainedHit, Stages, explain_hit
from .generators.degrading import PassageGenerator
from .generators.extractive import ExtractiveGenerator
from .generators.generator import Generator
from .hit_explanation import HitExplanation
from .indexing.ingest import Ingest, Progress
from .indexing.removal import find_documents
from .indexing.report import AddReport
from .indexing.retriever_set import RetrieverSet
from .indexing.setup import RetrieverChoice, indexed, make_chunker
from .indexing.sources import Source, add_documents, add_files, split_sources
from .indexing.status import IndexStatus, VerifyReport, read_status
from .indexing.verifying import verify_index
from .stoppable import stoppable
from .stream import AnswerStream

__all__ = ["DEFAULT_INDEX", "RAG", "OnProgress"]

logger = logging.getLogger(__name__)

OnProgress: TypeAlias = Callable[[Progress], None]

DEFAULT_INDEX = ".lateral"
CONTEXT_TOKENS = 2_000  # eight chunks of the default size: small enough for every chat model


class RAG:
    """Answers questions from an index of your documents.

    Making one opens nothing: the index is made by the first `add`, models load when they are first needed. Threads
    may share a `RAG`. Reading never blocks on a writer, and never writes. One thread or process writes at a time:
    another gets `IndexLockedError` at once.

    Args:
        path: The index directory.
        retrievers: Names ("bm25", "bi-encoder", "colbert") or objects of your own. None: those that the index was made
            with, or BM25 and the bi-encoder for a new one.
        fusion: How several retrievers are fused: "convex" by their scores, "rrf" by their ranks, or a function of your
            own; see `lateral.retrievers.hybrid.HybridRetriever`. No index depends on it.
        reranker: Reorders the fused hits: a name with its model, "cross-encoder=MODEL", or an object; None for none.
        generator: Writes the answer from the passages; None for `ExtractiveGenerator`, which quotes and works offline.
        strict: Raise `ChatModelError` when the generator's model can't be had. Otherwise the answer is the passages
            that answer best, with their citations, and its `degraded` says "generator".
        chunk_size: Tokens of a chunk at most; None: what the encoder with the shortest limit reads whole, 512 at most.
        chunk_overlap: Tokens that neighbouring chunks share at most; None: 16.

    Raises:
        InvalidArgumentError: The reranker or the generator has not the method of its contract, or there is no such
            reranker or fusion.
    """

    def __init__(
        self,
        path: str | Path = DEFAULT_INDEX,
        *,
        retrievers: str | Sequence[RetrieverChoice] | None = None,
        fusion: str | Fusion = DEFAULT_FUSION,
        reranker: str | Reranker | None = None,
        generator: Generator | None = None,
        strict: bool = False,
        chunk_size: int | None = None,
        chunk_overlap: int | None = None,
    ) -> None:
        _check_method("generator", generator, "generate")
        self.index = Index(path)
        self._retrievers = RetrieverSet(
            self.index,
            [retrievers] if isinstance(retrievers, str) else retrievers,
            chunk_size=chunk_size,
            chunk_overlap=chunk_overlap,
        )
        self._fusion = check_fusion(fusion)
        self.reranker = choose_reranker(reranker)
        self._named_reranker = (reranker, self.reranker) if isinstance(reranker, str) else None
        self._generator = generator
        self._strict = strict
        self._boxes = BoxFinder(self.index)

    def add(self, sources: Source | Iterable[Source], *, on_progress: OnProgress | None = None) -> AddReport:
        """Adds files, folders or documents in memory, and returns what was done once it is on the disk.

        What is in the index already and has not changed is not read again; a changed document replaces its old nodes;
        a file that can't be read is reported, and its older version stays.

        Args:
            sources: A path, a document, or several: documents are `Document` objects or mappings with "id", "text"
                and, if wanted, "metadata".
            on_progress: Told after every source and every commit.

        Raises:
            SourceRootError: A path is missing or unreadable.
            InvalidArgumentError: A source is neither a path nor a document, or a document's id stands twice.
            IndexLockedError: Another process or thread is writing.
            IndexConfigError: The index was made with other retrievers or chunks than this `RAG` asks for, or its
                vectors with another encoder (`EncoderMismatchError`).
            ModelNotFoundError: A retriever's model can't be had.
            StorageError: The disk is full, or can't be written.
        """
        return self._ingest(sources, on_progress, sync=False)

    def sync(self, folders: str | Path | Iterable[str | Path], *, on_progress: OnProgress | None = None) -> AddReport:
        """Adds what is new or changed under the folders, and removes the documents whose files are gone.

        Raises:
            SourceRootError: A folder is missing, unreadable, or empty while the index has documents from it.
            InvalidArgumentError: A source is a document in memory.
            LateralError: What `add` raises.
        """
        roots: list[Source] = [folders] if isinstance(folders, str | Path) else list(folders)
        return self._ingest(roots, on_progress, sync=True)

    def remove(self, targets: str | Path | Iterable[str | Path]) -> AddReport:
        """Removes documents, named by path, by a folder above them, by document id or by the caller's own id.

        Raises:
            InvalidArgumentError: A target names no document of the index; nothing is removed then.
            IndexNotFoundError: There is no index yet.
            IndexLockedError: Another process or thread is writing.
        """
        names = [targets] if isinstance(targets, str | Path) else list(targets)
        with self.index.read() as snapshot:
            documents = find_documents(snapshot.documents(), [str(name) for name in names])
        with self._writing(None) as ingest:
            ingest.remove(documents)
            return ingest.finish()

    def status(self) -> IndexStatus:
        """Returns what the index holds and how it was made.

        Raises:
            IndexNotFoundError: There is no index yet.
        """
        with self.index.read() as snapshot:
            return read_status(self.index.folder, snapshot)

    def verify(self, *, repair: bool = False) -> VerifyReport:
        """Returns what is wrong with the index, after reading every byte of it; mends it if asked to.

        Args:
            repair: Encode lost vectors again, and rebuild derived indexes.

        Raises:
            IndexCorruptError: The catalog itself can't be read.
        """
        return verify_index(self.index, self._retrievers, repair=repair)

    def retrieve(self, query: str, top_k: int = 10, where: Where | None = None) -> list[Hit]:
        """Returns the best hits for a query, best first, ties by node id.

        Each hit's trail tells its rank and score at every stage. The score is that of the last stage: the reranker's,
        the fusion's ("convex": in [0, 1], "rrf": in (0, number of retrievers / 61]), or the only retriever's.

        Args:
            query: The question or keywords. An empty one has no hits.
            top_k: How many hits at most.
            where: A filter over metadata, source, page and kind; see `lateral.retrievers.filters`.

        Raises:
            InvalidArgumentError: The query is no text, top_k is below 1, or the filter is wrong.
            IndexNotFoundError: There is no index yet.
            EncoderMismatchError: The index's vectors were made with another encoder.
            ModelNotFoundError: A model can't be had.
        """
        check_top_k(top_k)
        asked = _readable(query)
        depth = top_k if self.reranker is None else max(top_k, candidates_of(self.reranker))
        try:
            candidates = self._candidates(asked, depth, where)
        except IndexCorruptError:
            logger.info("reading again: a writer may have replaced a file after it was looked up")
            candidates = self._candidates(asked, depth, where)
        return candidates if self.reranker is None else self.reranker.rerank(asked, candidates, top_k)

    def ask(self, question: str, *, top_k: int = 10, where: Where | None = None) -> Answer:
        """Returns the answer to a question, with checked citations.

        Args:
            question: The question.
            top_k: How many hits the context is built from.
            where: A filter; see `retrieve`.

        Raises:
            ChatModelError: `strict`, and the generator's model can't be had.
            LateralError: What `retrieve` raises.
        """
        return self.stream(question, top_k=top_k, where=where).finish()

    def stream(self, question: str, *, top_k: int = 10, where: Where | None = None) -> AnswerStream:
        """Returns an iterator over the answer's text as it is written; its `finish()` gives the citations.

        Passages are found before it returns: that raises what `retrieve` does. Its iteration raises what `ask` does.
        """
        question = _readable(question)
        hits = self.retrieve(question, top_k, where)
        passages = build_context(hits, token_budget=CONTEXT_TOKENS, count_tokens=self._retrievers.count_tokens())
        encoder = self._retrievers.encoder()
        extractive = ExtractiveGenerator(encoder)
        return AnswerStream(
            question,
            hits,
            passages,
            generator=self._generator or extractive,
            fallback=PassageGenerator(extractive) if self._generator else None,
            encoder=encoder,
            strict=self._strict,
        )

    def locate(self, answer: Answer) -> Answer:
        """Returns the answer with `boxes` for its citations of PDF pages: where each quote stands, line by line.

        They are read from the files, in a parsing process: the first call takes a quarter of a second, the next ones
        some milliseconds a page. A file that has changed or gone since it was indexed gives none.
        """
        return replace(answer, citations=tuple(self._boxes.locate(answer.citations, answer.passages)))

    def boxes(self, text: Located) -> list[Box]:
        """Returns where a hit, node, passage or citation stands on its page: (left, bottom, right, top) a line.

        In PDF points, as annotations have them; see `locate`.
        """
        return list(self._boxes.find([text])[0])

    def picture(self, text: Located, *, dpi: float = RENDER_DPI, highlight: bool = True) -> PageImage:
        """Returns the page that a citation, hit, node or passage stands on, its lines in yellow; see `show_page`."""
        return show_page(text, self._boxes, index=self.index, dpi=dpi, highlight=highlight)

    def explain(
        self, query: str, hit: ExplainedHit = 1, *, top_k: int = 10, where: Where | None = None
    ) -> HitExplanation:
        """Returns where a hit, its node or id, or the hit of a rank stands at each stage and why; see `explain_hit`.

        Args:
            query: The question or keywords.
            hit: A hit, its node, a node's id, or a rank in the list of the last stage.
            top_k: Of the search that is explained: a reranker reads no fewer hits.
            where: The filter of that search.

        Raises:
            InvalidArgumentError: The index has no such node or the query no such rank, top_k is below 1, or the filter
                is wrong.
            LateralError: What `retrieve` raises.
        """
        check_top_k(top_k)
        depth = 0 if self.reranker is None else max(top_k, candidates_of(self.reranker))
        stages = Stages(self.index, self.retrievers, self.reranker, depth, self._fusion)
        return explain_hit(stages, _readable(query), hit, where=where)

    async def aadd(self, sources: Source | Iterable[Source], *, on_progress: OnProgress | None = None) -> AddReport:
        """Adds in a thread; see `add`. Cancelled, it ends as Ctrl-C ends it: what was committed stays."""
        return await stoppable(partial(self.add, sources), on_progress)

    async def aretrieve(self, query: str, top_k: int = 10, where: Where | None = None) -> list[Hit]:
        """Retrieves in a thread; see `retrieve`."""
        return await asyncio.to_thread(self.retrieve, query, top_k, where)

    async def aask(self, question: str, *, top_k: int = 10, where: Where | None = None) -> Answer:
        """Answers in a thread; see `ask`."""
        return await asyncio.to_thread(self.ask, question, top_k=top_k, where=where)

    async def astream(self, question: str, *, top_k: int = 10, where: Where | None = None) -> AsyncIterator[str]:
        """Yields the answer's text as it is written, each piece awaited in a thread; see `stream`.

        A reader that leaves early ends the generator's work too.
        """
        stream = await asyncio.to_thread(self.stream, question, top_k=top_k, where=where)
        try:
            while (piece := await asyncio.to_thread(next, stream, None)) is not None:
                yield piece
        finally:
            stream.close()

    def close(self) -> None:
        """Closes the index's files, ends the parsing process and lets go of models; the next call opens them again.

        What was handed over as an object, a retriever, a reranker or a generator, keeps the model that it has loaded.
        """
        self._boxes.close()
        self._retrievers.close()
        if self._named_reranker is not None and self._named_reranker[1] is self.reranker:
            self.reranker = choose_reranker(self._named_reranker[0])
            self._named_reranker = (self._named_reranker[0], self.reranker)
        self.index.close()
        free_device_memory()

    def __repr__(self) -> str:
        return f"RAG({str(self.index.folder)!r})"

    def __enter__(self) -> RAG:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _ingest(self, sources: Source | Iterable[Source], on_progress: OnProgress | None, *, sync: bool) -> AddReport:
        paths, documents = split_sources(sources)
        if sync and documents:
            raise InvalidArgumentError("sync takes folders and files only: use add for documents in memory")
        found = walk(paths)  # a path that is missing raises here, before an index is made
        with self._writing(on_progress) as ingest:
            if paths:
                add_files(ingest, paths, found, sync=sync)
            add_documents(ingest, documents)
            return ingest.finish()

    @contextmanager
    def _writing(self, on_progress: OnProgress | None) -> Iterator[Ingest]:
        with self.index.write() as writer:
            config, retrievers = self._retrievers.settle(writer)
            known: list[StoredDocument] = []
            with self.index.read() as snapshot:
                known = snapshot.documents()
            chunker = partial(make_chunker, retrievers, config)  # made when a document is to be cut: it needs the model
            run = Ingest(writer, indexed(retrievers), chunker, known=known, on_progress=on_progress)
            with closing(run) as ingest:
                yield ingest

    def _candidates(self, query: str, depth: int, where: Where | None) -> list[Hit]:
        with self.index.read() as snapshot:
            retrievers = self._retrievers.of(snapshot.config())
            retriever = retrievers[0] if len(retrievers) == 1 else HybridRetriever(retrievers, fusion=self._fusion)
            return retriever.retrieve(query, depth, where)

    @property
    def retrievers(self) -> list[Retriever]:
        """The retrievers that search, in the order of their fusion."""
        return self._retrievers.now()


def _check_method(argument: str, given: object, method: str) -> None:
    if given is not None and not callable(getattr(given, method, None)):
        raise InvalidArgumentError(f"{argument} must be an object with a method {method}(), got {given!r:.80}")


def _readable(query: object) -> str:
    """Returns the query without lone surrogates, which no tokenizer reads.

    Raises:
        InvalidArgumentError: It is no text.
    """
    if not isinstance(query, str):
        raise InvalidArgumentError(f"a query must be a text, got {query!r:.80} ({type(query).__name__})")
    return query.encode("utf-8", "replace").decode()
