"""An index that any released version wrote can be read and written."""

import shutil
from pathlib import Path

import pytest
from lateral import RAG
from lateral.retrievers.store.schema import SCHEMA_VERSION

FIXTURES = Path(__file__).parents[2] / "fixtures"
VERSIONS = sorted(path.name for path in FIXTURES.glob("index-v*"))


def test_there_is_an_index_of_every_schema_version():
    assert [f"index-v{version}" for version in range(1, SCHEMA_VERSION + 1)] == VERSIONS


@pytest.mark.parametrize("name", VERSIONS)
def test_an_index_of_each_version_is_read_verified_and_written(name, tmp_path):
    index = tmp_path / name
    shutil.copytree(FIXTURES / name, index)
    rag = RAG(index)
    assert rag.verify().problems == ()
    hit = rag.retrieve("How many litres does the kettle hold?")[0]
    assert (hit.node.source, hit.node.page, hit.node.text) == ("manual", 1, "The kettle holds two litres.")
    assert [hit.node.source for hit in rag.retrieve("tea", where={"shelf": {"$gt": 2}})] == ["tea"]
    rag.add({"id": "salt", "text": "Salt melts ice."})
    assert rag.retrieve("What does salt melt?", 1)[0].node.source == "salt"
    assert rag.verify().problems == ()
