import json

import pytest
from builders import make_document, put
from lateral.errors import InvalidArgumentError
from lateral.retrievers import CannedRetriever, Explaining, Explanation, Part
from lateral.retrievers.explanation import chunk_position
from lateral.retrievers.store import Index


def test_what_is_not_known_may_be_left_out():
    part = Part("a", "b", 0.5, 1.0)
    explained = Explanation("a", "id", "maxsim", (part,), 0.5)
    assert (part.spans, part.term, explained.text, explained.rest) == ((), "", "", 0.0)
    assert ">a</td>" in explained._repr_html_()


def test_its_json_shape():
    part = Part("flooded", "flood", 1.5, 1.0, ((0, 5),), "flood")
    found = json.loads(json.dumps(Explanation("flooded", "id", "bm25", (part,), 1.5, "flood").as_dict()))
    assert found == {
        "query": "flooded",
        "node_id": "id",
        "method": "bm25",
        "total": 1.5,
        "rest": 0.0,
        "text": "flood",
        "parts": [
            {
                "query_part": "flooded",
                "node_part": "flood",
                "similarity": 1.5,
                "share": 1.0,
                "spans": [[0, 5]],
                "term": "flood",
            }
        ],
    }


def test_explaining_is_a_choice_of_a_retriever():
    assert not isinstance(CannedRetriever([]), Explaining)


def test_a_chunk_stands_where_its_id_does(tmp_path):
    index = Index(tmp_path / "index")
    with index.write() as writer:
        put(writer, [make_document(f"doc-{number}", f"text {number}") for number in range(9)])
    with index.read() as snapshot:
        ids = [raw.decode() for raw in snapshot.chunk_ids()]
        assert [chunk_position(snapshot, it) for it in ids] == list(range(9))
        for wrong in ("", "0", "z" * 24, ids[0][:-1], ids[0] + "0", "ä", "\ud800"):
            with pytest.raises(InvalidArgumentError, match="has no chunk with the id"):
                chunk_position(snapshot, wrong)
