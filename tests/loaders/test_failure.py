from lateral.errors import CorruptDocumentError
from lateral.loaders.failure import failure_of
from lateral.loaders.node import LoadFailure


def test_a_failure_says_the_class_the_reason_and_the_page():
    err = CorruptDocumentError("broken", source="another", page=3)
    assert failure_of(err, "/a.pdf") == LoadFailure("/a.pdf", 3, "CorruptDocumentError", "broken")
