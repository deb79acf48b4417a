"""Whether a derived index can be read by what is installed, told from its manifest."""

import json
from importlib.metadata import version

import pytest
from lateral.retrievers.candidates_reduction import METHOD
from lateral.retrievers.derived_versions import is_of_this_version

PLAID = {"space": "s", "bits": 2, "texts": 1, "tokens": 3, "colbert": version("colbert-ai"), "version": 1}
CHROMA = {"space": "s", "count": 1, "chromadb": version("chromadb"), "version": 1}
CANDIDATES = {"space": "s", "dim": 8, "segments": {}, "method": METHOD}
FILES = {"texts.bin": 16, "ids.bin": 8, "hashes.bin": 16}  # bytes of one text, and of one chunk


def published(folder, manifest):
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for name, size in FILES.items():
        (folder / name).write_bytes(bytes(size))
    return folder


@pytest.mark.parametrize(
    ("name", "manifest", "other"),
    [
        ("plaid", PLAID, {"colbert": "0.1"}),
        ("plaid-mine", PLAID, {"version": 0}),
        ("chroma", CHROMA, {"chromadb": "0.1"}),
        ("chroma-mine", CHROMA, {"version": 0}),
        ("colbert-candidates", CANDIDATES, {"method": "an older one"}),
        ("plaid-candidates", CANDIDATES, {"method": "an older one"}),
    ],
)
def test_what_another_version_made_is_not_of_this_one(tmp_path, name, manifest, other):
    assert is_of_this_version(name, published(tmp_path, manifest))
    assert not is_of_this_version(name, published(tmp_path, {**manifest, **other}))


@pytest.mark.parametrize("name", ["plaid", "chroma", "colbert-candidates"])
@pytest.mark.parametrize("manifest", ["{", "[]", "{}", '{"version": 1}', None])
def test_what_can_not_be_read_is_of_no_version(tmp_path, name, manifest):
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    assert not is_of_this_version(name, tmp_path)


def test_what_has_no_manifest_is_readable(tmp_path):
    assert is_of_this_version("bm25", tmp_path)
