"""What a cross-encoder's folder says, and what is refused before anything is loaded."""

import pytest
from cross_encoders import IDENTITY, SIGMOID, changed, headed_cross_encoder, saved_cross_encoder, tiny_cross_encoder
from lateral.errors import ModelNotFoundError
from lateral.retrievers.models import DEFAULT_BI_ENCODER, find_model
from lateral.retrievers.models.cross_encoder import read_cross_encoder

pytestmark = pytest.mark.slow  # importing torch and transformers takes some seconds


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def bare(root):
    return tiny_cross_encoder(root / "bare")


@pytest.fixture(scope="module")
def saved(root, bare):
    return saved_cross_encoder(root / "saved", bare, max_length=64)


def test_a_transformer_with_a_head_reads_what_its_tokenizer_and_positions_allow(bare):
    found = read_cross_encoder(bare)
    assert (found.max_length, found.prompt, found.activation) == (128, "", "sigmoid")
    assert [it.type for it in found.modules] == ["Transformer"]


def test_what_sentence_transformers_saves_now_says_the_same(saved):
    found = read_cross_encoder(saved)
    assert (found.max_length, found.prompt, found.activation) == (64, "", "sigmoid")
    assert [it.type for it in found.modules] == ["Transformer"]


def test_layers_behind_the_transformer_are_read(root):
    found = read_cross_encoder(headed_cross_encoder(root / "headed"))
    assert [it.type for it in found.modules] == ["Transformer", "Pooling", "Dense"]
    assert found.activation == "none"


@pytest.mark.parametrize(
    ("settings", "activation"),
    [
        ({"sentence_transformers": {"activation_fn": IDENTITY}}, "none"),
        ({"sentence_transformers": {"activation_fn": SIGMOID}}, "sigmoid"),
        ({"sbert_ce_default_activation_function": IDENTITY}, "none"),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh"}}, None),
        ({"sentence_transformers": {"activation_fn": "theirs.Code"}}, "sigmoid"),  # as sentence-transformers does
    ],
)
def test_the_activation_is_what_the_files_say(tmp_path, bare, settings, activation):
    assert read_cross_encoder(changed(tmp_path / "model", bare, **settings)).activation == activation


def test_the_default_prompt_is_read(tmp_path, saved):
    folder = changed(
        tmp_path / "model",
        saved,
        "config_sentence_transformers.json",
        prompts={"query": "question: "},
        default_prompt_name="query",
    )
    assert read_cross_encoder(folder).prompt == "question: "


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"id2label": {"0": "no", "1": "yes"}}, "gives 2 labels a pair, and a reranker needs one score"),
        ({"id2label": None}, "gives 2 labels"),  # what transformers takes where none is named
        ({"architectures": ["BertModel"]}, "is no cross-encoder: its config.json names the architecture BertModel"),
        ({"architectures": None}, "names the architecture none"),
        ({"auto_map": {"AutoModel": "theirs.Model"}}, "brings code of its own"),
        ({"max_position_embeddings": 8}, "says that it reads 8 tokens"),
        ({"max_position_embeddings": "many"}, "has damaged settings"),
    ],
)
def test_what_is_no_cross_encoder_of_one_score_is_refused(tmp_path, bare, settings, message):
    with pytest.raises(ModelNotFoundError, match=message):
        read_cross_encoder(changed(tmp_path / "model", bare, **settings))


def test_a_bi_encoder_is_refused():
    with pytest.raises(ModelNotFoundError, match="is a SentenceTransformer, no cross-encoder"):
        read_cross_encoder(find_model(DEFAULT_BI_ENCODER).path)


def test_an_empty_folder_a_missing_tokenizer_and_pickles_are_refused(tmp_path, bare):
    with pytest.raises(ModelNotFoundError, match="holds no model"):
        read_cross_encoder(tmp_path)
    folder = changed(tmp_path / "model", bare)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelNotFoundError, match="a pickle, which is never loaded"):
        read_cross_encoder(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelNotFoundError, match=r"tokenizer\.json is missing"):
        read_cross_encoder(folder)
