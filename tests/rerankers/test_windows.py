"""Long passages in pieces, counted with the model's own tokenizer."""

import logging
from itertools import pairwise
from types import SimpleNamespace

import pytest
from lateral.errors import ModelNotFoundError
from lateral.rerankers.windows import OVERLAP, SPARE, PairWindows
from lateral.retrievers.models import DEFAULT_BI_ENCODER, find_model
from lateral.retrievers.models.cross_encoder import CrossEncoderCheckpoint
from tokenizers import Tokenizer

SPECIAL = 3  # [CLS] query [SEP] passage [SEP]


def make_windows(max_length, *, prompt="", lower_case=False, folder=None):
    folder = folder or find_model(DEFAULT_BI_ENCODER).path
    module = SimpleNamespace(path=folder)
    return PairWindows(CrossEncoderCheckpoint(folder, (module,), max_length, lower_case, prompt, "none"))


@pytest.fixture(scope="module")
def count():
    tokenizer = Tokenizer.from_file(str(find_model(DEFAULT_BI_ENCODER).path / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda *pair: len(tokenizer.encode(*pair).ids)


def test_a_text_that_fits_is_its_only_piece_to_the_last_token(count):
    query, limit = "tea or coffee", 32
    fits = " ".join(["bee"] * (limit - SPECIAL - 3))
    assert count(query, fits) == limit
    assert make_windows(limit).split(query, [fits, ""]) == (query, [[fits], [""]])
    assert len(make_windows(limit).split(query, [f"{fits} bee"])[1][0]) > 1


def test_pieces_fit_overlap_and_leave_nothing_out(count):
    text = " ".join(f"word{number}" for number in range(300))
    query, [pieces] = make_windows(64).split("which word", [text])
    assert query == "which word"
    assert all(count(query, piece) <= 64 for piece in pieces)
    assert text.startswith(pieces[0])
    assert text.endswith(pieces[-1])
    room = 64 - SPECIAL - 2 - SPARE
    for before, after in pairwise(pieces):
        shared = max(size for size in range(len(after) + 1) if before.endswith(after[:size]))
        assert count(after[:shared]) - 2 >= room // OVERLAP - 1


def test_a_long_query_is_cut_to_half_and_said(count, caplog):
    with caplog.at_level(logging.WARNING, logger="lateral"):
        query, pieces = make_windows(32).split("tea " * 50, ["bee " * 40])
    assert query == " ".join(["tea"] * 16)
    assert all(count(query, piece) <= 32 for piece in pieces[0])
    assert "the query has 50 tokens, and is cut to the first 16" in caplog.text


def test_the_prompt_takes_its_room():
    text = " ".join(["bee"] * 27)
    assert make_windows(32).split("tea", [text])[1] == [[text]]
    assert len(make_windows(32, prompt="a question: ").split("tea", [text])[1][0]) > 1


def test_a_model_without_a_limit_reads_everything_whole():
    text = "bee " * 5_000
    assert make_windows(None).split("tea", [text]) == ("tea", [[text]])


def test_halves_of_surrogate_pairs_are_replaced():
    assert make_windows(32).split("tea \ud800", ["bee \udfff"]) == ("tea \ufffd", [["bee \ufffd"]])


def test_a_lowercased_model_is_counted_in_lower_case():
    text = "BEE " * 60
    [pieces] = make_windows(32, lower_case=True).split("TEA", [text])[1]
    assert len(pieces) > 1
    assert all(set(piece) == set("BEE ") for piece in pieces)


def test_a_damaged_tokenizer_is_reported(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelNotFoundError, match=r"tokenizer\.json can't be read"):
        make_windows(32, folder=tmp_path).split("tea", ["bee"])
