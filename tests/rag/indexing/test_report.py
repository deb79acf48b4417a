from lateral.loaders.files import SkippedFile
from lateral.loaders.node import LoadFailure
from lateral.rag.indexing.report import AddReport
from markdown_it import MarkdownIt

EVIL = "/docs/`<img src=x onerror=alert(1)>`[a](http://evil.example).pdf"


def test_names_and_reasons_can_not_smuggle_markup_into_a_notebook():
    report = AddReport(
        added=1,
        nodes=2,
        failed=(LoadFailure(EVIL, None, "CorruptDocumentError", "no <b>PDF</b>"),),
        skipped=(SkippedFile(EVIL, "is `x` <script>"),),
        warnings=((EVIL, "page 1 \n\n<script>alert(1)</script>"),),
    )
    html = MarkdownIt("js-default", {"html": True}).render(report._repr_markdown_())
    assert not any(tag in html for tag in ("<img", "<script", "<b>", "<a", "<code"))
    assert [line.split()[0] for line in html.split("<li>")[1:]] == ["failed", "skipped", "note"]
    assert html.count("&lt;img src=x onerror=alert(1)&gt;") == 3
    assert html.startswith("<p>1 added, 1 failed (2 nodes written)</p>")
