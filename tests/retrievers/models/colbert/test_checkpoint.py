"""What is read from a checkpoint's files, what is refused, and that neither needs torch."""

import json
import shutil
import subprocess
import sys

import pytest
from colbert_checkpoints import multi_vector_checkpoint, pylate_checkpoint, tiny_checkpoint
from lateral.errors import InvalidArgumentError, ModelNotFoundError
from lateral.retrievers.models.colbert.checkpoint import Expansion, SideSettings, read_checkpoint
from lateral.retrievers.models.colbert.load import find_checkpoint, load_colbert

pytestmark = pytest.mark.slow  # writing a checkpoint imports torch and transformers

PUNCTUATION = tuple("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One checkpoint of each format."""
    root = tmp_path_factory.mktemp("checkpoints")
    filling = {"strategy": "fixed", "length": 24, "attend": True}
    return {
        "stanford": tiny_checkpoint(root / "stanford"),
        "sentence-transformers": multi_vector_checkpoint(
            root / "native", expansion=filling, skip=["."], prompts={"query": "question: ", "document": "passage: "}
        ),
        "pylate": pylate_checkpoint(root / "pylate"),
    }


@pytest.fixture
def copy(made, tmp_path):
    """Copies a checkpoint and changes JSON files of it: a value of ... is taken out, None for a file removes it."""

    def make(name="stanford", /, **changes):
        folder = tmp_path / f"copy{len(list(tmp_path.iterdir()))}"
        shutil.copytree(made[name], folder)
        for stem, change in changes.items():
            [path] = [path for path in folder.iterdir() if path.stem == stem]
            if change is None:
                path.unlink()
                continue
            values = {**json.loads(path.read_text()), **change}
            path.write_text(json.dumps({key: value for key, value in values.items() if value is not ...}))
        return folder

    return make


def test_stanford_settings_are_read(made):
    checkpoint = read_checkpoint(made["stanford"])
    assert (checkpoint.format, checkpoint.dim) == ("stanford", 16)
    assert checkpoint.query == SideSettings(16, "[unused0]")
    assert checkpoint.document == SideSettings(64, "[unused1]", skip=PUNCTUATION)
    assert checkpoint.expansion == Expansion(16, attend=False)


def test_settings_one_level_deeper_and_left_out_ones_are_read_as_colbert_reads_them(copy):
    folder = copy(artifact={"doc_maxlen": ..., "query_maxlen": ..., "mask_punctuation": None, "query_token_id": ...})
    path = folder / "artifact.metadata"
    path.write_text(json.dumps({"config": json.loads(path.read_text()), "dim": 7}))
    checkpoint = read_checkpoint(folder)
    assert (checkpoint.dim, checkpoint.query.marker, checkpoint.document.skip) == (16, "[unused0]", PUNCTUATION)
    assert (checkpoint.query.length, checkpoint.document.length) == (32, 128)  # 220, and the model has 128 positions


def test_sentence_transformers_settings_are_read(made):
    checkpoint = read_checkpoint(made["sentence-transformers"])
    assert (checkpoint.format, checkpoint.dim) == ("sentence-transformers", 16)
    assert checkpoint.query == SideSettings(24, None, "question: ")
    assert checkpoint.document == SideSettings(48, None, "passage: ", (".",))
    assert checkpoint.expansion == Expansion(24, attend=True)


def test_pylate_settings_are_read(made):
    checkpoint = read_checkpoint(made["pylate"])
    assert checkpoint.query == SideSettings(20, None, "[Q] ")
    assert checkpoint.document == SideSettings(40, None, "[D] ", PUNCTUATION)
    assert checkpoint.expansion == Expansion(20, attend=False)
    assert checkpoint.registered == ("[Q] ", "[D] ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"artifact": None}, r"lacks artifact\.metadata"),
        ({"artifact": None, "config": {"architectures": ["BertModel"]}}, "neither artifact.metadata nor modules.json"),
        ({"config": {"architectures": ["BertModel"]}}, "names the architecture BertModel"),
        ({"config": None}, "neither modules.json nor config.json is there"),
        ({"config": {"auto_map": {"AutoModel": "own.py"}}}, r"code of its own \(auto_map in config.json\)"),
        ({"tokenizer_config": {"auto_map": {"AutoTokenizer": "own.py"}}}, r"auto_map in tokenizer_config.json"),
        ({"artifact": {"similarity": "l2"}}, "has the similarity 'l2', and only 'cosine' is served"),
        ({"artifact": {"interaction": "flipr"}}, "has the interaction 'flipr', and only 'colbert' is served"),
        ({"artifact": {"dim": 128}}, r"projects 32 dimensions to 128, and its linear.weight has the shape \[16, 32\]"),
        ({"config": {"hidden_size": 64}}, "projects 64 dimensions to 16"),
        ({"artifact": {"dim": 0}}, "have 0 dimensions"),
        ({"artifact": {"dim": "16"}}, "damaged settings .TypeError: dim in artifact.metadata must be of type int"),
        ({"artifact": {"query_maxlen": True}}, "query_maxlen in artifact.metadata must be of type int"),
        ({"artifact": {"doc_maxlen": 3}}, "a doc_maxlen of 3 tokens, and 4 is the least"),
        ({"tokenizer": None}, r"tokenizer\.json is missing"),
    ],
)
def test_stanford_checkpoint_that_can_not_be_served_is_refused(copy, changes, message):
    with pytest.raises(ModelNotFoundError, match=message):
        load_colbert(str(copy(**changes)), offline=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"config_sentence_transformers": {"model_type": "SentenceTransformer"}},
            "no ColBERT checkpoint: its settings",
        ),
        ({"config": {"auto_map": {"AutoModel": "own.py"}}}, "code of its own"),
        ({"sentence_bert_config": {"query_expansion": {"strategy": "odd", "length": 3}}}, "the strategy 'odd'"),
        ({"sentence_bert_config": {"document_length": 0}}, "a length of 0 tokens"),
    ],
)
def test_sentence_transformers_checkpoint_that_can_not_be_served_is_refused(copy, changes, message):
    with pytest.raises(ModelNotFoundError, match=message):
        load_colbert(str(copy("sentence-transformers", **changes)), offline=True)


@pytest.mark.parametrize(
    ("at", "kind", "message"),
    [
        (1, "own.Dense", "needs code of its own"),
        (1, "sentence_transformers.x.Router", r"modules that are not served: \['Router'\]"),
        (0, "sentence_transformers.x.Dense", "must begin with its one Transformer"),
        (3, "sentence_transformers.x.MultiVectorMask", "does not normalise its vectors"),
    ],
)
def test_modules_that_are_not_known_are_refused(copy, at, kind, message):
    path = copy("sentence-transformers") / "modules.json"
    modules = json.loads(path.read_text())
    modules[at]["type"] = kind
    path.write_text(json.dumps(modules))
    with pytest.raises(ModelNotFoundError, match=message):
        read_checkpoint(path.parent)


def test_projection_of_another_dimension_is_refused(copy):
    [path] = copy("sentence-transformers").glob("*Dense/config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "out_features": 8}))
    with pytest.raises(
        ModelNotFoundError, match=r"makes 8 dimensions of 32, and its weights have the shape \[16, 32\]"
    ):
        read_checkpoint(path.parent.parent)


def test_pickled_weights_are_refused(copy):
    folder = copy()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelNotFoundError, match="a pickle, which is never loaded"):
        load_colbert(str(folder), offline=True)


def test_weights_without_a_projection_are_refused(copy, made):
    folder = copy()
    shutil.copy(made["sentence-transformers"] / "model.safetensors", folder / "model.safetensors")
    with pytest.raises(ModelNotFoundError, match=r"have no linear\.weight"):
        load_colbert(str(folder), offline=True)


def test_damaged_weights_are_refused(copy):
    folder = copy()
    (folder / "model.safetensors").write_bytes((6).to_bytes(8, "little") + b"nojson")
    with pytest.raises(ModelNotFoundError, match="damaged settings"):
        load_colbert(str(folder), offline=True)


def test_a_name_that_is_nowhere_lists_what_was_tried(tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"can't be had:\n.*local folder.*\n.*local cache.*\n.*hub: not asked"):
        find_checkpoint("acme/no-such-colbert", offline=True)
    with pytest.raises(ModelNotFoundError, match="holds no ColBERT checkpoint"):
        find_checkpoint(str(tmp_path))
    with pytest.raises(InvalidArgumentError, match="must be a string with content"):
        find_checkpoint(" ")


@pytest.mark.parametrize("arguments", [{"backend": "plaid"}, {"dtype": "int4"}])
def test_unknown_choices_are_refused(made, arguments):
    with pytest.raises(InvalidArgumentError, match="must be one of"):
        load_colbert(str(made["stanford"]), **arguments)


def test_ragatouille_is_for_the_stanford_format(made):
    with pytest.raises(InvalidArgumentError, match="use backend='sentence-transformers'"):
        load_colbert(str(made["pylate"]), backend="ragatouille")


def test_auto_takes_ragatouille_for_the_stanford_format_only(made):
    assert load_colbert(str(made["stanford"])).backend == "ragatouille"
    assert load_colbert(str(made["pylate"])).backend == "sentence-transformers"


def test_whatever_decides_the_vectors_changes_the_space(copy, made, tmp_path):
    spaces = {read_checkpoint(made["stanford"]).space("a").fingerprint}
    other = tiny_checkpoint(tmp_path / "other", seed=1)
    settings = [
        {"doc_maxlen": 63},
        {"query_maxlen": 15},
        {"mask_punctuation": False},
        {"attend_to_mask_tokens": True},
        {"doc_token_id": "[unused7]"},
    ]
    for folder in (other, *(copy(artifact=change) for change in settings)):
        spaces.add(read_checkpoint(folder).space("a").fingerprint)
    assert len(spaces) == 7


def test_name_path_and_other_settings_leave_the_space_as_it_is(copy, made):
    folder = copy(artifact={"nbits": 4, "model_name": "bert", "root": "/elsewhere"})
    here, there = (read_checkpoint(path).space(name) for path, name in ((made["stanford"], "a"), (folder, "b")))
    assert here.fingerprint == there.fingerprint
    assert (here.model, there.model) == ("a", "b")


def test_space_tokens_and_counts_need_no_torch(made):
    code = f"""
import sys
from lateral.retrievers.models.colbert import load_colbert
for name in {[str(path) for path in made.values()]!r}:
    encoder = load_colbert(name)
    print(encoder.space.dim, encoder.max_tokens, encoder.count_tokens(["two words"]), len(encoder.tokens("x", "query")))
assert not {{"torch", "transformers", "sentence_transformers", "ragatouille", "openvino"}} & set(sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert result.stdout.splitlines() == ["16 61 [2] 16", "16 44 [2] 24", "16 37 [2] 20"]


def test_missing_extra_is_named_with_its_pip_line(made):
    code = f"""
import sys
from lateral.errors import MissingExtraError
sys.modules["ragatouille"] = None
from lateral.retrievers.models.colbert import load_colbert
print(load_colbert({str(made["stanford"])!r}).backend)
try:
    load_colbert({str(made["stanford"])!r}, backend="ragatouille")
except MissingExtraError as err:
    print(err)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.stderr == ""
    backend, message = result.stdout.splitlines()
    assert backend == "sentence-transformers"
    assert "pip install 'lateral[colbert]'" in message
