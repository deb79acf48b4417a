"""MaxSim through torch, here on torch's own "cpu" device, against the CPU's search and every score by brute force."""

import logging
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from colbert_checkpoints import tiny_checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st
from lateral import RAG
from lateral.errors import InvalidArgumentError
from lateral.retrievers.candidates import CandidateSearch
from lateral.retrievers.candidates_reduction import reduce_segment
from lateral.retrievers.colbert import ColBERTRetriever
from lateral.retrievers.device_tokens import DeviceTokens, accelerator
from lateral.retrievers.device_vectors import DeviceQuery, device_bytes, load_vectors
from lateral.retrievers.maxsim import MaxSimSearch, TokenSegment, maxsim, token_segment
from lateral.retrievers.models.colbert import load_colbert
from lateral.retrievers.models.colbert.encoder import ColbertEncoder
from lateral.retrievers.models.colbert.load import find_checkpoint
from lateral.retrievers.models.colbert.sentence_transformers import load_with_sentence_transformers
from lateral.retrievers.store import Index
from lateral.retrievers.store.formats import FORMATS, pack, view_packed

DIM = 16


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def some_texts(lengths, seed=0, dim=DIM):
    rng = np.random.default_rng(seed)
    return [unit(rng.standard_normal((length, dim)) + rng.standard_normal(dim)) for length in lengths]


def segment_of(texts, form="float16", *, first=0, file="", gap=0):
    """A segment of these texts, each a chunk of its own; `gap` rows that are no text's stand before every text."""
    dim = next((text.shape[1] for text in texts), DIM)
    dead = some_texts([gap], seed=99, dim=dim)[0]
    rows = np.concatenate([np.empty((0, dim), np.float32), *(part for text in texts for part in (dead, text))])
    counts = np.array([len(text) for text in texts], np.int64)
    starts = (np.cumsum(counts + gap) - counts).astype(np.int64)
    stored = view_packed(pack(rows, form), len(rows), dim, form)
    return TokenSegment(stored, starts, counts, np.arange(len(texts) + 1), np.arange(first, first + len(texts)), file)


def on_device(segments, device=None):
    """A search that has asked a device for the token vectors, and one that has not."""
    count = sum(len(segment.positions) for segment in segments)
    tokens = DeviceTokens(lambda: "cpu") if device is None else device
    return MaxSimSearch(segments, count, device=tokens), MaxSimSearch(segments, count)


def rows(found):
    return list(zip(*(part.tolist() for part in found), strict=True))


def exact_scores(query, segments):
    """The score of each text that has a token, in float64, one text after the other."""
    scores = []
    for segment in segments:
        values = segment.vectors.decode(slice(None)).astype(np.float64)
        for start, count in zip(segment.starts, segment.counts, strict=True):
            if count:
                scores.append((query.astype(np.float64) @ values[start : start + count].T).max(axis=1).sum())
    return np.array(scores)


def best_by_brute_force(query, segment, top_k, allowed):
    filled = np.flatnonzero(segment.counts)
    scores = exact_scores(query, [segment]).astype(np.float32)
    ranked = sorted((-score, int(text)) for text, score in zip(filled, scores, strict=True) if allowed[text])
    return [text for _, text in ranked[:top_k]]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("gap", [0, 3])
def test_hits_and_scores_are_those_of_the_cpu(form, gap):
    lengths = np.random.default_rng(3).integers(0, 60, 400)
    segments = [segment_of(some_texts(lengths), form, gap=gap), segment_of(some_texts([5, 0, 9]), form, first=400)]
    search, cpu = on_device(segments)
    for seed in range(5):
        query = some_texts([8], seed=seed)[0]
        assert rows(search.search(query, 10)) == rows(cpu.search(query, 10))
    assert search.cpu_tokens(search.texts()) == 0


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=12),
    st.integers(1, 15),
    st.integers(0, 2**32 - 1),
    st.sampled_from(FORMATS),
    st.booleans(),
    st.integers(0, 2),
)
def test_any_texts_any_filter_any_top_k(lengths, top_k, seed, form, filtered, gap):
    segment = segment_of(some_texts(lengths, seed), form, gap=gap)
    rng = np.random.default_rng(seed)
    allowed = rng.random(len(lengths)) < 0.5 if filtered else np.ones(len(lengths), np.bool_)
    query = some_texts([3], seed=seed ^ 1)[0]
    search, _ = on_device([segment])
    found, _ = search.search(query, top_k, allowed if filtered else None)
    assert found.tolist() == best_by_brute_force(query, segment, top_k, allowed)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("tokens", "dim", "width"), [(1, 8, 0.01), (32, 128, 0.01), (300, 1024, 0.05)])
def test_every_score_lies_between_its_bounds(form, tokens, dim, width):
    segments = [segment_of(some_texts([1, 30, 300, 2, 0, 40], seed=form_seed, dim=dim), form) for form_seed in (1, 2)]
    query = some_texts([tokens], seed=7, dim=dim)[0]
    numbers, low, high = DeviceTokens(lambda: "cpu").hold(segments).bounds(query)
    exact = exact_scores(query, segments)
    assert numbers.tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9, 11]
    assert (low <= exact).all()
    assert (exact <= high).all()
    assert (high - low).max() < width * tokens  # near enough that few texts are scored again


def test_the_error_that_is_allowed_for_is_that_of_rounding_by_hand():
    # One query token of length 1 that halves hold, 32 dimensions: three roundings, 32 additions, what is flushed to 0
    # of both vectors and of their product, and what scores in float32 lose.
    query = np.zeros((1, 32), np.float32)
    query[0, 0] = 1
    vectors = load_vectors(view_packed(pack(query, "float16"), 1, 32, "float16"), "cpu")
    by_hand = 3 * 2**-11 + 32 * 2**-22 + 2**-14 * (2 * 32**0.5 + 1) + 1e-4
    assert DeviceQuery(query, "cpu").error(vectors) == pytest.approx(by_hand, rel=1e-4)


def test_equal_texts_tie_and_stand_by_position_and_chunks_of_one_text_too():
    text = some_texts([4])[0]
    other = some_texts([4], seed=5)[0]
    segment = segment_of([text, other, text, text])
    search, _ = on_device([segment])
    positions, scores = search.search(text, 2)
    assert positions.tolist() == [0, 2]
    assert scores[0] == scores[1]
    shared = TokenSegment(
        segment.vectors, segment.starts[:2], segment.counts[:2], np.array([0, 2, 4]), np.array([0, 3, 1, 2])
    )
    assert on_device([shared])[0].search(other, 4)[0].tolist() == [1, 2, 0, 3]


def test_texts_that_differ_by_less_than_halves_tell_apart_are_ranked_by_their_exact_scores():
    query = np.eye(1, 128, dtype=np.float32)
    base = unit(np.ones((1, 128)))
    texts = [unit(base + times * 2e-6 * query) for times in (3, 0, 5, 1)]  # halves are 6e-5 apart there
    segment = segment_of(texts, "float32")
    assert len({text.astype(np.float16)[0, 0] for text in texts}) == 1
    assert on_device([segment])[0].search(query, 4)[0].tolist() == [2, 0, 3, 1]


def test_a_score_below_zero_is_no_padding_of_zeros():
    query = np.eye(1, DIM, dtype=np.float32)
    segment = segment_of([-query, np.concatenate([-query, -query])])
    positions, scores = on_device([segment])[0].search(query, 2)
    assert positions.tolist() == [0, 1]
    assert scores.tolist() == [-1.0, -1.0]


def test_a_text_longer_than_a_step_is_scored_whole_and_so_are_those_beside_it():
    from lateral.retrievers.device_vectors import STEP_TOKENS

    long = some_texts([STEP_TOKENS + 5], dim=8)[0]
    segment = segment_of([*some_texts([4, 4], seed=5, dim=8), long, *some_texts([3], seed=6, dim=8)], "int8")
    search, cpu = on_device([segment])
    query = long[-3:]
    assert rows(search.search(query, 4)) == rows(cpu.search(query, 4))


def test_an_empty_index_and_texts_without_tokens_have_nothing():
    query = some_texts([2])[0]
    none = np.empty((0, DIM), np.float32)
    assert on_device([])[0].search(query, 3)[0].tolist() == []
    assert on_device([segment_of([none])])[0].search(query, 3)[0].tolist() == []
    assert on_device([segment_of([none, query, none])])[0].search(query, 3)[0].tolist() == [1]


@pytest.mark.parametrize("form", ["float32", "float16", "int8"])
def test_vectors_far_from_length_1_are_left_to_the_cpu(form):
    long = segment_of([1_000 * text for text in some_texts([3, 4])], form, file="a")
    search, cpu = on_device([long, segment_of(some_texts([5, 6], seed=1), form, first=2, file="b")])
    query = some_texts([3], seed=2)[0]
    assert rows(search.search(query, 4)) == rows(cpu.search(query, 4))
    assert search.cpu_tokens(search.texts()) == 7


def test_a_query_far_from_length_1_is_left_to_the_cpu():
    search, cpu = on_device([segment_of(some_texts([3, 4, 5]), "int8")])
    query = 1_000 * some_texts([3], seed=2)[0]
    assert rows(search.search(query, 3)) == rows(cpu.search(query, 3))


@pytest.mark.parametrize(("where", "form"), [("query", "int8"), ("text", "float32"), ("text", "float16")])
def test_a_value_that_is_no_number_is_an_error(where, form):
    segment, query = segment_of(some_texts([3, 3, 3]), form), some_texts([2])[0].copy()
    (query if where == "query" else segment.vectors.codes)[1, 0] = np.nan
    with pytest.raises(InvalidArgumentError, match="NaN"):
        on_device([segment])[0].search(query, 2)


def test_what_does_not_fit_stays_with_the_cpu_which_is_said_once(caplog):
    segments = [segment_of(some_texts([20] * 10, seed=at), first=10 * at, file=str(at)) for at in range(3)]
    device = DeviceTokens(lambda: "cpu", limit_bytes=2 * device_bytes(segments[0].vectors))
    for _ in range(2):
        search, cpu = on_device(segments, device)
        query = some_texts([4], seed=9)[0]
        assert rows(search.search(query, 12)) == rows(cpu.search(query, 12))
        allowed = np.arange(30) % 3 > 0
        assert rows(search.search(query, 12, allowed)) == rows(cpu.search(query, 12, allowed))
        assert search.cpu_tokens(search.texts()) == 200
    assert device.bytes == 2 * device_bytes(segments[0].vectors)
    (record,) = caplog.records
    assert "no room for 200 of the index's token vectors" in record.getMessage()


@pytest.mark.parametrize("form", FORMATS)
def test_how_much_memory_vectors_take_is_known_beforehand(form):
    stored = segment_of(some_texts([7, 9]), form).vectors
    assert load_vectors(stored, "cpu").bytes == device_bytes(stored)


def test_a_device_that_can_hold_nothing_leaves_all_to_the_cpu_which_is_said_once(caplog):
    device = DeviceTokens(lambda: "meta")  # torch's device without memory: whatever asks for values fails
    segments = [segment_of(some_texts([5, 6, 7]), file="a")]
    for _ in range(2):
        search, cpu = on_device(segments, device)
        query = some_texts([4], seed=9)[0]
        assert rows(search.search(query, 2)) == rows(cpu.search(query, 2))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "search on meta failed, the CPU searches" in caplog.text
    assert device.bytes == 0


def test_a_device_that_fails_in_a_search_leaves_it_to_the_cpu_and_its_memory_to_others(caplog):
    names = ["cpu"]
    device = DeviceTokens(lambda: names[0])
    segments = [segment_of(some_texts([5, 6, 7]), file="a")]
    search, cpu = on_device(segments, device)
    query = some_texts([4], seed=9)[0]
    assert rows(search.search(query, 2)) == rows(cpu.search(query, 2))
    names[0] = "meta"  # what is held is on another device now: their product is an error, as too little memory is
    later, _ = on_device(segments, device)
    for _ in range(2):
        assert rows(later.search(query, 2)) == rows(cpu.search(query, 2))
    assert later.cpu_tokens(later.texts()) == 18
    assert device.bytes == 0
    assert len(caplog.records) == 1


def test_generations_share_what_they_have_in_common_and_nothing_else_is_kept():
    device = DeviceTokens(lambda: "cpu")
    parts = [segment_of(some_texts([6] * 5, seed=at), file=f"{at}") for at in range(4)]
    size = device_bytes(parts[0].vectors)
    query = some_texts([4], seed=9)[0]
    for first in range(3):
        now = [
            segment_of(some_texts([6] * 5, seed=at), first=5 * (at - first), file=f"{at}") for at in (first, first + 1)
        ]
        search, cpu = on_device(now, device)
        assert rows(search.search(query, 3)) == rows(cpu.search(query, 3))
        assert device.bytes == 2 * size
    assert device.hold([]) is not None
    assert device.bytes == 0


def test_a_search_that_is_dropped_is_freed_at_once_with_its_vectors():
    import gc
    import weakref

    search, _ = on_device([segment_of(some_texts([6] * 5))])
    search.search(some_texts([4], seed=9)[0], 3)
    held = weakref.ref(search._held())
    gc.disable()
    try:
        del search
        assert held() is None
    finally:
        gc.enable()


def test_candidates_are_not_needed_where_a_device_scores_everything():
    texts = some_texts(np.random.default_rng(5).integers(5, 30, 500))
    segment = segment_of(texts, "int8", file="a.npy")
    search, cpu = on_device([segment])
    candidates = CandidateSearch(search, {"a.npy": reduce_segment(segment)}, candidates=1, exact_up_to=0)
    query = some_texts([8], seed=3)[0]
    assert rows(candidates.search(query, 40)) == rows(cpu.search(query, 40))


class Encoder:
    def __init__(self, device):
        self.device = device


@pytest.mark.parametrize(
    ("encoder", "device"),
    [(Encoder("cuda:1"), "cuda:1"), (Encoder("cpu"), None), (Encoder("mps"), None), (Encoder(None), None), (1, None)],
)
def test_only_a_gpu_that_the_encoder_computes_on_is_used(encoder, device):
    import torch  # noqa: F401 (as an encoder on a GPU has)

    assert accelerator(encoder) == device


def test_torch_is_not_loaded_for_an_encoder_that_computes_without_it():
    code = (
        "import sys\nfrom lateral.retrievers.colbert import ColBERTRetriever\n"
        "from lateral.retrievers.device_tokens import accelerator\n"
        "class Encoder:\n    device = 'cuda:0'\n"
        "print(accelerator(Encoder()), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None False\n"


def test_without_a_device_nothing_is_held():
    search, _ = on_device([segment_of(some_texts([3]))], DeviceTokens(lambda: None))
    assert search.search(some_texts([2])[0], 1)[0].tolist() == [0]
    assert search.cpu_tokens(search.texts()) == 3


def test_torch_set_to_add_up_in_halves_is_not_used():
    import torch

    torch.backends.cuda.matmul.allow_fp16_accumulation = True
    try:
        assert DeviceTokens(lambda: "cpu").hold([segment_of(some_texts([3]))]) is None
    finally:
        torch.backends.cuda.matmul.allow_fp16_accumulation = False


def test_maxsim_in_float64_agrees():
    texts, query = some_texts([5, 1, 9]), some_texts([4], seed=1)[0]
    segment = segment_of(texts, "float32")
    scores = dict(rows(on_device([segment])[0].search(query, 3)))
    expected = maxsim(query, np.concatenate(texts), np.array([0, 5, 6]))
    assert [scores[at] for at in range(3)] == pytest.approx(expected.tolist(), rel=1e-6)


class EncoderOnALostGpu(ColbertEncoder):
    @property
    def device(self):
        return "cuda:99"


def test_an_encoder_says_where_it_computes_once_it_has_and_the_cpu_searches_where_the_gpu_does_not(tmp_path, caplog):
    folder = find_checkpoint(str(tiny_checkpoint(tmp_path / "tiny")))
    load = partial(load_with_sentence_transformers, device="cpu", dtype="float32")
    plain, lost = (kind(folder, backend="a", load=load) for kind in (ColbertEncoder, EncoderOnALostGpu))
    assert plain.device is None
    index = tmp_path / "index"
    RAG(index, retrievers=(ColBERTRetriever(encoder=plain),)).add(
        [{"id": str(at), "text": text} for at, text in enumerate(("a snake", "green tea is hot", "bread"))]
    )
    assert plain.device == "cpu"
    found = []
    for encoder in (plain, lost):
        rag = RAG(index, retrievers=(ColBERTRetriever(encoder=encoder),))
        found.append([(hit.node.source, hit.score) for query in ("snake", "tea") for hit in rag.retrieve(query)])
    assert found[0] == found[1]
    assert caplog.text.count("the CPU searches") == 1


def test_an_index_that_changes_is_searched_as_it_is(tmp_path):
    encoder = load_colbert(str(tiny_checkpoint(tmp_path / "tiny")), dtype="float32", offline=True)
    retriever = ColBERTRetriever(encoder=encoder, vectors="int8")
    rag = RAG(tmp_path / "index", retrievers=(retriever,))
    device = DeviceTokens(lambda: "cpu")
    query = encoder.encode_queries(["a snake in the garden"])[0]
    for turn in range(4):
        rag.add([{"id": f"{turn} {at}", "text": f"snake {at} of turn {turn} " * (at + 1)} for at in range(6)])
        if turn:
            rag.remove(f"{turn - 1} 2")
        with Index(tmp_path / "index").read() as snapshot:
            space = next(iter(snapshot.config().retrievers)).space
            segments = [token_segment(found) for found in snapshot.vectors(space)]
        search, cpu = on_device(segments, device)
        assert rows(search.search(query, 30)) == rows(cpu.search(query, 30))
        assert len(search.search(query, 30)[0]) == 6 * (turn + 1) - turn
        assert device.bytes == sum(device_bytes(segment.vectors) for segment in segments)
