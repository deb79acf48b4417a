from lateral.errors import ChangedDocumentError, CorruptDocumentError
from lateral.loaders.failure import error_of, failure_of
from lateral.loaders.node import LoadFailure


def test_a_failure_says_the_class_the_reason_and_the_page():
    err = CorruptDocumentError("broken", source="another", page=3)
    assert failure_of(err, "/a.pdf") == LoadFailure("/a.pdf", 3, "CorruptDocumentError", "broken")


def test_it_is_that_error_again():
    failure = LoadFailure("/a.pdf", 3, "CorruptDocumentError", "broken")
    error = error_of(failure)
    assert type(error) is CorruptDocumentError
    assert failure_of(error, error.source) == failure


def test_what_the_system_said_is_an_unreadable_file():
    error = error_of(LoadFailure("/a.pdf", None, "PermissionError", "can't be read: Permission denied"))
    assert (type(error), str(error)) == (ChangedDocumentError, "can't be read: Permission denied")
