"""Text that no Markdown renderer makes a link, an image or a tag of."""

from __future__ import annotations

import re

__all__ = ["InertText"]

MAX_WORD = 2_000  # characters without a blank: of a longer run the first part is let go
MAX_GROUP = 80  # characters between a marker's brackets: "[1, 3-5]" has few

# No link does without "](", no definition without "]:", no tag and no <address> without a character right behind "<".
# A backslash would take the first backtick of a run away, and make two of three.
_SYNTAX = re.compile(r"(?<=\])(?=[(:])|(?<=<)(?=[A-Za-z/!?])|(?<=\\)(?=`)")
_PAIR = re.compile(r"(?<!`)``(?!`)")
_FENCE = re.compile(r"```|~~~")
_STOP = r"\s<>\"`|\[\]“”«»„「」『』，。、！？；：）（】【》《"
# A bare address, where renderers link those: with a scheme, from "www.", of "//host.name", or an e-mail's. A pair of
# single backticks around it is taken along, and so are backslashes, which a renderer takes away.
_ADDRESS = re.compile(
    rf"""
    (?P<tick> (?<!`)` )?
    (?P<address>
        (?: [A-Za-z][A-Za-z0-9+.\\-]{{0,30}}:\\?/\\?/
          | (?<![A-Za-z0-9_]) (?: www\\?\. | (?:mailto|xmpp|tel|sms|data|javascript|vbscript): ) (?=[^{_STOP}])
          | (?<![:/]) // (?=[^\s/.]+\.[^\s.]) ) [^{_STOP}]*
      | [A-Za-z0-9._+-]+@[\w-]+(?:\.[\w-]+)+
    )
    (?(tick) (?P<close> `(?!`) )? )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_TRAILING = re.compile(r"(?<!/)[.,;:!?'’*_~)…]+\Z")
_MARKER = re.compile(rf"\[[^\[\]\n]{{0,{MAX_GROUP}}}(?:\]|\Z)|【[^】\n]{{0,{MAX_GROUP}}}(?:】|\Z)")
_SIGN = re.compile(r"//|www\.|[@:]", re.IGNORECASE)  # of an address: what follows may be of any script


class InertText:
    """Passes text on piece by piece, changed as little as it takes to be inert in every renderer.

    A blank takes "](", "]:" and "<a" apart: none of them is a link or a tag then, whatever stands around it, code and
    unclosed fences included. A bare address becomes code, in two backticks: it can be read and copied, and a quote that
    holds it is still found by `find_verbatim`. For that to hold, no other run of two backticks is left.
    """

    def __init__(self) -> None:
        self._held = ""
        self._last = ""
        self.fenced = False

    def feed(self, text: str) -> str:
        """Returns what is decided of the text so far. `fenced` says whether it held anything like a code fence."""
        self._held += text
        cut = _decided(self._held)
        ready, self._held = self._held[:cut], self._held[cut:]
        return self._inert(ready)

    def finish(self) -> str:
        """Returns the rest."""
        ready, self._held = self._held, ""
        return self._inert(ready)

    def passed(self, text: str) -> str:
        """Returns the text, untouched; it is remembered as what came last."""
        self._last = text[-1:] or self._last
        return text

    @property
    def at_line_start(self) -> bool:
        """Whether what was passed on is empty or ends a line."""
        return self._last in ("", "\n")

    def _inert(self, text: str) -> str:
        if not text:
            return ""
        self.fenced = self.fenced or _FENCE.search(text) is not None
        runs_on = self._last in ("`", "~") and text[0] == self._last  # two runs must not become one
        apart = " " if runs_on or _SYNTAX.match(self._last + text, len(self._last)) else ""
        text = apart + _SYNTAX.sub(" ", _PAIR.sub("`", text))
        return self.passed(_addresses_as_code(text, self._last))


def _decided(text: str) -> int:
    """Returns up to where a text can be passed on, whatever follows: what may become an address or a marker stays."""
    word = max(text.rfind(blank) for blank in " \n\t") + 1
    sign = _SIGN.search(text, word)
    cut = _ascii_start(text, word, sign.start() if sign else len(text))
    for opener in "[【":
        at = text.rfind(opener, max(0, min(cut, len(text) - MAX_GROUP) - 1))
        marker = _MARKER.match(text, at) if 0 <= at < cut else None
        if marker and (marker.end() > cut or (marker.end() == len(text) and text[-1] not in "]】")):
            cut = at
    return cut if len(text) - cut <= MAX_WORD else len(text)


def _ascii_start(text: str, start: int, end: int) -> int:
    """Returns where the ASCII begins that ends at `end`, at `start` at the earliest."""
    while end > start and "!" <= text[end - 1] <= "~":
        end -= 1
    return end


def _addresses_as_code(text: str, last: str) -> str:
    """Returns the text with each address in two backticks, parted from what would change their meaning.

    Args:
        text: Up to a place where no address is torn.
        last: The character before it.
    """
    done: list[str] = []
    position = 0
    for match in _ADDRESS.finditer(text):
        tick = match["tick"] or ""
        ticked = tick and match["close"]  # the model's own code: its backticks become ours
        address = match["address"]
        bare = _TRAILING.sub("", address)
        if not bare:
            continue
        done.append(text[position : match.start()] + ("" if ticked else tick))
        before = next((part[-1] for part in reversed(done) if part), last)
        parted = " " if before in ("`", "\\") else ""
        done.append(f"{parted}``{bare}``{address[len(bare) :]}")
        position = match.end() if ticked else match.end("address")
        if text[position : position + 1] == "`" and bare == address:
            done.append(" ")
    return "".join([*done, text[position:]])
