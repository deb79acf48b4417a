"""How many vectors a text is said to have, by an encoder that makes one of each word but figures."""

import time

import pytest
from lateral.rag.evaluation.encoding_pace import BATCH, ENCODE_SECONDS, ROWS_ERROR, TOKENS_ERROR, measure_encoding
from lateral.retrievers.hash_embedder import HashEmbedder
from word_vectors import WordVectors

TEXTS = [" ".join(["word"] * (10 + 5 * at) + ["1"] * (2 + at)) for at in range(3 * BATCH)]  # one word in six is none


def rows(texts):
    return sum(text.split().count("word") for text in texts) / len(texts)


class Slow(WordVectors):
    """Whose first batch takes all the time that there is."""

    def encode_documents(self, texts):
        if len(texts) == BATCH:
            time.sleep(ENCODE_SECONDS)
        return super().encode_documents(texts)


def test_texts_that_were_all_encoded_are_counted():
    pace = measure_encoding(WordVectors(), TEXTS, encode=True)
    assert (pace.rows_a_text, pace.rows_error) == (rows(TEXTS), 0.0)


def test_of_texts_that_were_not_all_encoded_the_others_count_by_their_tokens():
    pace = measure_encoding(Slow(), TEXTS, encode=True)
    assert pace.rows_a_text == pytest.approx(rows(TEXTS), rel=0.02)
    assert pace.rows_error == ROWS_ERROR


def test_without_encoding_there_are_as_many_as_tokens():
    pace = measure_encoding(WordVectors(), TEXTS, encode=False)
    assert pace.rows_a_text == pytest.approx(sum(len(text.split()) + 3 for text in TEXTS) / len(TEXTS))
    assert pace.rows_error == TOKENS_ERROR
    assert pace.rows_a_text * (1 - TOKENS_ERROR) < rows(TEXTS) < pace.rows_a_text


def test_a_bi_encoder_makes_one_of_a_text():
    for encode in (True, False):
        pace = measure_encoding(HashEmbedder(16), TEXTS[:3], encode=encode)
        assert (pace.rows_a_text, pace.rows_error) == (1.0, 0.0)
