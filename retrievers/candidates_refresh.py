"""The writer's side of a candidate stage: the reduced tokens of new segments, and what recall they reach."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .candidates import CandidateSearch
from .candidates_files import (
    CandidateManifest,
    ReducedEntry,
    ReducedFiles,
    candidates_name,
    write_manifest,
    write_reduced,
)
from .candidates_reduction import reduce_segment
from .maxsim import MaxSimSearch, TokenSegment, token_segment
from .retriever import VectorSpace
from .store import Snapshot, Writer
from .store.verify import Problem

__all__ = ["candidate_problems", "measured_recall", "refresh_candidates"]

logger = logging.getLogger(__name__)

RECALL_AT = 10
RECALL_QUERIES = 16  # each searches exactly, which takes most of the time
QUERY_TOKENS = 32  # as a query of ColBERT has
# A question matches the best of all texts about as well as a text matches the best of so many others: with MiniLM's
# token vectors a mean cosine of 0.58 and 0.60 on Cranfield, 0.48 and 0.49 on XQuAD.
OTHER_TEXTS = 32
SEED = 0  # the same index has the same recall
GROWN = 0.1  # of the texts: when so many more or fewer are there, recall is measured anew


def refresh_candidates(
    writer: Writer, retriever: str, snapshot: Snapshot, space: VectorSpace, *, candidates: int | None, exact_up_to: int
) -> None:
    """Publishes a candidate stage that serves the snapshot, where one pays; takes it out of use where none does.

    New segments are reduced; what there is of the others is taken over.

    Args:
        writer: The index's writer.
        retriever: The retriever's name.
        snapshot: What the writer has committed.
        space: The space of the vectors.
        candidates: How many candidates searches take; None where every search is exact.
        exact_up_to: Up to how many tokens search is exact.

    Raises:
        StoreError: The disk is full, or the index can't be written.
        IndexCorruptError: A segment of vectors is damaged.
    """
    name = candidates_name(retriever)
    held = any(row[0] == name for row in snapshot.rows("SELECT name FROM derived"))
    segments = [] if candidates is None else [token_segment(rows) for rows in snapshot.vectors(space)]
    # An index that hovers around the limit keeps what it has, so that it is not built again and again.
    if candidates is None or _tokens(segments) <= (exact_up_to // 2 if held else exact_up_to):
        if held:
            writer.unpublish(name)
        return
    present = _published(writer, name, space)
    if present is not None and set(present.manifest.segments) == {segment.file for segment in segments}:
        writer.keep(name)
        return
    exact = MaxSimSearch(segments, len(snapshot.chunk_ids()), cache_bytes=0)
    writer.publish(name, lambda folder: _build(folder, present, exact, space, candidates))


def candidate_problems(
    retriever: str, snapshot: Snapshot, space: VectorSpace, published: Mapping[str, bool], *, exact_up_to: int
) -> list[Problem]:
    """Returns whether the candidate stage that the index should have is missing, or is one that no search uses.

    That its files are as they were published is checked elsewhere.

    Args:
        retriever: The retriever's name.
        snapshot: The index.
        space: The space of the vectors.
        published: See `lateral.retrievers.store.verify.SelfChecking`.
        exact_up_to: Up to how many tokens search is exact.
    """
    name = candidates_name(retriever)
    if name in published:
        found = snapshot.published(name) if published[name] else None
        return [] if found is None else _misfits(found[0], snapshot.folder, space)
    if _tokens([token_segment(rows) for rows in snapshot.vectors(space)]) <= exact_up_to:
        return []
    return [Problem(name, "it is not built: search is exact", "refresh", derived=name)]


def measured_recall(exact: MaxSimSearch, search: CandidateSearch, candidates: int) -> float:
    """Returns about what share of the best texts for a question is among the candidates; no encoder is needed.

    A query is the first tokens of a stored text, turned away from it in random directions until they match it as little
    as a question matches its best text; the text itself is not looked for. The recall for questions is still a little
    lower. On Cranfield with 15, 20 and 30 candidates of 1,398 texts: 0.986, 0.994 and 0.999, for questions 0.970, 0.987
    and 0.995 (for texts as they are, 0.999, 1.000 and 1.000).

    Args:
        exact: The search over all texts.
        search: The search through candidates.
        candidates: How many candidates are taken.
    """
    texts = exact.texts()
    if len(texts) < 2:
        return 1.0
    chance, shares = np.random.default_rng(SEED), []
    for text in _spread(texts, RECALL_QUERIES):
        others = texts[texts != text]
        query = _like_a_question(exact, text, _spread(others, OTHER_TEXTS), chance)
        best, _ = exact.best_texts(others, query, RECALL_AT)
        shares.append(np.isin(best, search.candidates(query, others, candidates)).mean())
    return float(np.mean(shares))


def _spread(texts: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """Returns so many of the texts, evenly spread over them, or all."""
    return texts[np.linspace(0, len(texts) - 1, min(number, len(texts))).astype(np.int64)]


def _like_a_question(
    exact: MaxSimSearch, text: int, others: NDArray[np.int64], chance: np.random.Generator
) -> NDArray[np.float32]:
    """Returns a text's first tokens, turned so far that they match the text as the best of the others matches it."""
    query = exact.tokens(np.array([text]))[:QUERY_TOKENS]
    _, scores = exact.best_texts(others, query, 1)
    cosine = min(max(float(scores.max()) / len(query), 0.0), 1.0)
    noise = chance.standard_normal(query.shape).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    turned = cosine * query + (1 - cosine**2) ** 0.5 * noise
    norms = np.linalg.norm(turned, axis=1, keepdims=True)
    result: NDArray[np.float32] = (turned / np.where(norms > 0, norms, 1)).astype(np.float32)
    return result


def _tokens(segments: Sequence[TokenSegment]) -> int:
    return sum(int(segment.counts.sum()) for segment in segments)


def _published(writer: Writer, name: str, space: VectorSpace) -> ReducedFiles | None:
    """Returns what is published, None where it can't be built on."""
    folder = writer.published(name)
    if folder is None:
        return None
    try:
        files = ReducedFiles(folder)
    except (OSError, ValueError) as err:
        logger.info("the candidate stage is made anew: %s", err)
        return None
    return files if files.serves(space) and files.is_whole() else None


def _misfits(folder: Path, index: Path, space: VectorSpace) -> list[Problem]:
    """Returns why a stage whose files are as they were published is not used."""
    try:
        files = ReducedFiles(folder)
        if files.serves(space) and files.is_whole():
            return []
        reason = "its files are cut short" if files.serves(space) else "it was made by another version"
    except (OSError, ValueError) as err:
        reason = f"it can't be read: {err}"
    return [Problem(str(folder.relative_to(index)), f"{reason}: search is exact", "refresh")]


def _build(
    folder: Path, present: ReducedFiles | None, exact: MaxSimSearch, space: VectorSpace, candidates: int
) -> None:
    known: Mapping[str, ReducedEntry] = {} if present is None else present.manifest.segments
    entries: dict[str, ReducedEntry] = {}
    for segment in exact.segments:
        if present is not None and segment.file in known:
            present.link(segment.file, folder)
            entries[segment.file] = known[segment.file]
        else:
            logger.info("reducing the tokens of %d texts", len(segment.starts))
            entries[segment.file] = write_reduced(folder, segment.file, reduce_segment(segment))
    manifest = CandidateManifest(space.fingerprint, space.dim, entries)
    write_manifest(folder, _measured(folder, manifest, present, exact, candidates))


def _measured(
    folder: Path, manifest: CandidateManifest, present: ReducedFiles | None, exact: MaxSimSearch, candidates: int
) -> CandidateManifest:
    """Returns the manifest with the recall that was measured last, or now where too much has changed since."""
    texts = len(exact.texts())
    if present is not None:
        last = present.manifest
        if last.candidates == candidates and abs(texts - last.measured) <= GROWN * last.measured:
            return replace(manifest, candidates=candidates, recall=last.recall, measured=last.measured)
    write_manifest(folder, manifest)
    search = CandidateSearch(exact, ReducedFiles(folder).opened(), candidates=candidates, exact_up_to=0)
    recall = measured_recall(exact, search, candidates)
    return replace(manifest, candidates=candidates, recall=recall, measured=texts)
