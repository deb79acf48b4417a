"""Questions without labels, by a chat model: it reads a stretch of a page, or sees it, and asks what it answers."""

from __future__ import annotations

import json
import logging
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence

from ...arguments import check_positive
from ...errors import ChatModelError
from ...llm import ChatClient, without_thought
from ...loaders.sentences import split_sentences
from ..prompt import INVISIBLE
from .folder_pages import FolderPage, PageSearch
from .known_items import page_turns
from .made_questions import MadeQuestion, MadeQuestions
from .page_asking import PageAsker, Stretch
from .patience import Patience

__all__ = ["llm_questions"]

logger = logging.getLogger(__name__)

STRETCH_CHARS = 3_000  # about 700 tokens: a page of print; a question on more is seldom about one place
MIN_STRETCH_CHARS = 200  # less is a title page, and nothing to ask about
MAX_QUESTION_CHARS, MAX_ANSWER_CHARS = 300, 600
CALLS_A_QUESTION = 3  # at most: what is refused is made up for by other pages
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL | re.IGNORECASE)
_POINTS_AT_ITSELF = re.compile(
    r"\b(the|this|that) (given |above )?(passage|text|excerpt|document|page)\b", re.IGNORECASE
)
_POINTS_AT_PICTURE = re.compile(r"\b(the|this|that) (given |above )?(picture|image|screenshot)\b", re.IGNORECASE)


class _Refused(Exception):
    """A reply that is not kept; its words say why."""


def llm_questions(
    pages: Sequence[FolderPage],
    client: ChatClient | PageAsker,
    *,
    count: int,
    seed: int = 0,
    language: str = "english",
    on_question: Callable[[int, int | None], None] | None = None,
) -> MadeQuestions:
    """Returns questions that a chat model asks about pages, each with the piece of the page that answers it.

    A reply is kept if it is the JSON that was asked for, its answer stands in the passage word for word (case and
    whitespace folded), and BM25 over the folder's pages has the page among the first 10 for the question. Pages are
    shown as text, fenced as data. A server that can't be had is waited for, three cool-downs in a row at most; what was
    asked until then comes back.

    A `PageAsker` with pictures shows the page itself beside its text. What is asked may then be answered by the picture
    alone, so an answer that does not stand in the page's text is left out and the question kept without one. Pages
    without any text are not asked about: the search that checks could not find them.

    Args:
        pages: From `read_pages`.
        client: The model that asks; or what shows it the pages, as `PageAsker(client, PagePictures(files))`.
        count: How many at most, spread over the documents, then over their pages.
        seed: Which pages, and which stretch of a long one.
        language: Of the search that checks, as for BM25.
        on_question: Told after every reply how many questions there are, and of how many.

    Raises:
        InvalidArgumentError: The count is below 1, the language is unknown, or the model takes no pictures.
        ChatModelError: The model can't be had at all.

    Source:
        Dai et al. 2022, Promptagator, section 3.2: generated queries are kept if they find the passage that they come
        from (round-trip filtering). Ours asks BM25, for the page, among the first 10.
    """
    check_positive("count", count)
    chance = random.Random(seed)
    asker = client if isinstance(client, PageAsker) else PageAsker(client)
    asking = _Asking(asker, PageSearch(pages, language))
    for at in page_turns(pages, chance)[: CALLS_A_QUESTION * count]:
        if len(asking.kept) == count or asking.given_up:
            break
        asking.ask(at, pages[at], _stretch(pages[at].text, chance))
        if on_question is not None:
            on_question(len(asking.kept), count)
    return asking.finish()


class _Asking:
    """Questions asked so far, and why others were left out."""

    def __init__(self, asker: PageAsker, search: PageSearch) -> None:
        self.kept: dict[str, tuple[int, MadeQuestion]] = {}
        self._asker = asker
        self._search = search
        self._dropped: Counter[str] = Counter()
        self._failure: ChatModelError | None = None
        self._replies = 0
        self._patience = Patience(asker.cool_down)

    @property
    def given_up(self) -> bool:
        """Whether the model could not be had any more, after waiting for it."""
        return self._patience.spent

    def ask(self, at: int, page: FolderPage, stretch: Stretch) -> None:
        """Has the model ask about a stretch of the page at a position."""
        try:
            picture = self._asker.draw(page)
            if picture is None and len(stretch.text.strip()) < MIN_STRETCH_CHARS:
                raise _Refused("too little text")
            reply = self._patience.ask(lambda: self._asker.ask(page, stretch, picture))
            self._replies += 1
            row = _parsed(reply)
            self._keep(at, _checked(row, page, stretch) if picture is None else _checked_seen(row, page))
        except _Refused as refused:
            self._dropped[str(refused)] += 1
        except ChatModelError as err:
            logger.warning("no question about %.200r: %s", page.file, err)
            self._dropped["no reply"] += 1
            self._failure = self._failure or err

    def finish(self) -> MadeQuestions:
        """Returns the questions in the order of the pages.

        Raises:
            ChatModelError: The model gave not one reply.
        """
        if self._failure is not None and not self._replies:
            raise self._failure
        ordered = sorted(self.kept.values(), key=lambda pair: pair[0])
        return MadeQuestions(tuple(item for _, item in ordered), dict(self._dropped))

    def _keep(self, at: int, item: MadeQuestion) -> None:
        if (folded := _folded(item.question)) in self.kept:
            raise _Refused("repeated")
        if not self._search.finds(item.question, [at]):
            raise _Refused("does not find its page")
        self.kept[folded] = (at, item)


def _stretch(text: str, chance: random.Random) -> Stretch:
    """Returns a page's text, or some sentences in a row where it is long."""
    if len(text) <= STRETCH_CHARS:
        return Stretch(text, 0)
    spans = split_sentences(text)
    possible = [start for start, _ in spans if start <= len(text) - STRETCH_CHARS] or [0]
    start = chance.choice(possible)
    ends = [end for _, end in spans if start < end <= start + STRETCH_CHARS]
    return Stretch(text[start : ends[-1] if ends else start + STRETCH_CHARS], start)


def _parsed(reply: str) -> tuple[str, str]:
    """Returns question and answer of a reply, each in one line; the first of several.

    Raises:
        _Refused: It is not what was asked for.
    """
    given = _json(reply)
    given = _json(without_thought(reply)) if given is None else given
    rows = given.get("questions") if isinstance(given, dict) and set(given) == {"questions"} else None
    if not isinstance(rows, list):
        raise _Refused("reply is not the JSON asked for")
    if not rows:
        raise _Refused("nothing to ask")
    if not isinstance(rows[0], dict) or set(rows[0]) != {"question", "answer"}:
        raise _Refused("reply is not the JSON asked for")
    question, answer = (_line(rows[0][name]) for name in ("question", "answer"))
    if not (0 < len(question) <= MAX_QUESTION_CHARS and 0 < len(answer) <= MAX_ANSWER_CHARS):
        raise _Refused("reply is not the JSON asked for")
    if _POINTS_AT_ITSELF.search(question):
        raise _Refused("speaks of the passage")
    return question, answer


def _json(reply: str) -> object:
    """Returns the JSON that a reply is, fenced or not; None where it is none."""
    fenced = _FENCED.fullmatch(reply)
    try:
        return json.loads(fenced[1] if fenced else reply)
    except (ValueError, RecursionError):
        return None


def _checked(row: tuple[str, str], page: FolderPage, stretch: Stretch) -> MadeQuestion:
    """Returns the question about a stretch of text, which must hold the answer."""
    question, answer = row
    if not _stands_in(answer, stretch.text):
        raise _Refused("answer does not stand in the passage")
    return MadeQuestion(question, page.file, page.page, "llm", answer, _around(stretch.text, answer))


def _checked_seen(row: tuple[str, str], page: FolderPage) -> MadeQuestion:
    """Returns the question about a page that was seen, with the answer only where the page's text bears it out."""
    question, answer = row
    if _POINTS_AT_PICTURE.search(question):
        raise _Refused("speaks of the picture")
    kept = answer if _stands_in(answer, page.text) else ""
    return MadeQuestion(question, page.file, page.page, "llm", kept, _around(page.text, kept) if kept else page.text)


def _stands_in(answer: str, text: str) -> bool:
    return _folded(answer) in _folded(INVISIBLE.sub("", text))


def _line(value: object) -> str:
    return " ".join(INVISIBLE.sub("", value).split()) if isinstance(value, str) else ""


def _around(text: str, answer: str) -> str:
    """Returns the sentence with the answer, else the text from its beginning."""
    sentences = [text[start:end] for start, end in split_sentences(text)]
    return next((it for it in sentences if _folded(answer) in _folded(it)), text)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
