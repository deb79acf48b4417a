"""Corpora in BEIR form, read by one reader."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ...errors import InvalidArgumentError
from ...loaders.node import Node
from ...loaders.text import clean
from ..indexing.sources import Source
from .corpus import Qrels, evenly
from .qrels import read_qrels
from .remarks import Remark, RemarkCounter
from .rows import check_text, identifier, read_objects

__all__ = ["BeirCorpus", "is_beir", "read_beir"]

CORPUS = "corpus.jsonl"
QUERIES = "queries.jsonl"
SPLITS = ("test", "dev", "validation", "train")  # the first that is there is read, as BEIR's own papers report test


@dataclass(frozen=True, slots=True)
class BeirCorpus:
    """A judged corpus; a unit of judgement is a document.

    Args:
        texts: The documents by id: title, a space and the text, as BEIR's own baselines index them.
        queries: The judged queries by id.
        qrels: For each of them, the judged documents and their grades.
        name: The folder's name and the split.
        remarks: What was odd about the files.
        answers: None: BEIR has no answers.
        unanswerable: None, likewise.
    """

    texts: dict[str, str]
    queries: dict[str, str]
    qrels: Qrels
    name: str = "corpus"
    remarks: tuple[Remark, ...] = ()
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unanswerable: Mapping[str, str] = field(default_factory=dict)

    @property
    def known_units(self) -> Collection[str]:
        """The ids of the documents."""
        return self.texts.keys()

    def sources(self) -> Sequence[Source]:
        """Returns the documents, as `RAG.add` takes them."""
        return [{"id": document, "text": text} for document, text in self.texts.items()]

    def unit(self, query: str, node: Node) -> str:
        """Returns the id of the node's document, for every query."""
        return node.source

    def judged_by(self, query: str) -> Literal["document"]:
        """Returns "document"."""
        return "document"

    def places(self, source: str, page: int | None) -> Sequence[str]:
        """Returns the document's id."""
        return (source,)

    def sampled(self, limit: int) -> BeirCorpus:
        """Returns the corpus with at most `limit` of its queries, evenly spread; all documents stay."""
        kept = evenly(list(self.queries), limit)
        return replace(
            self, queries={key: self.queries[key] for key in kept}, qrels={key: self.qrels[key] for key in kept}
        )


def is_beir(folder: Path) -> bool:
    """Returns whether the folder looks like a corpus in BEIR form."""
    return (folder / CORPUS).exists() or ((folder / QUERIES).exists() and (folder / "qrels").is_dir())


def read_beir(folder: Path, *, split: str | None = None) -> BeirCorpus:
    """Returns the corpus of a folder that holds corpus.jsonl, queries.jsonl and qrels/<split>.tsv.

    Queries without judgements are not asked; judgements of queries that are not there can't be, and are left out.
    Judgements of documents that are not there stay: they count as relevant and not found, as trec_eval counts them. Of
    two documents or queries with one id the first stays. A document without text is not indexed. Each is counted in
    `remarks`.

    Args:
        folder: The corpus's folder.
        split: Which judgements to read. None: those of test, or of dev, validation or train where there are no others.

    Raises:
        InvalidArgumentError: A file is missing or empty, a line can't be read, or judgements and documents have nothing
            in common; names file and line.
    """
    chosen = split or _split(folder)
    path = folder / "qrels" / f"{chosen}.tsv"
    found = RemarkCounter()
    judged = read_qrels(_existing(path), found)
    queries = _read_queries(_existing(folder / QUERIES), found)
    texts, blank = _read_texts(_existing(folder / CORPUS), found)
    _compare(path, judged, queries, found)
    asked = {query: text for query, text in queries.items() if query in judged}
    qrels = {query: judged[query] for query in asked}
    if not asked:
        raise InvalidArgumentError(f"{path} judges none of the {len(queries):,} queries of {folder / QUERIES}")
    _check_documents(path, qrels, texts, blank, found)
    _note_own_documents(asked, qrels, texts, found)
    return BeirCorpus(texts, asked, qrels, f"{folder.resolve().name} ({chosen})", found.remarks)


def _split(folder: Path) -> str:
    there = sorted(path.stem for path in (folder / "qrels").glob("*.tsv"))
    known = [name for name in SPLITS if name in there]
    if not there:
        raise InvalidArgumentError(f"{folder / 'qrels'} holds no judgements: a corpus in BEIR form has qrels/test.tsv")
    if not known and len(there) > 1:
        raise InvalidArgumentError(f"{folder / 'qrels'} holds {', '.join(there)}: name one with --split")
    return (known or there)[0]


def _existing(path: Path) -> Path:
    if not path.is_file():
        others = ", ".join(sorted(it.stem for it in path.parent.glob("*.tsv"))) if path.suffix == ".tsv" else ""
        hint = f"; there are the splits {others}" if others else ""
        raise InvalidArgumentError(f"there is no file {path}: a corpus in BEIR form has it{hint}")
    return path


def _read_texts(path: Path, found: RemarkCounter) -> tuple[dict[str, str], set[str]]:
    """Returns the documents by id, and the ids of those without text."""
    texts: dict[str, str] = {}
    blank: set[str] = set()
    for number, row in read_objects(path):
        where = f"{path}, line {number}"
        document, text = identifier(row, "_id", where), _text(row, where)
        title = row.get("title") or ""
        if not isinstance(title, str):
            raise InvalidArgumentError(f"{where}: expected 'title' to be a text, got {title!r:.60}")
        whole = f"{title} {text}".strip()
        if document in texts or document in blank:
            words = "documents whose id stands twice; the first of each was kept"
            found.note("duplicate_documents", words, f"{where}, id {document!r:.60}")
        elif not clean(whole).strip():
            blank.add(document)
            found.note("empty_documents", "documents without text, not indexed", f"{where}, id {document!r:.60}")
        else:
            texts[document] = whole
    if not texts:
        raise InvalidArgumentError(f"{path} holds no document with text: expected an object with _id and text a line")
    return texts, blank


def _read_queries(path: Path, found: RemarkCounter) -> dict[str, str]:
    queries: dict[str, str] = {}
    for number, row in read_objects(path):
        where = f"{path}, line {number}"
        query, text = identifier(row, "_id", where), check_text(_text(row, where), where)
        if query in queries:
            words = "queries whose id stands twice; the first of each was kept"
            found.note("duplicate_queries", words, f"{where}, id {query!r:.60}")
            continue
        if not text.strip():
            found.note("empty_queries", "queries without text, which find nothing", f"{where}, id {query!r:.60}")
        queries[query] = text
    return queries


def _text(row: dict[str, object], where: str) -> str:
    text = row.get("text")
    if not isinstance(text, str):
        raise InvalidArgumentError(f"{where}: expected 'text' to be a text, got {text!r:.60}")
    return text


def _compare(path: Path, judged: Qrels, queries: Mapping[str, str], found: RemarkCounter) -> None:
    for query in sorted(judged.keys() - queries.keys()):
        words = "judged queries that queries.jsonl does not hold, left out"
        found.note("unknown_queries", words, f"{path}, query {query!r:.60}")
    unjudged = [query for query in queries if query not in judged]
    if unjudged:
        words = "queries without judgements, not asked"
        found.note(
            "unjudged_queries", words, f"{path.parent.parent / QUERIES}, id {unjudged[0]!r:.60}", count=len(unjudged)
        )


def _check_documents(path: Path, qrels: Qrels, texts: Mapping[str, str], blank: set[str], found: RemarkCounter) -> None:
    judged = {document: query for query, grades in qrels.items() for document in grades}
    unknown = sorted(judged.keys() - texts.keys() - blank)
    if len(unknown) == len(judged):
        raise InvalidArgumentError(
            f"{path} judges {len(judged):,} documents, and {CORPUS} holds none of them (such as {unknown[0]!r:.60}): "
            "do they belong together?"
        )
    if unknown:
        words = "judged documents that corpus.jsonl does not hold; the relevant ones count as not found"
        found.note("unknown_documents", words, f"{path}, document {unknown[0]!r:.60}", count=len(unknown))
    empty = [query for query, grades in qrels.items() if max(grades.values()) < 1]
    if empty:
        words = "queries without a relevant document; they count 0, as trec_eval counts them"
        found.note("queries_without_relevant", words, f"{path}, query {empty[0]!r:.60}", count=len(empty))


def _note_own_documents(
    queries: Mapping[str, str], qrels: Qrels, texts: Mapping[str, str], found: RemarkCounter
) -> None:
    """Counts queries that are a document's text: figures that others published of such a corpus are without these."""
    own = [
        query
        for query, text in queries.items()
        if query in texts and text.strip() and text.strip() in texts[query] and not qrels[query].get(query)
    ]
    if own:
        words = (
            "queries that find the document of their own id and text, not judged relevant; BEIR's scripts leave it out"
        )
        found.note("own_documents", words, f"query {own[0]!r:.60}", count=len(own))
