"""A picture of quality against latency: one point a configuration, as large as its index. SVG without a script."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...retrievers.shading import BLUE, html_text

__all__ = ["Point", "scatter"]

WIDTH, HEIGHT = 760, 440
LEAST_WIDTH = 560  # in pixels: below, its words can't be read, and who looks moves it in its box
LEFT, RIGHT, TOP, BOTTOM = 66, 16, 16, 48  # room for the axes' words
SMALLEST, LARGEST = 4.0, 14.0  # radii in pixels
FONT = 12
CHAR = 6.6  # width of a character at this size in the widest of the usual fonts
BOLD = 1.15  # how much wider bold characters are
LINE = 15
MARGIN = 0.12  # of the range of values, left free around the points
LEAST_RANGE = 0.01  # one point of nDCG: less would make noise look like a difference
STEPS = (1, 2, 5)
ANGLES = 16
SAMPLES = 24  # places looked at on the way from a point to its label
REACHES = (4, 16, 30, 46, 64, 86, 110, 140)  # how far from its point a label may stand, in pixels
FAINT = 'stroke="currentColor" stroke-opacity=".18"'
GREY = "128,128,128"


@dataclass(frozen=True, slots=True)
class Point:
    """A configuration in the picture.

    Args:
        label: Its name.
        milliseconds: Above 0.
        quality: In [0, 1].
        size: Bytes a document.
        marked: Whether it is the one that is recommended.
    """

    label: str
    milliseconds: float
    quality: float
    size: float
    marked: bool = False


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: _Box) -> bool:
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )

    def around(self, x: float, y: float) -> bool:
        return self.left < x < self.right and self.top < y < self.bottom


FRAME = _Box(LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)


@dataclass(frozen=True, slots=True)
class _Frame:
    """From values to pixels: time by its logarithm, quality straight."""

    times: tuple[float, float]
    qualities: tuple[float, float]

    def x(self, milliseconds: float) -> float:
        low, high = (math.log10(it) for it in self.times)
        return LEFT + (math.log10(milliseconds) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, quality: float) -> float:
        low, high = self.qualities
        return HEIGHT - BOTTOM - (quality - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def scatter(points: Sequence[Point]) -> str:
    """Returns the picture: time to the right by its logarithm, quality up, each point's area by its bytes.

    Where points crowd, some have no name beside them; pointing at one shows it.

    Args:
        points: At least one.
    """
    frame = _framed(points)
    greatest = max(max(point.size for point in points), 1.0)
    radii = [max(SMALLEST, LARGEST * math.sqrt(point.size / greatest)) for point in points]
    places = [(frame.x(point.milliseconds), frame.y(point.quality)) for point in points]
    order = sorted(range(len(points)), key=lambda at: -radii[at])  # small ones are drawn over large ones
    marks = "".join(_mark(points[at], *places[at], radii[at]) for at in order)
    words = f"{len(points)} configurations: nDCG@10 against the median time of a query, point area by bytes a document"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}" '
        f'style="width:100%;min-width:{LEAST_WIDTH}px;height:auto;font:{FONT}px system-ui,sans-serif" '
        'fill="currentColor">'
        f"{''.join(_axes(frame))}{marks}{''.join(_labels(points, places, radii))}</svg>"
    )


def _framed(points: Sequence[Point]) -> _Frame:
    times = [max(point.milliseconds, 1e-3) for point in points]
    low, high = min(times) / 1.6, max(times) * 1.6
    qualities = [point.quality for point in points]
    middle = (min(qualities) + max(qualities)) / 2
    reach = (0.5 + MARGIN) * max(max(qualities) - min(qualities), LEAST_RANGE)
    return _Frame((low, high), (middle - reach, middle + reach))


def _axes(frame: _Frame) -> Iterator[str]:
    bottom = HEIGHT - BOTTOM
    for value in _log_ticks(*frame.times):
        x = frame.x(value)
        yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" {FAINT}/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>'
    for value in _ticks(*frame.qualities):
        y = frame.y(value)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" {FAINT}/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3f}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">median time of a query, ms (log scale)</text>'
    half = (TOP + bottom) / 2
    yield f'<text transform="translate(13 {half}) rotate(-90)" text-anchor="middle">nDCG@10</text>'


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in STEPS if low <= step * 10.0**power <= high]


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 8
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(it * power for it in (*STEPS, 10) if it * power >= rough)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def _mark(point: Point, x: float, y: float, radius: float) -> str:
    colour = BLUE if point.marked else GREY
    costs = f"{point.milliseconds:.1f} ms, {point.size / 1e3:,.1f} kB a document"
    note = f"{point.label}: nDCG@10 {point.quality:.4f}, {costs}"
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="rgba({colour},.45)" stroke="rgb({colour})" '
        f'stroke-width="1.5"><title>{html_text(note)}</title></circle>'
    )


def _labels(points: Sequence[Point], places: Sequence[tuple[float, float]], radii: Sequence[float]) -> Iterator[str]:
    """Yields names, each in the nearest free place, with a line to its point where it stands away.

    A name without a free place is left out: it would make others unreadable. The marked point chooses first, then
    those that no other beats in both time and quality; of equals the upper one: lines then seldom cross.
    """
    taken = [_Box(x - r, y - r, x + r, y + r) for (x, y), r in zip(places, radii, strict=True)]
    for at in sorted(range(len(points)), key=lambda at: (not points[at].marked, _beaten(at, points), places[at][1])):
        (x, y), radius, label = places[at], radii[at], points[at].label
        found = _free(x, y, radius, len(label) * CHAR * (BOLD if points[at].marked else 1), taken)
        if found is None:
            continue
        box, away = found
        taken.append(box)
        if away:
            yield _line(x, y, radius, box)
        weight = ' font-weight="600"' if points[at].marked else ""
        yield f'<text x="{box.left:.1f}" y="{box.bottom - 4:.1f}"{weight}>{html_text(label)}</text>'


def _beaten(at: int, points: Sequence[Point]) -> bool:
    """Returns whether another point is as fast and as good, and the one or the other more so."""
    mine = points[at]
    return any(
        it.milliseconds <= mine.milliseconds
        and it.quality >= mine.quality
        and (it.milliseconds, it.quality) != (mine.milliseconds, mine.quality)
        for it in points
    )


def _free(x: float, y: float, radius: float, width: float, taken: Sequence[_Box]) -> tuple[_Box, bool] | None:
    """Returns the first place for a label that meets nothing, searched outward, and whether it stands away.

    A place is no good where the line from it to the point would cross another label. None where all are taken.
    """
    for reach in REACHES:
        for turn in range(ANGLES):
            box = _beside(x, y, radius + reach, width, 2 * math.pi * turn / ANGLES)
            if FRAME.holds(box) and not any(box.meets(other) for other in taken) and not _crosses(x, y, box, taken):
                return box, reach > REACHES[0]
    return None


def _beside(x: float, y: float, away: float, width: float, angle: float) -> _Box:
    """Returns the label's place in a direction from its point, counted against the clock from the right."""
    middle_x = x + math.cos(angle) * (away + width / 2)
    middle_y = y - math.sin(angle) * (away + LINE / 2)
    return _Box(middle_x - width / 2, middle_y - LINE / 2, middle_x + width / 2, middle_y + LINE / 2)


def _crosses(x: float, y: float, box: _Box, taken: Sequence[_Box]) -> bool:
    """Returns whether the straight way from a point to its label leads through another label or another point."""
    to_x, to_y = min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)
    others = [it for it in taken if not it.around(x, y)]
    way = [(x + (to_x - x) * step / SAMPLES, y + (to_y - y) * step / SAMPLES) for step in range(1, SAMPLES)]
    return any(other.around(*place) for other in others for place in way)


def _line(x: float, y: float, radius: float, box: _Box) -> str:
    to_x, to_y = min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)
    far = math.hypot(to_x - x, to_y - y) or 1.0
    from_x, from_y = x + (to_x - x) * radius / far, y + (to_y - y) * radius / far
    return (
        f'<line x1="{from_x:.1f}" y1="{from_y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" '
        'stroke="currentColor" stroke-opacity=".5"/>'
    )
