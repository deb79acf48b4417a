"""Cuts the links, images and tags out of an answer: what leads anywhere are our own citations alone."""

from __future__ import annotations

import re

from ..inert import InertText

__all__ = ["LinkCutter", "cut_links"]

MAX_LABEL = 300  # characters between a link's brackets
MAX_TARGET = 1_000  # between its parentheses, or between a tag's angles
MAX_INFO = 40  # of a fence's first line
SLICE = 1_024  # of a text that is there whole

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]"
)  # ends of line to some; a terminal's links begin with one
_START = re.compile(r"!?\[|<|!\Z")
_MARKER = re.compile(r"\s*\d{1,3}(?:\s*[-–,;]\s*\d{1,3})*\s*")
_DEFINITION = re.compile(r":[ \t]*(?=\S*[./:#])\S+(?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'|\([^()\n]*\)))?[ \t]*(?:\n|\Z)")
_OPENED = re.compile(r"</?([A-Za-z][A-Za-z0-9-]*)")
_AUTOLINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*|[^\s<>@]+@[^\s<>@]+")
_FENCE_LINE = re.compile(r"(`{3,}|~{3,})[ \t]*([\w+#.-]*)[ \t]*\n")
_MAYBE_FENCE = re.compile(r"(?:`+|~+)(?:[ \t]*[\w+#.-]*[ \t]*)?")
_HTML_NAMES = (
    "a abbr address area article aside audio b base bdi bdo big blink blockquote body br button canvas caption center "
    "cite code col colgroup data datalist dd del details dfn dialog dir div dl dt em embed fieldset figcaption figure "
    "font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hr html i iframe image img input ins kbd label "
    "legend li link main map mark marquee math menu meta meter nav noframes noscript object ol optgroup option output "
    "p param picture plaintext pre progress q rp rt ruby s samp script search section select slot small source span "
    "strike strong style sub summary sup svg table tbody td template textarea tfoot th thead time title tr track tt u "
    "ul use var video wbr xmp"
)
_HTML = frozenset(_HTML_NAMES.split())
_BREAKS = frozenset(["br", "p", "div", "li", "tr", "td", "th", "hr"])  # what stood apart stays apart
_DRAWN = frozenset(["mermaid", "geojson", "topojson", "stl", "math", "svg", "html", "plantuml", "dot", "graphviz"])


def cut_links(text: str) -> str:
    """Returns an answer's text without anything that a renderer would load or make a link of.

    Links and images, inline or by reference, become their own words; a link on a citation's number becomes the
    citation; HTML tags and comments go, and what stood between them stays; bare addresses become code. Fenced code that
    begins in a line's first column stays as it is, unless it is of a language that renderers draw.

    An address without "www.", scheme and "@" ("example.org") stays as it is: it can't be told from a file's name.

    Args:
        text: Markdown, as a model wrote it.
    """
    cutter = LinkCutter()
    pieces = [cutter.feed(text[at : at + SLICE]) for at in range(0, len(text), SLICE)]
    return "".join([*pieces, cutter.finish()])


class LinkCutter:
    """`cut_links` for a text that comes in pieces; joined, the result is the same.

    Text is held back only while it may become a link, a tag, an address or a citation's marker: [1] comes whole.
    """

    def __init__(self) -> None:
        self._line = ""  # the last line's beginning, while it may be a fence; inside one, the whole of it
        self._fence = ""  # what opened the code that we are in
        self._begins = True  # whether the next character begins a line
        self._prose = _Prose()

    def feed(self, piece: str) -> str:
        """Returns what is decided of the text so far."""
        return self._lines(_CONTROL.sub(" ", piece))

    def finish(self) -> str:
        """Returns the rest."""
        line, self._line = self._line, ""
        if self._fence:
            return self._prose.text.passed(line)
        return self._prose.feed(line) + self._prose.finish()

    def _lines(self, text: str) -> str:
        text = self._line + text
        self._line = ""
        done: list[str] = []
        position = 0
        while position < len(text):
            end = text.find("\n", position) + 1
            line = text[position : end or len(text)]
            if not end and self._undecided(line):
                self._line = line
                break
            done.append(self._one_line(line))
            self._begins = bool(end)
            position += len(line)
        return "".join(done)

    def _undecided(self, line: str) -> bool:
        """Says whether a line without its end may be a fence."""
        if self._fence:
            return len(line) <= MAX_TARGET
        if not self._begins or self._prose.text.fenced or len(line) > MAX_INFO:
            return False
        return _MAYBE_FENCE.fullmatch(line) is not None

    def _one_line(self, line: str) -> str:
        """Returns a line, or the end of one, or the beginning of one that is no fence."""
        if self._fence:
            return self._code(line)
        opening = _FENCE_LINE.fullmatch(line) if self._begins else None
        if opening is None or self._prose.text.fenced:
            return self._prose.feed(line)
        before = self._prose.finish()
        if self._prose.text.fenced or not self._prose.text.at_line_start:
            return before + self._prose.feed(line)
        self._fence = opening[1]
        language = "" if opening[2].lower() in _DRAWN else opening[2]
        return before + self._prose.text.passed(f"{opening[1]}{language}\n")

    def _code(self, line: str) -> str:
        """Returns a line of code. One that ends it to some readers and not to others ends our trust in fences."""
        fence = self._fence
        beginning = line.lstrip(" \t>")
        if self._begins and beginning.startswith(fence):
            self._fence = ""
            exact = re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*\n?", line)
            if not exact:
                self._prose.text.fenced = True
                return self._prose.feed(line)
        return self._prose.text.passed(line)


class _Prose:
    """Cuts links, images and tags as a reader would; what escapes it is made inert by `InertText`."""

    def __init__(self) -> None:
        self.text = InertText()
        self._held = ""
        self._before = ""  # the last character that went on

    def feed(self, text: str) -> str:
        self._held += text
        return self._run(final=False)

    def finish(self) -> str:
        done = self._run(final=True)
        return done + self.text.finish()

    def _run(self, *, final: bool) -> str:
        done: list[str] = []
        while start := _START.search(self._held):
            self._pass(start.start(), done)
            found = _at_start(self._held, self._before, final=final)
            if found is None and not final:
                return self.text.feed("".join(done))
            if not found:
                self._pass(len(start[0]), done)
                continue
            end, kept, again = found
            self._held = kept + self._held[end:]
            if not again:
                self._pass(len(kept), done)
        self._pass(len(self._held), done)
        return self.text.feed("".join(done))

    def _pass(self, count: int, done: list[str]) -> None:
        text, self._held = self._held[:count], self._held[count:]
        self._before = text[-1:] or self._before
        done.append(text)


_Found = tuple[int, str, bool]  # where it ends, what is kept of it, whether that is to be read again
_NO_LINK: tuple[()] = ()


def _at_start(text: str, before: str, *, final: bool) -> _Found | tuple[()] | None:
    """Returns what stands at a text's start, nothing where it is no link or tag, None where more must come first."""
    if text[0] == "<":
        return _comment(text) if text[1:2] == "!" else _tag(text, before)
    if text == "!":
        return None
    found = _definition(text, before, final=final)
    return _link(text, before) if found == _NO_LINK else found


def _definition(text: str, before: str, *, final: bool) -> _Found | tuple[()] | None:
    """A line such as "[1]: http://example.org 'title'" is shown to nobody, and makes links of what is."""
    label_end = 0 if text[0] == "!" or before not in ("", "\n") else _closing(text, 1, "[]", MAX_LABEL)
    if not label_end or text[label_end + 1 : label_end + 2] != ":":
        return _NO_LINK
    if "\n" not in text[label_end:] and not final and len(text) < MAX_TARGET:
        return None
    found = _DEFINITION.match(text, label_end + 1)
    return (found.end(), "", False) if found else _NO_LINK


def _link(text: str, before: str) -> _Found | tuple[()] | None:
    is_image = text[0] == "!"
    first = 2 if is_image else 1
    label_end = _closing(text, first, "[]", MAX_LABEL)
    if label_end is None or label_end + 1 == len(text):
        return None
    is_index = not is_image and (before.isalnum() or before in ("_", ")", "]"))  # handlers[name](event)
    if not label_end or text[label_end + 1] != "(" or is_index:
        return _NO_LINK
    end = _closing(text, label_end + 2, "()", MAX_TARGET)
    if not end:
        return None if end is None else _NO_LINK
    label = text[first:label_end]
    if not is_image and _MARKER.fullmatch(label):
        return end + 1, f"[{label}]", False
    return end + 1, label, True


def _closing(text: str, start: int, pair: str, limit: int) -> int | None:
    """Returns where the bracket that is open before `start` closes, 0 where it does not, None where that is open."""
    depth = 1
    position = start
    while position < min(len(text), start + limit):
        char = text[position]
        if char == "\n" and text[position + 1 : position + 2] == "\n":
            return 0
        depth += (char == pair[0]) - (char == pair[1])
        if depth == 0:
            return position
        position += 2 if char == "\\" else 1
    return None if len(text) < start + limit else 0


def _tag(text: str, before: str) -> _Found | tuple[()] | None:
    opened = _OPENED.match(text)
    if not opened:
        return None if text in ("<", "</") else _NO_LINK
    if opened.end() == len(text):
        return None
    is_tag = opened[1].lower() in _HTML and text[opened.end()] in " \t\n/>"
    stop = re.compile(r"[<>]|\n\n" if is_tag else r"[<>\s]").search(text, opened.end(), MAX_TARGET)
    if not stop:
        return None if len(text) < MAX_TARGET else _NO_LINK
    if stop[0] != ">":
        return _NO_LINK
    if not is_tag:
        body = text[1 : stop.start()]
        return (stop.end(), body, False) if _AUTOLINK.fullmatch(body) else _NO_LINK
    apart = opened[1].lower() in _BREAKS and not before.isspace() and before
    return stop.end(), " " if apart else "", False


def _comment(text: str) -> _Found | tuple[()] | None:
    closer = "-->" if text.startswith("<!--") else ">"
    end = text.find(closer, 2, MAX_TARGET)
    if end < 0:
        return None if len(text) < MAX_TARGET and "\n\n" not in text else _NO_LINK
    return end + len(closer), "", False
