"""A folder of documents and a file of questions: what is asked, and which file, page or answer is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from ...errors import InvalidArgumentError
from ...loaders.files import SourceFile, walk
from ...loaders.node import LoadFailure, Node
from ..indexing.sources import Source
from .corpus import Qrels, evenly
from .folder_names import FolderNames
from .question_lists import question_lists
from .question_rows import QuestionRow, read_question_rows
from .remarks import Remark, RemarkCounter
from .word_match import holds_words

__all__ = ["QuestionCorpus", "find_questions", "read_questions"]

QUESTION_FILES = ("questions.jsonl", "questions.csv", "questions.json")
ANSWER = "answer"  # the unit of a passage that holds the answer

JudgedBy: TypeAlias = Literal["page", "document", "answer", "nothing"]


@dataclass(frozen=True, slots=True)
class QuestionCorpus:
    """A folder of documents with judged questions; made by `read_questions`.

    The unit of judgement is the page where a page is expected, else the file; where only an answer is expected, the
    passage: the best hit whose text holds it word for word; see `lateral.rag.evaluation.word_match`.

    Args:
        files: The documents' absolute paths.
        names: What the files are called in judgements and runs.
        queries: The questions that the documents answer, by id.
        qrels: For each of them the units that are right: "handbook.pdf#6", "filters.md" or "answer".
        judges: What each of them is judged by.
        answers: The expected answers of those questions that have any.
        unanswerable: The questions that name neither a file nor an answer, by id.
        known_units: The right files and pages whose file is there.
        name: The folder's name.
        remarks: What was odd about the files.
    """

    files: tuple[str, ...]
    names: FolderNames
    queries: Mapping[str, str]
    qrels: Qrels
    judges: Mapping[str, JudgedBy]
    answers: Mapping[str, Sequence[str]]
    unanswerable: Mapping[str, str]
    known_units: frozenset[str]
    name: str
    remarks: tuple[Remark, ...] = ()

    def sources(self) -> Sequence[Source]:
        """Returns the paths of the documents, without the questions."""
        return list(self.files)

    def unit(self, query: str, node: Node) -> str:
        """Returns the unit that a node stands for when a question is judged."""
        name, judged_by = self.names.of(node.source), self.judges[query]
        if judged_by == "answer":
            holds = any(holds_words(node.text, answer) for answer in self.answers[query])
            return ANSWER if holds else f"{name}#{node.id}"
        return _page(name, node.page) if judged_by == "page" else name

    def judged_by(self, query: str) -> JudgedBy:
        """Returns "page", "document" or "answer"."""
        return self.judges[query]

    def places(self, source: str, page: int | None) -> Sequence[str]:
        """Returns the file's name, and the page's."""
        name = self.names.of(source)
        return (name, _page(name, page))

    def sampled(self, limit: int) -> QuestionCorpus:
        """Returns the corpus with at most `limit` of its answerable questions, and of the others, evenly spread."""
        kept, others = evenly(list(self.queries), limit), evenly(list(self.unanswerable), limit)
        return replace(
            self,
            queries={query: self.queries[query] for query in kept},
            qrels={query: self.qrels[query] for query in kept},
            answers={query: self.answers[query] for query in kept if query in self.answers},
            unanswerable={query: self.unanswerable[query] for query in others},
        )


def find_questions(folder: Path) -> Path:
    """Returns the questions file of a folder: questions.jsonl, questions.csv or questions.json.

    Raises:
        InvalidArgumentError: There is none, or more than one.
    """
    there = [folder / name for name in QUESTION_FILES if (folder / name).is_file()]
    if len(there) != 1:
        got = f"{len(there)} of these" if there else "neither"
        raise InvalidArgumentError(
            f"'{folder}' must hold a corpus in BEIR form (corpus.jsonl, queries.jsonl, qrels/test.tsv) or one file of "
            f"questions ({', '.join(QUESTION_FILES)}), and holds {got}: name the questions with --questions FILE"
        )
    return there[0]


def read_questions(folder: Path, questions: Path) -> QuestionCorpus:
    """Returns the corpus of a folder of documents and a file of questions.

    The file is CSV with a header, JSONL, or a JSON list, with these fields: `question`; `file`, a path below the folder
    or a file's name; `page`, from 1; `answer`, a text. Others are left alone. A row with a file is judged by it (and by
    its page); one with an answer alone by whether the answer stands in what is found; one with neither can't be
    answered from the documents. Rows with the same question belong together: each names one more that is right.

    Args:
        folder: The documents. A questions file that lies among them is not one of them.
        questions: The file of questions.

    Raises:
        InvalidArgumentError: A file is missing, a row can't be read, or no question names a file that is there.
        SourceRootError: The folder is missing.
    """
    found = RemarkCounter()
    rows = _by_question(read_question_rows(questions), found)
    files = _files(folder, questions, found)
    names = FolderNames(folder, [file.path for file in files])
    judged = {query: _judged(group, names, found) for query, group in rows.items()}
    if not any(it.known or it.judged_by == "answer" for it in judged.values()):
        called = next((row.file for group in rows.values() for row in group if row.file), None)
        such = "" if called is None else f" (such as {called!r:.60}; the folder holds {min(names.names)!r:.60})"
        raise InvalidArgumentError(
            f"{questions} names no file of '{folder}'{such} and no answer for any question: nothing can be judged"
        )
    texts = {query: group[0].question for query, group in rows.items()}
    _note_lists(files, names, list(texts.values()), judged.values(), found)
    answers = {query: [row.answer for row in group if row.answer] for query, group in rows.items()}
    return QuestionCorpus(
        files=tuple(file.path for file in files),
        names=names,
        queries={query: texts[query] for query, it in judged.items() if it.units},
        qrels={query: dict.fromkeys(it.units, 1) for query, it in judged.items() if it.units},
        judges={query: it.judged_by for query, it in judged.items()},
        answers={query: given for query, given in answers.items() if given},
        unanswerable={query: texts[query] for query, it in judged.items() if not it.units},
        known_units=frozenset(unit for it in judged.values() for unit in it.known),
        name=folder.resolve().name,
        remarks=found.remarks,
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a question is judged by, the units that are right, and those of them whose file is there."""

    judged_by: JudgedBy
    units: list[str]
    known: list[str]


def _files(folder: Path, questions: Path, found: RemarkCounter) -> list[SourceFile]:
    """Returns the files to index; what the walk can't read is counted."""
    own = questions.resolve()
    files: list[SourceFile] = []
    failed: list[LoadFailure] = []
    for entry in walk(folder):
        if isinstance(entry, SourceFile) and Path(entry.path).resolve() != own:
            files.append(entry)
        elif isinstance(entry, LoadFailure):
            failed.append(entry)
            found.note("unread_files", "files that can't be read, not indexed", f"{entry.source!r}: {entry.reason}")
    if not files:
        why = f": {failed[0].source}: {failed[0].reason}" if failed else ""
        raise InvalidArgumentError(f"'{folder}' holds no file that can be indexed{why}")
    return files


def _note_lists(
    files: Sequence[SourceFile],
    names: FolderNames,
    questions: Sequence[str],
    judged: Iterable[_Judged],
    found: RemarkCounter,
) -> None:
    """Counts documents that are lists of the questions, those that are right for one left out."""
    right = {unit.rpartition("#")[0] if it.judged_by == "page" else unit for it in judged for unit in it.known}
    others = [file for file in files if names.of(file.path) not in right]
    for path in question_lists(others, questions):
        words = "documents that hold the questions themselves and are found in place of others: take them out"
        found.note("question_lists", words, f"{names.of(path)!r:.60}")


def _by_question(rows: Iterable[QuestionRow], found: RemarkCounter) -> dict[str, list[QuestionRow]]:
    """Returns the rows of each question under its id: q1, q2 and so on, in the file's order."""
    groups: dict[str, list[QuestionRow]] = {}
    for row in rows:
        group = groups.setdefault(_folded(row.question), [])
        if any((row.file, row.page, row.answer) == (it.file, it.page, it.answer) for it in group):
            found.note("repeated_rows", "rows of questions that stand twice; each counts once", row.where)
        group.append(row)
    return {f"q{number}": group for number, group in enumerate(groups.values(), start=1)}


def _judged(rows: Sequence[QuestionRow], names: FolderNames, found: RemarkCounter) -> _Judged:
    """Returns how one question is judged.

    Raises:
        InvalidArgumentError: One row names a page and another a whole file.
    """
    placed = [row for row in rows if row.file is not None]
    if not placed:
        has_answer = any(row.answer for row in rows)
        return _Judged("answer", [ANSWER], []) if has_answer else _Judged("nothing", [], [])
    paged = {row.page is not None for row in placed}
    if len(paged) > 1:
        raise InvalidArgumentError(
            f"{placed[-1].where}: this question expects a page in one row and a whole file in another: "
            "name pages in all of them"
        )
    named = [names.find(row.file or "", row.where) for row in placed]
    for row, name in zip(placed, named, strict=True):
        if name is None:
            words = "questions that name a file which is not in the folder; it counts as not found"
            found.note("unknown_files", words, f"{row.where}, {row.file!r:.60}")
    pairs = list(zip(placed, named, strict=True))
    units = [_page(name or row.file or "", row.page) for row, name in pairs]
    known = [_page(name, row.page) for row, name in pairs if name is not None]
    return _Judged("page" if True in paged else "document", units, known)


def _page(name: str, page: int | None) -> str:
    return name if page is None else f"{name}#{page}"


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
