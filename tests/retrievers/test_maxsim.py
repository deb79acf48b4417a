"""Late interaction against hand-computed values, brute force and sentence-transformers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lateral.errors import InvalidArgumentError
from lateral.retrievers.maxsim import BLOCK_TOKENS, MaxSimSearch, TokenSegment, maxsim
from lateral.retrievers.store.formats import FORMATS, pack, view_packed
from lateral.retrievers.token_blocks import CodedQuery, make_block

DIM = 16


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def segment_of(texts, form="float32", chunks=None):
    """A segment of these texts' tokens; each text is a chunk of its own unless `chunks` says whose it is."""
    counts = np.array([len(text) for text in texts], np.int64)
    rows = np.concatenate([np.empty((0, DIM), np.float32), *texts])
    starts = np.cumsum([0, *counts])[:-1].astype(np.int64)
    positions = [[place] for place in range(len(texts))] if chunks is None else chunks
    edges = np.cumsum([0, *map(len, positions)])
    stored = view_packed(pack(rows, form), len(rows), DIM, form)
    return TokenSegment(stored, starts, counts, edges, np.concatenate(positions).astype(np.int64))


def some_texts(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [unit(rng.standard_normal((length, DIM)) + rng.standard_normal(DIM)) for length in lengths]


def brute_force(query, segment, top_k, allowed=None):
    """Every score by one product a text; best first, ties by position."""
    values = segment.vectors.decode(slice(None)).astype(np.float64)
    found = []
    chunks_of = np.split(segment.positions, segment.edges[1:-1])
    for start, count, chunks in zip(segment.starts, segment.counts, chunks_of, strict=True):
        if count:
            score = (query.astype(np.float64) @ values[start : start + count].T).max(axis=1).sum()
            found += [(-np.float32(score), int(chunk)) for chunk in chunks if allowed is None or allowed[chunk]]
    return [(position, -score) for score, position in sorted(found)[:top_k]]


def test_the_score_is_the_sum_of_each_query_tokens_best_match():
    query = np.array([[1, 0], [0, 1]], np.float32)
    tokens = np.array([[0.6, 0.8], [1.0, 0.0], [-1.0, 0.0]], np.float32)
    # text 0: max(0.6, 1.0) + max(0.8, 0.0); text 1: -1 + 0, as nothing is padded with 0
    assert maxsim(query, tokens, np.array([0, 2])).tolist() == pytest.approx([1.8, -1.0])


def test_scores_are_those_of_sentence_transformers():
    import torch
    from lateral.retrievers.models.cures import cure_torchvision

    cure_torchvision()
    from sentence_transformers.util import maxsim as reference

    texts, query = some_texts([5, 1, 9]), some_texts([4], seed=1)[0]
    expected = [reference(torch.tensor(query)[None], torch.tensor(text)[None]).item() for text in texts]
    tokens = np.concatenate(texts)
    assert maxsim(query, tokens, np.array([0, 5, 6])) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
def test_search_finds_what_scoring_everything_finds(form, cache_bytes):
    lengths = np.random.default_rng(3).integers(1, 60, 400)
    segment = segment_of(some_texts(lengths), form)
    search = MaxSimSearch([segment], 400, cache_bytes=cache_bytes)
    for seed in range(5):
        query = some_texts([8], seed=seed)[0]
        positions, scores = search.search(query, 10)
        assert list(zip(positions.tolist(), scores.tolist(), strict=True)) == brute_force(query, segment, 10)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=12),
    st.integers(1, 15),
    st.integers(0, 2**32 - 1),
    st.sampled_from(FORMATS),
    st.booleans(),
)
def test_any_texts_any_filter_any_top_k(lengths, top_k, seed, form, filtered):
    segment = segment_of(some_texts(lengths, seed), form)
    allowed = np.random.default_rng(seed).random(len(lengths)) < 0.5 if filtered else None
    query = some_texts([3], seed=seed ^ 1)[0]
    positions, scores = MaxSimSearch([segment], len(lengths)).search(query, top_k, allowed)
    assert list(zip(positions.tolist(), scores.tolist(), strict=True)) == brute_force(query, segment, top_k, allowed)


def test_chunks_with_one_text_share_its_score_and_are_ordered_by_position():
    texts = some_texts([4, 4])
    segment = segment_of(texts, chunks=[[0, 3], [1, 2]])
    positions, scores = MaxSimSearch([segment], 4).search(texts[1], 4)
    assert positions.tolist() == [1, 2, 0, 3]
    assert scores[0] == scores[1] == pytest.approx(4, abs=1e-6)


def test_a_text_scores_the_same_in_any_company():
    texts, query = some_texts([7] * 50), some_texts([5], seed=9)[0]
    alone = MaxSimSearch([segment_of(texts[:1])], 1).search(query, 1)[1]
    positions, scores = MaxSimSearch([segment_of(texts)], 50).search(query, 50)
    assert scores[positions.tolist().index(0)] == alone[0]


def test_texts_may_stand_in_several_segments():
    texts, query = some_texts([5] * 30), some_texts([5], seed=2)[0]
    whole = segment_of(texts)
    parts = [segment_of(texts[first : first + 10], chunks=[[first + it] for it in range(10)]) for first in (0, 10, 20)]
    together = MaxSimSearch(parts, 30).search(query, 12)
    assert [it.tolist() for it in together] == [it.tolist() for it in MaxSimSearch([whole], 30).search(query, 12)]


def test_a_text_longer_than_a_block_is_scored_whole():
    long = some_texts([BLOCK_TOKENS + 5])[0]
    query = long[-3:]
    positions, scores = MaxSimSearch([segment_of([*some_texts([4, 4], seed=5), long])], 3).search(query, 1)
    assert positions.tolist() == [2]
    assert scores[0] == pytest.approx(3, abs=1e-5)


def test_a_text_without_tokens_is_never_found_and_an_empty_index_has_nothing():
    query = some_texts([2])[0]
    none = np.empty((0, DIM), np.float32)
    positions, _ = MaxSimSearch([segment_of([none, query, none])], 3).search(query, 3)
    assert positions.tolist() == [1]
    assert MaxSimSearch([], 0).search(query, 3)[0].tolist() == []
    assert MaxSimSearch([segment_of([none])], 1).search(query, 3)[0].tolist() == []


@pytest.mark.parametrize(("where", "form"), [("query", "int8"), ("text", "float32"), ("text", "float16")])
def test_a_value_that_is_no_number_is_an_error(where, form):
    segment, query = segment_of(some_texts([3, 3, 3]), form), some_texts([2])[0].copy()
    (query if where == "query" else segment.vectors.codes)[1, 0] = np.nan
    with pytest.raises(InvalidArgumentError, match="NaN"):
        MaxSimSearch([segment], 3).search(query, 2)


def test_a_text_by_its_number_gives_its_tokens():
    texts = some_texts([2, 0, 5])
    search = MaxSimSearch([segment_of(texts[:2]), segment_of(texts[2:], chunks=[[2]])], 3)
    assert (search.tokens(np.array([0, 2])) == np.concatenate([texts[0], texts[2]])).all()
    assert search.tokens(np.array([1])).shape == (0, DIM)


@pytest.mark.parametrize("form", ["float32", "binary"])
@pytest.mark.parametrize("tokens", [32, 128, 1_000, 3_000])
def test_a_long_query_of_equal_tokens_scores_within_its_bounds(tokens, form):
    """Bytes lose nothing of these vectors, and every rounding of the sum goes the same way."""
    for dim in (24, 96):
        signs = np.where(np.random.default_rng(0).standard_normal((400, dim)) > 0, 1, -1)
        values = (signs / np.sqrt(dim)).astype(np.float32)
        vectors = view_packed(pack(values, form), len(values), dim, form)
        places, counts = np.arange(20), np.full(20, 20, np.int64)
        block = make_block(vectors, places * 20, counts, places)
        query = np.repeat(values[:1], tokens, axis=0)
        low, high = block.bounds(CodedQuery(query))
        exact = maxsim(query, vectors.decode(slice(None)), places * 20)
        assert (low <= exact).all()
        assert (exact <= high).all()
