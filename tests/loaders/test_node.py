import hashlib
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lateral.errors import InvalidArgumentError
from lateral.loaders.node import Node, document_id, freeze_metadata, node_id

NODE = Node("id", "d", "/a.md", 3, "chunk", "text", 5, 9, {"title": "T", "years": [2023, 2024]})


class TestIds:
    def test_a_document_has_the_first_64_bits_of_its_source(self):
        assert document_id("/a.md") == hashlib.sha256(b"/a.md").hexdigest()[:16]

    def test_a_node_has_the_first_96_bits_of_its_place_and_text(self):
        expected = hashlib.sha256(b"d\x003\x00chunk\x005\x00" + "naïve".encode()).hexdigest()[:24]
        assert node_id("d", 3, "chunk", 5, "naïve") == expected

    def test_lone_surrogates_have_ids_too(self):
        assert document_id("\ud800") != document_id("\ud801")
        assert node_id("d", None, "chunk", 0, "\ud800") != node_id("d", None, "chunk", 0, "\ud801")

    def test_every_part_of_a_place_tells_nodes_apart(self):
        place = ("d", 1, "chunk", 5, "text")
        others = [("e", 1), ("d", 2), ("d", None)]
        ids = {node_id(*place), *(node_id(*other, *place[2:]) for other in others)}
        ids |= {
            node_id("d", 1, "page", 5, "text"),
            node_id("d", 1, "chunk", 6, "text"),
            node_id("d", 1, "chunk", 5, "t"),
        }
        assert len(ids) == 7


class TestNode:
    def test_is_equal_and_hashed_by_id(self):
        assert replace(NODE, text="other") == NODE
        assert hash(NODE) == hash(replace(NODE, text="other"))
        assert replace(NODE, id="other") != NODE
        assert NODE != "id"

    def test_has_a_frozen_copy_of_its_metadata(self):
        given_metadata = {"title": "T"}
        node = replace(NODE, metadata=given_metadata)
        given_metadata["title"] = "changed"
        assert node.metadata == {"title": "T"}
        with pytest.raises(TypeError, match="does not support item assignment"):
            node.metadata["title"] = "changed"

    def test_refuses_bad_metadata(self):
        with pytest.raises(InvalidArgumentError, match=r"metadata\['a'\] must be"):
            replace(NODE, metadata={"a": {}})

    def test_survives_pickling_whole(self):
        copy = pickle.loads(pickle.dumps(NODE))
        fields = ("id", "document_id", "source", "page", "kind", "text", "start_char", "end_char", "metadata")
        assert [getattr(copy, name) for name in fields] == [getattr(NODE, name) for name in fields]
        with pytest.raises(TypeError, match="does not support item assignment"):
            copy.metadata["title"] = "changed"


class TestFreezeMetadata:
    @pytest.mark.parametrize("value", ["", "x", 0, 1.5, True, None, [], ["a", "b"], [1, 2], [1.5], [True, False]])
    def test_takes_scalars_and_lists_of_one_type(self, value):
        frozen = freeze_metadata({"a": value})
        assert frozen == {"a": value}
        assert freeze_metadata(frozen) == frozen

    @pytest.mark.parametrize(
        "value",
        [
            float("nan"),
            float("inf"),
            [1.5, float("nan")],
            [1, "a"],
            [1, True],
            [1, 1.5],
            [None],
            [["a"]],
            {"b": 1},
            ("a",),
            b"a",
            "\ud800",
            ["\ud800"],
            object,
        ],
    )
    def test_refuses_any_other_value_by_its_key(self, value):
        with pytest.raises(InvalidArgumentError, match=r"metadata\['a'\] must be a string.*, got .*\(\w+\)"):
            freeze_metadata({"a": value})

    @pytest.mark.parametrize("key", [1, None, "\ud800"])
    def test_refuses_any_other_key(self, key):
        with pytest.raises(InvalidArgumentError, match="a metadata key must be a string"):
            freeze_metadata({key: "a"})

    @pytest.mark.parametrize("metadata", ["text", [("a", 1)], None, 3])
    def test_refuses_what_is_no_mapping(self, metadata):
        with pytest.raises(InvalidArgumentError, match="metadata must be a mapping, got"):
            freeze_metadata(metadata)

    def test_a_long_value_is_shown_in_part(self):
        with pytest.raises(InvalidArgumentError, match="must be") as caught:
            freeze_metadata({"a": {"b": "x" * 9999}})
        assert len(str(caught.value)) < 300

    @given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())))
    def test_any_good_metadata_stay_as_they_are(self, metadata):
        assert dict(freeze_metadata(metadata)) == metadata
