"""A tokenizer with more tokens than its model: torch would fail at the first text with one of them."""

import json
import shutil

import pytest
from colbert_checkpoints import pylate_checkpoint, tiny_checkpoint
from lateral.errors import ModelNotFoundError
from lateral.retrievers.models.colbert import load_colbert
from lateral.retrievers.models.colbert.checkpoint import read_checkpoint
from lateral.retrievers.models.colbert.vocabulary import check_vocabulary

WORDS = {"[UNK]": 0, "a": 1, "b": 2}


def write(folder, *, size, model, added=()):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(size))
    tokenizer = {"model": model, "added_tokens": [{"id": it, "content": f"<{it}>"} for it in added]}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


@pytest.mark.parametrize(
    ("model", "added", "largest"),
    [
        ({"vocab": WORDS}, [], 2),
        ({"vocab": WORDS}, [0, 7], 7),
        ({"vocab": [["<unk>", 0.0], ["a", -1.5], ["b", -2.0], ["c", -3.0]]}, [1], 3),
        ({}, [5], 5),
    ],
)
def test_every_token_needs_a_vector(tmp_path, model, added, largest):
    enough = write(tmp_path / "enough", size={"vocab_size": largest + 1}, model=model, added=added)
    check_vocabulary(enough, enough)
    nested = write(tmp_path / "nested", size={"text_config": {"vocab_size": largest}}, model=model, added=added)
    with pytest.raises(
        ModelNotFoundError, match=rf"tokens up to number {largest}, and its model knows {largest}, from"
    ):
        check_vocabulary(nested, nested)


def test_the_tokenizer_may_stand_in_the_folder_above(tmp_path):
    folder = write(tmp_path / "whole", size={"vocab_size": 2}, model={"vocab": WORDS})
    (folder / "0_Transformer").mkdir()
    (folder / "config.json").rename(folder / "0_Transformer" / "config.json")
    with pytest.raises(ModelNotFoundError, match="knows 2"):
        check_vocabulary(folder / "0_Transformer", folder)


def test_a_model_that_says_nothing_of_its_size_is_taken_as_it_is(tmp_path):
    folder = write(tmp_path / "whole", size={}, model={"vocab": WORDS})
    assert check_vocabulary(folder, folder) is None


@pytest.mark.slow
@pytest.mark.parametrize("make", [tiny_checkpoint, pylate_checkpoint])
def test_a_checkpoint_with_another_models_tokenizer_is_refused(tmp_path, make):
    folder = make(tmp_path / "made")
    read_checkpoint(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 1_000}))
    with pytest.raises(
        ModelNotFoundError, match=r"tokenizer\.json has tokens up to number 305\d\d, and its model knows"
    ):
        load_colbert(str(shutil.copytree(folder, tmp_path / "copy")), offline=True)
