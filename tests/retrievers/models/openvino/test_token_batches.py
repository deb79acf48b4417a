"""Texts and pairs to padded arrays, against the tokenizer itself."""

import numpy as np
import pytest
from lateral.errors import ModelNotFoundError
from lateral.retrievers.models import DEFAULT_BI_ENCODER, find_model
from lateral.retrievers.models.batching import BatchLimit
from lateral.retrievers.models.openvino.token_batches import WINDOW, BatchTokenizer
from tokenizers import Tokenizer

CLS, SEP = 101, 102


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
    ("max_length", "step", "words", "length"),
    [
        (64, 16, 3, 16),
        (64, 16, 14, 16),
        (64, 16, 15, 32),
        (40, 16, 35, 40),
        (64, 32, 3, 32),
        (64, 1, 3, 5),
        (None, 16, 3, 5),
    ],
)
def test_lengths_are_multiples_of_the_step_within_what_the_model_reads(path, max_length, step, words, length):
    tokenizer = BatchTokenizer(path, max_length=max_length, step=step)
    [batch] = tokenizer.batches(["bee " * words], BatchLimit(8, 1000))
    assert batch.inputs["input_ids"].shape == (1, length)
    assert batch.inputs["attention_mask"].sum() == batch.lengths[0] == words + 2


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
