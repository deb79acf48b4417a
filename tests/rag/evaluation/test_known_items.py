import json
import re
from pathlib import Path

import pytest
from lateral.errors import InvalidArgumentError, SourceRootError
from lateral.rag.evaluation import read_questions
from lateral.rag.evaluation.folder_pages import FolderPage, PageSearch, read_pages
from lateral.rag.evaluation.known_items import known_items
from lateral.rag.evaluation.made_questions import MadeQuestion, write_questions, write_review
from markdown_it import MarkdownIt
from pdfs import make_pdf

SAMPLES = Path(__file__).parents[3] / "notebooks" / "samples"

TEA = "Green tea is brewed at eighty degrees for about two minutes in a glass pot."
WELL = "Chlorinated wells must rest for ten days before a laboratory tests them for coliform bacteria."
FOOTER = "Printed by the water board of the northern district, page {} of nine."


def page(text, file="a.txt", number=None, **more):
    return FolderPage(file, number, text, **more)


def words(text):
    return re.findall(r"\w+", text.lower())


def test_a_query_is_a_sentence_of_its_page_with_words_left_out():
    made = known_items([page(TEA, "tea.txt"), page(WELL, "well.pdf", 4)], count=2)
    assert [(it.file, it.page, it.kind, it.answer) for it in made.questions] == [
        ("tea.txt", None, "sentence", TEA),
        ("well.pdf", 4, "sentence", WELL),
    ]
    for it in made.questions:
        asked, whole = words(it.question), words(it.answer)
        assert 3 <= len(asked) <= 8
        assert [word for word in whole if word in asked] == asked  # in the sentence's order
        assert whole[0] not in asked
        assert len(asked) < len(whole)


def test_the_same_seed_gives_the_same_queries_and_another_one_others():
    pages = read_pages(SAMPLES).pages
    first, again = known_items(pages, count=8, seed=1), known_items(pages, count=8, seed=1)
    assert first == again
    assert known_items(pages, count=8, seed=2) != first


def test_a_sentence_that_stands_on_several_pages_is_no_question():
    pages = [page(f"{text} {FOOTER.format(at)}", "a.pdf", at) for at, text in ((1, TEA), (2, WELL))]
    made = known_items(pages, count=10)
    assert {it.answer for it in made.questions} == {TEA, WELL}


def test_a_query_that_fits_a_copy_of_its_page_is_dropped():
    made = known_items([page(TEA, "one.txt"), page(f"{TEA} Enjoy.", "two.txt"), page(WELL, "well.txt")], count=10)
    assert {it.file for it in made.questions} == {"well.txt"}


def test_headings_titles_and_captions_are_asked_for_where_only_their_page_has_them():
    care = page(
        f"Feeding adult pythons\n\n{TEA}\n\nFigure 3: Skull of a ball python, seen from above.",
        "care.pdf",
        2,
        headings=("Feeding adult pythons", "Introduction"),
        title="Keeping reptiles warm",
    )
    made = known_items([care, page(WELL, "well.pdf", 1)], count=10)
    kinds = {it.kind: it for it in made.questions if it.file == "care.pdf"}
    assert kinds["heading"].question == "Feeding adult pythons"
    assert kinds["title"].question == "Keeping reptiles warm"
    assert (kinds["title"].page, kinds["heading"].page) == (None, 2)
    assert kinds["caption"].question == "Skull of a ball python seen from above"
    assert "Introduction" not in {it.question for it in made.questions}
    assert "heading" not in known_items([care, page(care.text, "b.pdf", 1)], count=10).by_kind


def test_questions_are_spread_over_documents_and_pages():
    names = ["mint", "sage", "thyme", "basil", "dill", "anise", "fennel"]
    long = [page(TEA.replace("tea", name), "long.pdf", at) for at, name in enumerate(names, start=1)]
    made = known_items([*long, page(WELL, "well.txt")], count=4)
    assert "well.txt" in {it.file for it in made.questions}
    assert len({(it.file, it.page) for it in made.questions}) == 4


def test_pages_that_say_nothing_give_no_question():
    made = known_items([page("1 2 3 4 5 6 7 8"), page("Yes."), page("…")], count=5)
    assert made.questions == ()


def test_the_count_must_be_positive():
    with pytest.raises(InvalidArgumentError, match="count must be a whole number of at least 1, got 0"):
        known_items([page(TEA)], count=0)


def test_a_search_finds_the_page_and_knows_when_others_fit_as_well():
    search = PageSearch([page(TEA), page(WELL), page("Tea and coffee.")], "english")
    assert search.finds("chlorinated wells", [1])
    assert not search.finds("football", [1])
    assert search.fits_others("tea", [0])  # the third page holds it too
    assert not search.fits_others("green tea", [0])
    assert search.fits_others("", [0])


def test_what_is_made_can_be_read_for_an_evaluation(tmp_path):
    made = known_items(read_pages(SAMPLES).pages, count=20)
    out = tmp_path / "questions.jsonl"
    write_questions(out, made.questions)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["question"] for row in rows] == [it.question for it in made.questions]
    assert {row["kind"] for row in rows} >= {"sentence"}
    corpus = read_questions(SAMPLES, out)
    assert len(corpus.queries) == len(rows) > 5
    assert (corpus.unanswerable, corpus.remarks) == ({}, ())
    assert "page" in {corpus.judged_by(query) for query in corpus.queries}


def test_files_that_are_there_are_left_alone(tmp_path):
    out, review = tmp_path / "questions.jsonl", tmp_path / "review.md"
    one = MadeQuestion("q", "a.txt", None, "heading", "", "p")
    write_questions(out, [one])
    with pytest.raises(InvalidArgumentError, match=r"is there already.*--out, or add --force"):
        write_questions(out, [])
    write_questions(out, [one, one], force=True)
    assert len(out.read_text().splitlines()) == 2
    with pytest.raises(InvalidArgumentError, match=r"--review writes .md or .html, got 'review.txt'"):
        write_review(review.with_suffix(".txt"), [one], named="q")
    with pytest.raises(InvalidArgumentError, match="can't be written: name a file in a folder that is there"):
        write_review(tmp_path / "missing" / "review.md", [one], named="q")


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_the_list_shows_hostile_text_letter_by_letter(tmp_path, suffix):
    hostile = MadeQuestion("a | b <b>\x1b[31m\nx", "[x](http://e.vil).pdf", 3, "sentence", "", "![p](http://e.vil/p)")
    review = tmp_path / f"review{suffix}"
    write_review(review, [hostile], named="questions.jsonl")
    text = review.read_text()
    assert "\x1b" not in text
    assert "<b>" not in text
    if suffix == ".md":
        row = text.splitlines()[-1]
        assert row.startswith(r"| [ ] | 1 | a \| b \<b\>")
        assert r"\!\[p\]\(http" in row
        assert row.count("|") - row.count(r"\|") == 6
    else:
        assert '<input type="checkbox">' in text


def test_the_markdown_list_holds_no_address_that_a_renderer_links(tmp_path):
    said = "see https://evil.example, www.evil.example and a@evil.example"
    write_review(tmp_path / "r.md", [MadeQuestion(said, "a.md", None, "llm", "", said)], named="www.evil.example.jsonl")
    text = (tmp_path / "r.md").read_text()
    assert not any(address in text for address in ("https://", "www.evil", "a@evil"))
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert html.count(said) == 2
    assert "<a" not in html


def test_the_pages_of_a_folder_are_read_with_their_names(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "kettle.pdf").write_bytes(make_pdf([["The kettle holds two litres."], None], title="Kettles"))
    (tmp_path / "tea.md").write_text(f"# Tea\n\n{TEA}\n")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    (tmp_path / "questions.jsonl").write_text("{}")
    read = read_pages(tmp_path, besides=[tmp_path / "questions.jsonl"])
    assert [(it.file, it.page, it.title) for it in read.pages] == [
        ("sub/kettle.pdf", 1, "Kettles"),
        ("tea.md", None, "Tea"),
    ]
    assert [Path(it.source).name for it in read.failed] == ["broken.pdf"]


def test_a_folder_without_text_is_an_error(tmp_path):
    with pytest.raises(InvalidArgumentError, match="holds no text to ask about"):
        read_pages(tmp_path)
    with pytest.raises(SourceRootError, match="there is no file or folder"):
        read_pages(tmp_path / "missing")
