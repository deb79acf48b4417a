"""An existing RAGatouille index, read from its JSON files."""

import json
import pickle
import subprocess
import sys

import pytest
from builders import CountingEmbedder
from colbert_checkpoints import minilm_checkpoint
from lateral import RAG, BiEncoderRetriever
from lateral.errors import CorruptDocumentError, SourceRootError
from lateral.loaders import Chunker, default_count_tokens, to_nodes
from lateral.loaders.ragatouille import import_ragatouille

PASSAGES = ["Ball pythons eat mice.", "They need a warm hide.", "Python is a language."]
IDS = {"0": "care", "1": "care", "2": "code"}
METADATA = {"care": {"title": "Snakes", "year": 2024, "tags": ["pet", "reptile"]}, "code": None}


@pytest.fixture
def folder(tmp_path):
    """An index as RAGatouille writes it, by hand, with a pickle that nobody may open."""
    (tmp_path / "collection.json").write_text(json.dumps(PASSAGES))
    (tmp_path / "pid_docid_map.json").write_text(json.dumps(IDS))
    (tmp_path / "docid_metadata_map.json").write_text(json.dumps(METADATA))
    (tmp_path / "centroids.pt").write_bytes(pickle.dumps(object))
    return tmp_path


def test_a_document_has_its_passages_in_order_its_id_and_its_metadata(folder):
    care, code = import_ragatouille(folder)
    assert (care.source, code.source) == ("care", "code")
    assert [section.text for section in care.sections] == PASSAGES[:2]
    assert dict(care.metadata) == METADATA["care"]
    assert dict(code.metadata) == {}
    assert care.warnings == ()


def test_no_chunk_crosses_from_one_passage_into_the_next(folder):
    (care, _) = import_ragatouille(folder)
    nodes = to_nodes(care, Chunker(default_count_tokens, 100, 10))
    assert [node.text for node in nodes] == PASSAGES[:2]
    assert nodes[0].end_char < nodes[1].start_char


def test_it_is_added_like_any_document(folder, tmp_path):
    rag = RAG(tmp_path / "index", retrievers=("bm25", BiEncoderRetriever(encoder=CountingEmbedder())))
    assert rag.add(import_ragatouille(folder)).added == 2
    assert rag.add(import_ragatouille(folder)).unchanged == 2
    hit = rag.retrieve("warm hide", 1, {"year": {"$gte": 2024}})[0]
    assert (hit.node.source, hit.node.text) == ("care", PASSAGES[1])
    rag.remove("care")
    assert rag.status().sources == ("code",)


def test_metadata_that_no_filter_can_read_become_text_and_are_named(folder):
    odd = {"care": {"author": {"name": "Ada"}, "mixed": [1, "a"], "year": 2024}}
    (folder / "docid_metadata_map.json").write_text(json.dumps(odd))
    care = import_ragatouille(folder)[0]
    assert dict(care.metadata) == {"author": '{"name": "Ada"}', "mixed": '[1, "a"]', "year": 2024}
    assert care.warnings == ("metadata that no filter can read are kept as JSON text: author, mixed",)


def test_metadata_that_a_filter_never_finds_are_named(folder, tmp_path):
    taken = {
        "care": {"source": "a vet", "page": 7, "kind": "guide", "document_id": "x", "year": 2024},
        "code": {"a": 1},
    }
    (folder / "docid_metadata_map.json").write_text(json.dumps(taken))
    care, code = import_ragatouille(folder)
    assert dict(care.metadata) == taken["care"]
    assert care.warnings == (
        "a filter for source, page, kind, document_id reads the node's own, not the metadata of the same name",
    )
    assert code.warnings == ()
    rag = RAG(tmp_path / "index", retrievers="bm25")
    report = rag.add([care, code])
    assert [source for source, _ in report.warnings] == ["care"]
    assert rag.retrieve("snake", where={"source": "a vet"}) == []


def test_metadata_may_be_missing_and_texts_may_be_blank_or_hold_controls(folder):
    (folder / "docid_metadata_map.json").unlink()
    (folder / "collection.json").write_text(json.dumps(["Line\r\none\u0000", "two \ud800", " "]))
    care, code = import_ragatouille(folder)
    assert [section.text for section in care.sections] == ["Line\none", "two \ufffd"]
    assert code.warnings == ("it has no text",)


@pytest.mark.parametrize("name", ["collection.json", "pid_docid_map.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(SourceRootError, match=name):
        import_ragatouille(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceRootError, match="none' is no RAGatouille index"):
        import_ragatouille(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("collection.json", "{", "no JSON in UTF-8"),
        ("collection.json", "[" * 100_000, "no JSON in UTF-8"),
        ("collection.json", '{"0": "a"}', "a list of texts was expected"),
        ("collection.json", '["a", 1, "b"]', "a list of texts was expected"),
        ("collection.json", '["a"]', "has 3 ids, and collection.json 1 passages"),
        ("pid_docid_map.json", "[]", "an object of passage numbers"),
        ("pid_docid_map.json", '{"0": "a", "1": 7, "2": "b"}', "passage '1' has the document id 7"),
        ("pid_docid_map.json", '{"0": "a", "1": " ", "2": "b"}', "passage '1' has the document id ' '"),
        ("pid_docid_map.json", '{"0": "a", "1": "b"}', "has 2 ids, and collection.json 3 passages"),
        ("pid_docid_map.json", '{"0": "a", "2": "b", "3": "b"}', "Where passages were deleted"),
        ("docid_metadata_map.json", "[]", "an object of document ids"),
        ("docid_metadata_map.json", '{"care": [1]}', "the metadata of 'care' are no object"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(folder, name, content, message):
    (folder / name).write_text(content)
    with pytest.raises(CorruptDocumentError, match=message) as raised:
        import_ragatouille(folder)
    assert str(folder) in str(raised.value)


MAKE = """
import sys
from lateral.retrievers.models.colbert.cures import import_ragatouille, nothing_compiled
checkpoint, root = sys.argv[1:]
library = import_ragatouille()
with nothing_compiled():
    model = library.RAGPretrainedModel.from_pretrained(checkpoint, index_root=root)
texts = [f"Document {at} is about the number {at} and its neighbour {at + 1}." for at in range(40)]
model.index(
    collection=texts,
    document_ids=[f"doc-{at}" for at in range(40)],
    document_metadatas=[{"number": at} for at in range(40)],
    index_name="made",
    use_faiss=True,
)
"""


@pytest.mark.slow
def test_an_index_that_ragatouille_has_just_made_is_imported(tmp_path):
    checkpoint = minilm_checkpoint(tmp_path)
    command = [sys.executable, "-c", MAKE, str(checkpoint), str(tmp_path / "root")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    found = import_ragatouille(tmp_path / "root" / "colbert" / "indexes" / "made")
    assert [document.source for document in found] == [f"doc-{at}" for at in range(40)]
    assert found[7].sections[0].text == "Document 7 is about the number 7 and its neighbour 8."
    assert dict(found[7].metadata) == {"number": 7}
