import re
from html.parser import HTMLParser
from itertools import combinations

import pytest
from lateral.loaders.node import LoadFailure
from lateral.rag.evaluation.comparison import Comparison, Row, against
from lateral.rag.evaluation.remarks import Remark
from lateral.rag.evaluation.report_html import report_html
from lateral.rag.evaluation.scatter import CHAR, LINE, Point, scatter

VOID = {"meta"}


class Read(HTMLParser):
    """Collects tags and text, and checks that every tag is closed in turn."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def row(name, values, milliseconds, size):
    scores = {f"q{at}": value for at, value in enumerate(values)}
    measures = {measure: scores for measure in ("ndcg@10", "recall@100")}
    return Row(name, measures, dict.fromkeys(scores, milliseconds), size)


def comparison(**more):
    rows = against([row("bm25", [0.4] * 60, 1.0, 900), row("bi-encoder", [0.8] * 60, 10.0, 2_000)], "bi-encoder")
    settings = {"corpus": "tiny", "queries": 60, "documents": 4, "chunks": 5, "top_k": 100, "index_seconds": 1.25}
    return Comparison(rows=tuple(rows), baseline="bi-encoder", **{**settings, **more})


def test_the_page_says_what_was_measured_and_what_to_take():
    words = " ".join(Read(report_html(comparison())).words)
    assert "4 documents in 5 chunks, indexed in 1.2 s; 60 queries, 100 hits each" in words
    assert "Take bi-encoder: with nDCG@10 0.800 it is significantly better than all others." in words
    assert "bi-encoder (baseline) 0.8000" in words
    assert "-40.0 0.0001" in words
    assert "What storing vectors otherwise costs" not in words


def test_a_sweep_and_oddities_have_their_own_parts():
    remark = Remark("kind", 2, "queries <b>odd</b>", "line 3")
    words = " ".join(
        Read(report_html(comparison(sweep=(row("int8", [0.7], 1.0, 10),), remarks=(remark,), index_seconds=None))).words
    )
    assert "What storing vectors otherwise costs" in words
    assert "2 queries <b>odd</b> (first: line 3)" in words
    assert "indexed in" not in words


def test_long_words_are_broken_and_what_is_wide_is_moved_in_its_box():
    failed = LoadFailure("x" * 300, None, "CorruptDocumentError", "the file ends early")
    page = Read(report_html(comparison(corpus="y" * 300, failed=(failed,))))
    styles = [attrs.get("style", "") for tag, attrs in page.tags if tag in ("h1", "p")]
    assert all("overflow-wrap:anywhere" in style for style in styles)
    assert sum("overflow-x:auto" in attrs.get("style", "") for _, attrs in page.tags) == 2  # the picture, the table


def test_documents_that_could_not_be_read_are_said():
    failed = LoadFailure("papers/<broken>.pdf", 3, "CorruptDocumentError", "the file ends early")
    words = " ".join(Read(report_html(comparison(failed=(failed,), unanswerable=2))).words)
    assert "What was odd about the corpus not read: papers/<broken>.pdf, page 3: the file ends early" in words
    assert "2 unanswerable ones were not asked" in words


def test_noise_does_not_look_like_a_difference():
    picture = scatter([Point("one", 1.0, 0.500, 1.0), Point("other", 5.0, 0.501, 1.0)])
    one, other = (float(y) for y in re.findall(r'cy="([\d.]+)"', picture))
    # 0.001 of the least span, 0.01 and 12% on either side, of the 376 pixels between the margins.
    assert abs(one - other) == pytest.approx(376 * 0.001 / (0.01 * 1.24), abs=0.2)
    assert (one + other) / 2 == pytest.approx(16 + 376 / 2, abs=0.2)


def test_the_page_loads_and_runs_nothing():
    page = report_html(comparison(corpus='<script>alert("1")</script> & co'))
    read = Read(page)
    assert {tag for tag, _ in read.tags} <= {
        *("html", "head", "meta", "title", "body", "div", "h1", "h2", "p", "b", "svg", "line", "text", "circle"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert not any(name.startswith("on") or name in ("src", "href") for _, attrs in read.tags for name in attrs)
    assert "default-src 'none'" in page
    assert '<script>alert("1")</script> & co' in read.words


def boxes_of(picture):
    found = re.findall(r'<text x="([-\d.]+)" y="([-\d.]+)"(?: font-weight="600")?>([^<]+)</text>', picture)
    return [(float(x), float(y) - LINE + 4, float(x) + len(label) * CHAR, float(y) + 4) for x, y, label in found]


def meet(one, other):
    return one[0] < other[2] - 0.2 and other[0] < one[2] - 0.2 and one[1] < other[3] - 0.2 and other[1] < one[3] - 0.2


def test_labels_of_crowded_points_do_not_overlap():
    points = [Point(f"bm25+bi-encoder, way {at}", 20 + at % 3, 0.95 + at / 2_000, 1_000.0 * at) for at in range(12)]
    boxes = boxes_of(scatter(points))
    assert len(boxes) == 12
    assert not any(meet(one, other) for one, other in combinations(boxes, 2))
    assert all(box[0] >= 0 and box[2] <= 760 and box[1] >= 0 and box[3] <= 440 for box in boxes)


def test_a_name_without_room_is_left_out_and_the_marked_one_chooses_first():
    points = [Point(f"bi-encoder+colbert, way {at}, cross-encoder@50", 800 + at, 0.5, 1.0) for at in range(60)]
    crowded = scatter([*points, Point("the one to take", 830.0, 0.4999, 1.0, marked=True)])
    boxes = boxes_of(crowded)
    assert 2 < len(boxes) < 61
    assert not any(meet(one, other) for one, other in combinations(boxes, 2))
    assert 'font-weight="600">the one to take</text>' in crowded
    assert crowded.count("<title>") == 61


def test_one_point_alone_and_equal_points_can_be_drawn():
    assert scatter([Point("a", 1.0, 0.0, 0.0)]).count("<circle") == 1
    assert scatter([Point(name, 5.0, 1.0, 10.0) for name in "abc"]).count("<circle") == 3


def test_points_stand_by_time_and_quality_and_have_areas_by_bytes():
    picture = scatter([Point("slow", 100.0, 0.5, 400.0), Point("fast", 1.0, 0.9, 100.0, marked=True)])
    circles = re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)" fill="rgba\((\d+)', picture)
    slow, fast = sorted(((float(x), float(y), float(r), red) for x, y, r, red in circles), reverse=True)
    assert fast[0] < slow[0]
    assert fast[1] < slow[1]  # upward on the screen
    assert (slow[2], fast[2]) == (14, 7)
    assert fast[3] != slow[3]
