"""The context builder: ranked hits become the passages that an answer is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..arguments import check_positive
from ..errors import InvalidArgumentError
from ..loaders.node import Node
from ..loaders.packing import CountTokens
from ..loaders.sentences import split_sentences
from ..retrievers.hit import Hit

__all__ = ["Passage", "build_context"]

COVERED_SHARE = 0.8  # a chunk with this share of its text taken already adds little but tokens
MAX_GAP_CHARS = 4  # chunkers trim the blank line between two chunks, and "\r\n\r\n" is the longest of those


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of one page (or of one document without pages), made of one node or of joined neighbours.

    Args:
        n: The 1-based number that citations name.
        nodes: The nodes whose text it holds, in reading order.
        text: Verbatim: `text[i]` stands at `start_char + i`. A gap between joined nodes is filled with newlines.
        document_id: The document's id.
        source: Absolute path of the file, or the caller's id.
        page: 1-based page number, None where the source has no pages.
        start_char: Offset of the first character in the page's text (or the document's, without pages).
        end_char: Offset behind the last character.
        tokens: Number of tokens of the text, as `count_tokens` counts them.
        hits: The hits that gave text, best rank first.
        cut: Whether the text was cut short to fit the budget.
    """

    n: int
    nodes: tuple[Node, ...]
    text: str
    document_id: str
    source: str
    page: int | None
    start_char: int
    end_char: int
    tokens: int
    hits: tuple[Hit, ...]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class _Draft:
    """A passage in the making; `ranks` are positions in the usable hits, ascending."""

    hits: tuple[Hit, ...]
    ranks: tuple[int, ...]
    text: str
    start: int
    end: int
    tokens: int
    cut: bool = False

    @property
    def node(self) -> Node:
        return self.hits[0].node

    @property
    def placed(self) -> bool:
        """Whether the offsets agree with the text, so that they can be trusted."""
        return self.end - self.start == len(self.text)


def build_context(hits: Sequence[Hit], *, token_budget: int, count_tokens: CountTokens) -> list[Passage]:
    """Returns the passages that fit the budget, best rank first, numbered from 1.

    Chunks give their text; a page node gives its own only where no chunk of that page is among the hits. A chunk that
    lies at least `COVERED_SHARE` within text taken before is dropped. Overlapping and adjoining neighbours of one page
    become one passage, nothing doubled. A passage that does not fit is left out whole, and later, smaller ones still
    may fit. The best hit alone is never left out for its length: it is cut behind the last sentence that fits, or
    behind the last word where not even one sentence does.

    Args:
        hits: In rank order. Not changed.
        token_budget: Upper bound of the passages' tokens in sum, at least 1. The prompt's own words are not in it.
        count_tokens: Token counts of a batch of texts. It is called once for all hits, then once a join or trial cut.

    Returns:
        An empty list for no hits, for hits without text, or where not one word fits.

    Raises:
        InvalidArgumentError: The budget is below 1, or `count_tokens` gave another number of counts than of texts.
    """
    check_positive("token_budget", token_budget)
    usable = _usable(hits)
    counts = _counted(count_tokens, [hit.node.text for hit in usable]) if usable else []
    drafts: list[_Draft] = []
    for rank, (hit, tokens) in enumerate(zip(usable, counts, strict=True)):
        node = hit.node
        draft = _Draft((hit,), (rank,), node.text, node.start_char, node.end_char, tokens)
        left = token_budget - sum(taken.tokens for taken in drafts)
        if rank == 0 and tokens > token_budget:
            drafts.extend(_cut(draft, token_budget, count_tokens))
        elif not _covered(draft, drafts):
            drafts = _admit(draft, drafts, left, count_tokens)
    return [_passage(number, draft) for number, draft in enumerate(drafts, start=1)]


def _usable(hits: Sequence[Hit]) -> list[Hit]:
    """Returns the hits with text, page nodes only where no chunk with text stands for the page."""
    with_text = [hit for hit in hits if hit.node.text.strip()]
    chunked = {_place(hit.node) for hit in with_text if hit.node.kind == "chunk"}
    return [hit for hit in with_text if hit.node.kind == "chunk" or _place(hit.node) not in chunked]


def _place(node: Node) -> tuple[str, int | None]:
    return node.document_id, node.page


def _counted(count_tokens: CountTokens, texts: list[str]) -> list[int]:
    counts = count_tokens(texts)
    if len(counts) != len(texts):
        raise InvalidArgumentError(f"count_tokens must give one count a text: {len(texts)} texts, {len(counts)} counts")
    return counts


def _covered(draft: _Draft, drafts: Sequence[_Draft]) -> bool:
    """Says whether the draft's text is taken already; any overlap with a cut passage counts, as it can't be joined."""
    same_place = [taken for taken in drafts if _place(taken.node) == _place(draft.node)]
    if any(draft.text in taken.text for taken in same_place if not (taken.placed and draft.placed)):
        return True
    if not draft.placed:
        return False
    overlaps = [
        (max(0, min(taken.end, draft.end) - max(taken.start, draft.start)), taken.cut)
        for taken in same_place
        if taken.placed
    ]
    if any(overlap and cut for overlap, cut in overlaps):
        return True
    return sum(overlap for overlap, _ in overlaps) >= COVERED_SHARE * len(draft.text)


def _admit(draft: _Draft, drafts: list[_Draft], left: int, count_tokens: CountTokens) -> list[_Draft]:
    """Returns the drafts with this one joined to its neighbours or appended, or unchanged where it does not fit."""
    joined, neighbours = draft, []
    for index, taken in enumerate(drafts):
        both = _joined(taken, joined)
        if both is not None:
            joined = both
            neighbours.append(index)
    if not neighbours:
        return [*drafts, draft] if draft.tokens <= left else drafts
    tokens = _counted(count_tokens, [joined.text])[0]
    if tokens - sum(drafts[index].tokens for index in neighbours) > left:
        return drafts
    whole = _Draft(joined.hits, joined.ranks, joined.text, joined.start, joined.end, tokens)
    first, *others = neighbours
    return [whole if index == first else taken for index, taken in enumerate(drafts) if index not in others]


def _joined(one: _Draft, other: _Draft) -> _Draft | None:
    """Returns both as one draft, or None where they are no neighbours or disagree on the text that they share."""
    if _place(one.node) != _place(other.node) or not (one.placed and other.placed) or one.cut or other.cut:
        return None
    before, after = sorted((one, other), key=lambda draft: (draft.start, -draft.end))
    gap = after.start - before.end
    if gap > MAX_GAP_CHARS:
        return None
    first, shared = after.start - before.start, max(0, min(before.end, after.end) - after.start)
    pairs = list(zip(before.text[first : first + shared], after.text[:shared], strict=True))
    if any(ours != theirs and "\n" not in (ours, theirs) for ours, theirs in pairs):
        return None
    overlap = "".join(theirs if ours == "\n" else ours for ours, theirs in pairs)  # a newline may fill a former gap
    ranked = sorted(zip(one.ranks + other.ranks, one.hits + other.hits, strict=True), key=lambda pair: pair[0])
    return _Draft(
        hits=tuple(hit for _, hit in ranked),
        ranks=tuple(rank for rank, _ in ranked),
        text=before.text[:first] + overlap + before.text[first + shared :] + "\n" * max(0, gap) + after.text[shared:],
        start=before.start,
        end=max(before.end, after.end),
        tokens=0,
    )


def _cut(draft: _Draft, budget: int, count_tokens: CountTokens) -> list[_Draft]:
    """Returns the draft cut behind the last sentence, else the last word, that fits; nothing where no word fits."""
    sentences = [end for _, end in split_sentences(draft.text)]
    words = [
        index
        for index, (char, following) in enumerate(zip(draft.text, draft.text[1:] + " ", strict=True), start=1)
        if following.isspace() and not char.isspace()
    ]
    for borders in (sentences, words):
        low, high, tokens = 0, len(borders), 0  # the first `low` borders fit; longer prefixes have more tokens
        while low < high:
            middle = (low + high + 1) // 2
            count = _counted(count_tokens, [draft.text[: borders[middle - 1]]])[0]
            low, high, tokens = (middle, high, count) if count <= budget else (low, middle - 1, tokens)
        if low:
            text = draft.text[: borders[low - 1]]
            end = draft.start + len(text) if draft.placed else draft.end
            return [_Draft(draft.hits, draft.ranks, text, draft.start, end, tokens, cut=True)]
    return []


def _passage(number: int, draft: _Draft) -> Passage:
    node = draft.node
    nodes = tuple(hit.node for hit in sorted(draft.hits, key=lambda hit: (hit.node.start_char, hit.node.end_char)))
    return Passage(
        n=number,
        nodes=nodes,
        text=draft.text,
        document_id=node.document_id,
        source=node.source,
        page=node.page,
        start_char=draft.start,
        end_char=draft.end,
        tokens=draft.tokens,
        hits=draft.hits,
        cut=draft.cut,
    )
