"""Questions without labels and without a model: known-item queries, whose page is known because they come from it."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from ...arguments import check_positive
from ...loaders.sentences import split_sentences
from .folder_pages import FolderPage, PageSearch
from .made_questions import Kind, MadeQuestion, MadeQuestions

__all__ = ["known_items", "page_turns"]

MIN_WORDS, MAX_WORDS = 6, 40  # a shorter sentence says little, a longer one is a list or a table
QUERY_WORDS = 8  # of a sentence at most: people type two to ten words
MIN_QUERY_WORDS = 3
KEPT_SHARE = 0.6  # of a sentence's content words, the rarest; the others are dropped
SENTENCES_A_PAGE = 4  # the most salient ones
MIN_HEADING_TERMS, MAX_HEADING_WORDS = 2, 16
LETTERS_SHARE = 0.6  # of a sentence's characters: less is a table, a formula or an address
FENCE = "```"  # of a block of code in Markdown
OTHERS_FIRST = 1 / 3  # how often a page's heading or caption is asked for before its sentences

_WORD = re.compile(r"\w+(?:[-'’.]\w+)*")
_DIGITS = re.compile(r"\d+")
_CAPTION = re.compile(
    r"^[ \t]*(?:fig(?:ure)?|table|chart|plate|abb(?:ildung)?|tab(?:elle)?)\.?[ ]*\d+[.\d]*[ ]*[.:–—-][ ]*"
    r"(\S[^\n]{8,200})",
    re.IGNORECASE | re.MULTILINE,
)


def known_items(
    pages: Sequence[FolderPage],
    *,
    count: int,
    seed: int = 0,
    language: str = "english",
    search: PageSearch | None = None,
) -> MadeQuestions:
    """Returns known-item queries: what someone might type who remembers a page and looks for it again.

    A query is a salient sentence of a page with words left out: its rarest content words in their order, at most 8,
    the first one and the common ones dropped. Or it is a heading, a caption or a document's title. Sentences that
    stand on several pages, such as footers, are passed over. A query is dropped where it stands twice, where another
    page holds all its words or scores the same by BM25, or where its own page is not among the first 10.

    Such queries share their words with the page, which favours BM25 over dense search; compare configurations of one
    kind with them, or have a model write questions (`llm_questions`).

    Args:
        pages: From `read_pages`.
        count: How many at most, spread over the documents, then over their pages.
        seed: Which of the possible ones; the same seed gives the same queries.
        language: Of the stemmer and the stop words, as for BM25.
        search: Over the same pages; made here when None.

    Raises:
        InvalidArgumentError: The count is below 1, or the language is unknown.

    Source:
        Azzopardi, de Rijke & Balog 2007, Building Simulated Queries for Known-Item Topics, section 3: words drawn from
        a known document by how well they tell it from others. Ours are of one sentence, and the rarest, not drawn.
    """
    check_positive("count", count)
    search = search or PageSearch(pages, language)
    maker = _Maker(pages, search, random.Random(seed))
    kept: dict[str, tuple[int, MadeQuestion]] = {}
    dropped: Counter[str] = Counter()
    for at, item in maker.turns():
        if len(kept) == count:
            break
        right = maker.right(at, item)
        folded = " ".join(sorted(set(search.terms(item.question))))
        if folded in kept:
            dropped["repeated"] += 1
        elif search.fits_others(item.question, right):
            dropped["fits several pages"] += 1
        elif not search.finds(item.question, right):
            dropped["does not find its page"] += 1
        else:
            kept[folded] = (at, item)
    ordered = sorted(kept.values(), key=lambda pair: pair[0])
    return MadeQuestions(tuple(item for _, item in ordered), dict(dropped))


def page_turns(pages: Sequence[FolderPage], chance: random.Random) -> list[int]:
    """Returns the positions of all pages, spread: one page of every document, then a second one of each, and so on.

    Args:
        pages: Of several documents.
        chance: Decides the order of documents and of the pages of each.
    """
    by_file: dict[str, list[int]] = {}
    for at, page in enumerate(pages):
        by_file.setdefault(page.file, []).append(at)
    groups = [chance.sample(group, len(group)) for group in by_file.values()]
    chance.shuffle(groups)
    return [at for turn in zip_longest(*groups) for at in turn if at is not None]


class _Maker:
    """Makes the queries of pages, those of one page after those of another."""

    def __init__(self, pages: Sequence[FolderPage], search: PageSearch, chance: random.Random) -> None:
        self._pages = pages
        self._search = search
        self._chance = chance
        self._repeats = Counter(line for page in pages for line in {_skeleton(it) for it in _sentences(page.text)})
        self._files: dict[str, list[int]] = {}
        for at, page in enumerate(pages):
            self._files.setdefault(page.file, []).append(at)

    def turns(self) -> Iterator[tuple[int, MadeQuestion]]:
        """Yields queries with the position of their page: the first of every page, then the second, and so on."""
        order = page_turns(self._pages, self._chance)
        lists = [self._of_page(self._pages[at]) for at in order]
        for turn in zip_longest(*lists):
            yield from ((at, item) for at, item in zip(order, turn, strict=True) if item is not None)

    def right(self, at: int, item: MadeQuestion) -> list[int]:
        """Returns the positions of the pages that a query may find: all of a document for its title."""
        return self._files[item.file] if item.kind == "title" else [at]

    def _of_page(self, page: FolderPage) -> list[MadeQuestion]:
        sentences, others = self._from_sentences(page), self._others(page)
        first, second = (others, sentences) if self._chance.random() < OTHERS_FIRST else (sentences, others)
        return [item for pair in zip_longest(first, second) for item in pair if item is not None]

    def _from_sentences(self, page: FolderPage) -> list[MadeQuestion]:
        """Returns queries of the page's most salient sentences, the best first."""
        valued: list[tuple[float, str]] = []
        for sentence in _sentences(page.text):
            if MIN_WORDS <= len(sentence.split()) <= MAX_WORDS and self._repeats[_skeleton(sentence)] == 1:
                rarity = sorted((self._search.idf(term) for term in set(self._search.terms(sentence))), reverse=True)
                valued.append((sum(rarity[:QUERY_WORDS]), sentence))
        valued.sort(key=lambda pair: -pair[0])
        made = [(self._masked(sentence), sentence) for _, sentence in valued[:SENTENCES_A_PAGE]]
        return [_made(query, page, "sentence", sentence) for query, sentence in made if query]

    def _masked(self, sentence: str) -> str:
        """Returns the rarest content words of a sentence in their order, "" where too few are left."""
        by_terms: dict[tuple[str, ...], tuple[int, str]] = {}
        for at, word in enumerate(_WORD.findall(sentence)):
            if terms := tuple(self._search.terms(word)):
                by_terms.setdefault(terms, (at, word))
        words = list(by_terms.values())
        left = words[1:]  # who remembers a page does not remember how a sentence of it begins
        wanted = max(MIN_QUERY_WORDS, min(QUERY_WORDS, round(KEPT_SHARE * len(words))))
        rarest = sorted(left, key=lambda it: (-max(map(self._search.idf, self._search.terms(it[1]))), it[0]))[:wanted]
        return " ".join(word for _, word in sorted(rarest)) if len(rarest) >= MIN_QUERY_WORDS else ""

    def _others(self, page: FolderPage) -> list[MadeQuestion]:
        """Returns captions, headings and, with the first page of a document, its title."""
        made = [_made(it[1], page, "caption", it[0].strip()) for it in _CAPTION.finditer(page.text)]
        made += [_made(it, page, "heading", "") for it in page.headings if it != page.title and self._says(it)]
        if page is self._pages[self._files[page.file][0]] and self._says(page.title):
            made.append(_made(page.title, page, "title", ""))
        return made

    def _says(self, heading: str) -> bool:
        terms = set(self._search.terms(heading))
        return len(terms) >= MIN_HEADING_TERMS and len(heading.split()) <= MAX_HEADING_WORDS


def _made(query: str, page: FolderPage, kind: Kind, source: str) -> MadeQuestion:
    asked, answer = (" ".join(_WORD.findall(query)), " ".join(source.split()))
    where = None if kind == "title" else page.page
    return MadeQuestion(asked, page.file, where, kind, answer if kind == "sentence" else "", answer or _opening(page))


def _opening(page: FolderPage) -> str:
    """Returns how a page begins: what a heading or a title is compared with."""
    return " ".join(sentence for sentence in _sentences(page.text)[:3])


def _sentences(text: str) -> list[str]:
    """Returns the sentences that are prose, in one line each."""
    found = (" ".join(text[start:end].split()) for start, end in split_sentences(text))
    return [it for it in found if FENCE not in it and sum(map(str.isalpha, it)) >= LETTERS_SHARE * len(it)]


def _skeleton(sentence: str) -> str:
    """Returns a sentence as it is the same on every page: "Page 3 of 9" is "page 0 of 0"."""
    return _DIGITS.sub("0", sentence.casefold())
