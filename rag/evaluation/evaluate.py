"""Evaluation: one configuration on one corpus."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

from ...errors import InvalidArgumentError
from ...retrievers.hybrid import DEFAULT_FUSION
from ..indexing.setup import indexed
from ..pipeline import OnProgress
from .beir import is_beir, read_beir
from .configuration import Configuration
from .corpus import JudgedCorpus
from .measures import require_measures, score_queries
from .memory import PeakMemory
from .not_indexed import not_indexed
from .questions import find_questions, read_questions
from .result import EvaluationResult
from .searching import OnQuery, build_index, index_bytes, search_all, search_with, warming_query

__all__ = ["evaluate", "read_corpus"]


def read_corpus(folder: Path, *, questions: Path | None = None, split: str | None = None) -> JudgedCorpus:
    """Returns the judged corpus of a folder: in BEIR form, or documents with a file of questions.

    Args:
        folder: The corpus.
        questions: The file of questions; None: that of the folder.
        split: Which judgements of a corpus in BEIR form; see `read_beir`.

    Raises:
        InvalidArgumentError: The folder is neither, a split is named and it is not in BEIR form, or a file can't be
            read; names file and line.
        SourceRootError: The folder that the questions belong to is missing.
    """
    if questions is None and not os.path.isdir(folder):
        got = "it is a file: name the folder that it stands in" if os.path.isfile(folder) else "there is no such folder"
        raise InvalidArgumentError(
            f"'{folder}' must hold a corpus in BEIR form (corpus.jsonl, queries.jsonl, qrels/test.tsv), or documents "
            f"and a file of questions: {got}"
        )
    if questions is None and is_beir(folder):
        return read_beir(folder, split=split)
    if split is not None:
        raise InvalidArgumentError(f"a split is of a corpus in BEIR form, got {split!r:.60} for a file of questions")
    return read_questions(folder, questions or find_questions(folder))


def evaluate(
    corpus: JudgedCorpus,
    configuration: Configuration,
    index_folder: Path,
    *,
    on_index: OnProgress | None = None,
    on_query: OnQuery | None = None,
) -> EvaluationResult:
    """Returns how well and how fast a configuration finds what is judged relevant.

    The index is made in the folder, or taken from it: an index of this corpus is not encoded again, and may hold more
    retrievers than are evaluated. Times are of one query after another in this process, models loaded.

    Args:
        corpus: From `read_corpus`, `read_beir` or `read_questions`.
        configuration: What is evaluated.
        index_folder: Where the index is or will be.
        on_index: Told after every document and commit.
        on_query: Told after each query.

    Raises:
        MissingExtraError: ir-measures is not installed.
        IndexConfigError: The index there is of something else, or made otherwise.
        ModelNotFoundError: A model can't be had.
    """
    require_measures()
    with PeakMemory() as memory, configuration.open(index_folder) as rag:
        built = build_index(rag, corpus, on_index=on_index)
        search = search_with(configuration, rag)
        names = configuration.retrievers or tuple(it.name for it in indexed(rag.retrievers))
        warm_up = warming_query(rag.index, [it for it in indexed(rag.retrievers) if it.name in names])
        searched = search_all(search, corpus, configuration.top_k, warm_up=warm_up, on_query=on_query)
        fusion = None if len(names) == 1 else configuration.fusion or DEFAULT_FUSION
        status = rag.status()
        remarks = (*corpus.remarks, *not_indexed(rag, corpus))
    return EvaluationResult(
        corpus=corpus.name,
        configuration=replace(configuration, retrievers=names, fusion=fusion),
        scores=score_queries(corpus.qrels, searched.rankings),
        rankings=searched.rankings,
        milliseconds=searched.milliseconds,
        index_seconds=built.seconds,
        index_bytes=index_bytes(status, names),
        documents=status.documents,
        chunks=status.chunks,
        peak_memory_mb=memory.megabytes,
        judged_by=Counter(corpus.judged_by(query) for query in corpus.queries),
        remarks=remarks,
        failed=built.failed,
        unanswerable=len(corpus.unanswerable),
    )
