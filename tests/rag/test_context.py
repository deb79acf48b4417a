import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.errors import InvalidArgumentError
from lateral.loaders.node import Node
from lateral.rag.context import build_context
from lateral.retrievers.hit import Hit

PAGE = "Add 8 drops of bleach. Stir it well. Let it stand for half an hour. Smell it. Then drink it at once."


def count_words(texts):
    return [len(text.split()) for text in texts]


def build(hits, budget=1000):
    return build_context(hits, token_budget=budget, count_tokens=count_words)


@pytest.fixture
def cut_out(make_hit):
    """A hit for PAGE[start:end]."""
    return lambda start, end, **place: make_hit(PAGE[start:end], start, **place)


def test_no_hits_give_no_passages():
    assert build([]) == []


def test_a_hit_becomes_a_passage_with_its_place(make_hit):
    hit = make_hit("Two words", 7, source="/docs/b.pdf", page=4)
    (passage,) = build([hit])
    assert (passage.n, passage.text, passage.source, passage.page) == (1, "Two words", "/docs/b.pdf", 4)
    assert (passage.start_char, passage.end_char, passage.tokens, passage.cut) == (7, 16, 2, False)
    assert (passage.document_id, passage.nodes, passage.hits) == (hit.node.document_id, (hit.node,), (hit,))


def test_overlapping_neighbours_become_one_slice_of_the_page(cut_out):
    first, second = cut_out(23, 66), cut_out(0, 36)  # they share "Stir it well."
    (passage,) = build([first, second])
    assert passage.text == PAGE[0:66]
    assert (passage.start_char, passage.end_char, passage.tokens) == (0, 66, 15)
    assert passage.hits == (first, second)
    assert passage.nodes == (second.node, first.node)


def test_a_chunk_that_bridges_two_passages_joins_all_three(cut_out):
    other = cut_out(0, 10, page=2)
    passages = build([cut_out(0, 30), other, cut_out(60, 99), cut_out(25, 65)])
    assert [passage.text for passage in passages] == [PAGE[0:99], PAGE[0:10]]
    assert [passage.n for passage in passages] == [1, 2]


@pytest.mark.parametrize(("gap", "texts"), [(0, ["abcd"]), (1, ["ab\ncd"]), (4, ["ab\n\n\n\ncd"]), (5, ["ab", "cd"])])
def test_a_small_gap_is_filled_and_keeps_the_offsets_true(make_hit, gap, texts):
    passages = build([make_hit("ab", 10), make_hit("cd", 12 + gap)])
    assert [passage.text for passage in passages] == texts
    assert all(passage.end_char - passage.start_char == len(passage.text) for passage in passages)


@pytest.mark.parametrize("place", [{"page": 2}, {"page": None}, {"source": "/docs/other.pdf"}])
def test_other_pages_and_documents_are_not_joined(cut_out, place):
    assert len(build([cut_out(0, 36), cut_out(23, 66, **place)])) == 2


def test_a_chunk_over_a_filled_gap_joins_and_gives_it_its_text(cut_out):
    (passage,) = build([cut_out(78, 99), cut_out(61, 76), cut_out(55, 80)])
    assert (passage.start_char, passage.text) == (55, PAGE[55:99])


def test_neighbours_that_disagree_on_the_text_they_share_stay_apart(make_hit):
    assert [passage.text for passage in build([make_hit("abcdef", 0), make_hit("XYghijkl", 4)])] == [
        "abcdef",
        "XYghijkl",
    ]


def test_a_chunk_mostly_taken_already_is_dropped(cut_out):
    kept = cut_out(0, 50)
    assert [passage.hits for passage in build([kept, cut_out(42, 52)])] == [(kept,)]  # 8 of 10 characters are taken
    assert len(build([kept, cut_out(43, 53)])[0].hits) == 2  # 7 of 10


def test_a_duplicate_without_true_offsets_is_dropped_by_its_text():
    node = Node("x", "d", "faq", None, "chunk", "Some text.", 0, 0)
    twin = Node("y", "d", "faq", None, "chunk", "Some text.", 0, 0)
    assert len(build([Hit(node, 2.0), Hit(twin, 1.0), Hit(node, 0.5)])) == 1


def test_a_page_gives_its_text_only_where_no_chunk_stands_for_it(make_hit):
    page_one, page_two = make_hit(PAGE, kind="page"), make_hit("Page two.", kind="page", page=2)
    chunk = make_hit("Add 8 drops", score=0.1)
    assert [passage.text for passage in build([page_one, page_two, chunk])] == ["Page two.", "Add 8 drops"]


def test_nodes_without_text_are_left_out(make_hit):
    assert build([make_hit("", kind="page"), make_hit(" \n ")]) == []


def test_a_passage_that_does_not_fit_is_left_out_and_a_smaller_one_still_fits(make_hit):
    hits = [make_hit("a b c", page=1), make_hit("d e f", page=2), make_hit("g h", page=3)]
    assert [(passage.n, passage.text) for passage in build(hits, 5)] == [(1, "a b c"), (2, "g h")]


def test_a_neighbour_that_does_not_fit_is_left_out_and_the_passage_stays(cut_out):
    (passage,) = build([cut_out(0, 36), cut_out(23, 66)], 10)  # 8 words, 15 joined
    assert passage.text == PAGE[0:36]


@pytest.mark.parametrize(
    ("budget", "text"),
    [(9, "Add 8 drops of bleach. Stir it well."), (5, "Add 8 drops of bleach."), (4, "Add 8 drops of"), (1, "Add")],
)
def test_the_best_hit_is_cut_behind_a_sentence_or_else_a_word(make_hit, budget, text):
    (passage,) = build([make_hit(PAGE, 100), make_hit(PAGE[40:99], 140)], budget)
    assert (passage.text, passage.cut, passage.tokens) == (text, True, len(text.split()))
    assert (passage.start_char, passage.end_char) == (100, 100 + len(text))


def test_nothing_comes_where_not_one_word_fits(make_hit):
    assert build_context([make_hit("word")], token_budget=1, count_tokens=lambda texts: [9 for _ in texts]) == []


@pytest.mark.parametrize("budget", [0, -1, True, 2.5])
def test_a_budget_below_one_is_refused(budget):
    with pytest.raises(InvalidArgumentError, match="token_budget must be a whole number of at least 1"):
        build([], budget)


def test_a_counter_that_loses_texts_is_refused(make_hit):
    with pytest.raises(InvalidArgumentError, match="1 texts, 0 counts"):
        build_context([make_hit("word")], token_budget=1, count_tokens=lambda texts: [])


def test_all_hits_are_counted_in_one_call(make_hit):
    sizes = []

    def count(texts):
        sizes.append(len(texts))
        return count_words(texts)

    build_context([make_hit("a", page=page) for page in range(1, 9)], token_budget=99, count_tokens=count)
    assert sizes == [8]


spans = st.tuples(st.integers(0, 98), st.integers(1, 60), st.integers(1, 2))


@given(places=st.lists(spans, max_size=12), budget=st.integers(1, 60))
def test_passages_are_true_slices_within_the_budget(make_hit, places, budget):
    hits = [make_hit(PAGE[start : start + length], start, page=page) for start, length, page in places]
    before = list(hits)
    passages = build(hits, budget)
    assert hits == before
    assert sum(passage.tokens for passage in passages) <= budget
    assert [passage.n for passage in passages] == list(range(1, len(passages) + 1))
    for passage in passages:
        origin = PAGE[passage.start_char : passage.end_char]
        assert len(origin) == len(passage.text)
        assert all(ours in (theirs, "\n") for ours, theirs in zip(passage.text, origin, strict=True))
        assert set(passage.hits) <= set(hits)
        assert passage.tokens == len(passage.text.split())
    taken = [(passage.page, at) for passage in passages for at in range(passage.start_char, passage.end_char)]
    assert len(taken) == len(set(taken))


def test_a_chunk_that_overlaps_a_cut_passage_is_dropped(make_hit):
    whole, behind = make_hit(PAGE, 100), make_hit(PAGE[37:49], 137)
    overlapping = make_hit(PAGE[28:49], 128)  # 8 of its 21 characters are taken, and its 5 words would fit
    assert [passage.text for passage in build([whole, overlapping], 14)] == [PAGE[:36]]
    assert [passage.text for passage in build([whole, behind], 14)] == [PAGE[:36], PAGE[37:49]]
