"""Texts and pairs to padded arrays, against the tokenizer itself."""

from dataclasses import replace

import numpy as np
import pytest
from lateral.errors import ModelNotFoundError
from lateral.retrievers.models import DEFAULT_BI_ENCODER, find_model
from lateral.retrievers.models.batching import BatchLimit
from lateral.retrievers.models.folder import read_layout
from lateral.retrievers.models.openvino.token_batches import WINDOW, BatchTokenizer
from lateral.retrievers.models.token_counter import RECENT_CHARS, TokenCounter, without_surrogates
from tokenizers import Tokenizer, normalizers, processors

CLS, SEP = 101, 102
COUNTED = [
    "the honey bee",
    "",
    "Ein Satz mit Umlauten: äöü, and some emoji 🐍.",
    "a [PAD] b [SEP] c [unused1] d [MASK]",
    "bee " * 700,
    "a half of a pair: \ud83d",
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    tokenizer = Tokenizer.from_file(str(find_model(DEFAULT_BI_ENCODER).path / "tokenizer.json"))
    tokenizer.enable_padding(pad_id=7, pad_type_id=1)  # others than those of the model, to see that they are used
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def test_texts_are_padded_with_the_model_s_own_ids(path):
    [batch] = BatchTokenizer(path, max_length=None).batches(["honey", "the honey bee"], BatchLimit(8, 100))
    assert batch.positions == [1, 0]  # the longest first
    assert batch.lengths == [5, 3]
    ids, mask, types = batch.inputs["input_ids"], batch.inputs["attention_mask"], batch.inputs["token_type_ids"]
    assert ids.dtype == mask.dtype == types.dtype == np.int64
    assert (ids[0, 0], ids[0, -1]) == (CLS, SEP)
    np.testing.assert_array_equal(ids[1], [CLS, ids[0, 2], SEP, 7, 7])
    np.testing.assert_array_equal(mask, [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    np.testing.assert_array_equal(types, [[0, 0, 0, 0, 0], [0, 0, 0, 1, 1]])


def test_texts_are_cut_with_their_special_tokens_kept(path):
    [batch] = BatchTokenizer(path, max_length=4).batches(["a b c d e f"], BatchLimit(8, 100))
    assert batch.lengths == [4]
    assert batch.inputs["input_ids"][0, -1] == SEP


def test_pairs_carry_the_type_of_each_text(path):
    tokenizer = BatchTokenizer(path, max_length=64, step=1)
    [batch] = tokenizer.batches([("the bee", "the hive is full")], BatchLimit(8, 100))
    np.testing.assert_array_equal(batch.inputs["token_type_ids"], [[0] * 4 + [1] * 5])


@pytest.mark.parametrize(
    ("max_length", "step", "lone", "words", "length"),
    [
        (64, 16, (), 3, 16),
        (64, 16, (), 14, 16),
        (64, 16, (), 15, 32),
        (40, 16, (), 35, 40),
        (64, 32, (), 3, 32),
        (64, 1, (), 3, 5),
        (None, 16, (), 3, 5),
        (64, 32, (16, 24), 3, 16),
        (64, 32, (16, 24), 22, 24),
        (64, 32, (16, 24), 23, 32),
        (12, 32, (16, 24), 3, 12),
        (None, 32, (16, 24), 3, 5),
    ],
)
def test_lengths_are_multiples_of_the_step_within_what_the_model_reads(path, max_length, step, lone, words, length):
    tokenizer = BatchTokenizer(path, max_length=max_length, step=step, lone_lengths=lone)
    [batch] = tokenizer.batches(["bee " * words], BatchLimit(8, 1000))
    assert batch.inputs["input_ids"].shape == (1, length)
    assert batch.inputs["attention_mask"].sum() == batch.lengths[0] == words + 2
    [together] = tokenizer.batches(["bee " * words] * 2, BatchLimit(8, 1000))
    assert together.inputs["input_ids"].shape == (2, length if not lone else min(step, max_length or words + 2))


def test_every_text_is_in_one_batch_and_no_batch_beyond_the_limit(path):
    texts = ["bee " * (number % 40) for number in range(WINDOW + 90)]
    batches = list(BatchTokenizer(path, max_length=32).batches(texts, BatchLimit(16, 128)))
    assert sorted(position for batch in batches for position in batch.positions) == list(range(len(texts)))
    assert all(batch.inputs["input_ids"].size <= 128 for batch in batches)
    assert all(len(batch.positions) <= 16 for batch in batches)


def test_texts_are_tokenised_a_window_at_a_time(path):
    batches = BatchTokenizer(path, max_length=32).batches(["bee"] * WINDOW + [1], BatchLimit(WINDOW, 10_000))
    assert len(next(batches).positions) == WINDOW
    with pytest.raises(TypeError, match=r"TextInputSequence|TextEncodeInput"):
        next(batches)


def test_no_texts_make_no_batch(path):
    assert list(BatchTokenizer(path, max_length=32).batches([], BatchLimit(8, 100))) == []


def test_length_of_a_prompt_leaves_out_the_token_that_ends_a_text(path):
    assert BatchTokenizer(path, max_length=32).prompt_length("question: ") == 3  # [CLS] question :


def test_damaged_file_is_reported(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelNotFoundError, match=r"tokenizer\.json can't be read"):
        BatchTokenizer(tmp_path / "tokenizer.json", max_length=None)


@pytest.fixture
def counter():
    return TokenCounter(read_layout(find_model(DEFAULT_BI_ENCODER).path))


def all_inputs(batches):
    return [(it.positions, it.lengths, {name: it.inputs[name].tolist() for name in it.INPUTS}) for it in batches]


@pytest.mark.parametrize(
    "frame",
    [
        None,
        processors.TemplateProcessing(
            "[MASK] [CLS] $A [SEP]", special_tokens=[("[MASK]", 103), ("[CLS]", 101), ("[SEP]", 102)]
        ),
        processors.TemplateProcessing("$A", special_tokens=[]),
        processors.TemplateProcessing("[CLS]:3 $A:3", special_tokens=[("[CLS]", 101)]),
    ],
    ids=["[CLS] text [SEP]", "two before", "none", "of another type"],
)
@pytest.mark.parametrize("max_length", [256, 5, 3, None])
def test_counted_texts_make_the_same_batches(path, tmp_path, counter, frame, max_length):
    if frame is not None:
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.post_processor = frame
        path = tmp_path / "tokenizer.json"
        tokenizer.save(str(path))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        counter._tokenizer = tokenizer
    counter.count(COUNTED)
    texts = [*map(without_surrogates, COUNTED), "not counted", ("a", "pair")]
    limit = BatchLimit(3, 1_000)
    ours = BatchTokenizer(path, max_length=max_length, counter=counter).batches(texts, limit)
    theirs = BatchTokenizer(path, max_length=max_length).batches(texts, limit)
    assert all_inputs(ours) == all_inputs(theirs)


def test_a_counted_text_is_not_tokenised_again(path, counter):
    texts = ["the honey bee", "the hive is full", "bee " * RECENT_CHARS]
    counter.count(texts)
    assert counter.recent(texts[2]) is None
    for text in texts[:2]:
        counter.recent(text)[:] = 7
    [batch] = BatchTokenizer(path, max_length=6, step=1, counter=counter).batches(texts, BatchLimit(8, 1_000))
    ids = dict(zip(batch.positions, batch.inputs["input_ids"].tolist(), strict=True))
    assert ids[0] == [CLS, 7, 7, 7, SEP, 7]  # the last one pads
    assert ids[1] == [CLS, 7, 7, 7, 7, SEP]
    assert 7 not in ids[2]


@pytest.mark.parametrize("difference", ["normalizer", "lowercased before"])
def test_counts_of_another_tokenizer_are_not_used(path, tmp_path, counter, difference):
    if difference == "normalizer":
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.normalizer = normalizers.Lowercase()
        path = tmp_path / "tokenizer.json"
        tokenizer.save(str(path))
    else:
        counter = TokenCounter(replace(read_layout(find_model(DEFAULT_BI_ENCODER).path), lower_case=True))
    texts = ["the honey bee", "the hive is full"]
    counter.count(texts)
    for text in texts:
        counter.recent(text)[:] = 7
    [batch] = BatchTokenizer(path, max_length=6, step=1, counter=counter).batches(texts, BatchLimit(8, 1_000))
    assert 7 not in batch.inputs["input_ids"][batch.positions.index(1)]
