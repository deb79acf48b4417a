"""Writers that tests kill: a new version of every document, again and again, and what they said of it."""

import os
from itertools import pairwise

VERSIONS = 1_000  # more than a writer lives to see


def add_versions(rag, documents_of, *, first, count):
    """Adds version after version, and tells by lines on stdout how far each has come.

    Prints "committed VERSION" when a version has been committed, and "refreshed VERSION" when what is derived from it
    has been brought up to date too.

    Args:
        rag: What is written to.
        documents_of: Gives the documents of a version, one by one.
        first: The first version.
        count: How many documents a version has.
    """
    for version in range(first, first + VERSIONS):
        told = []

        def tell(progress, version=version, told=told):
            if progress.done == count and not told:
                told.append(version)
                os.write(1, f"committed {version}\n".encode())

        rag.add(documents_of(version), on_progress=tell)
        os.write(1, f"refreshed {version}\n".encode())


def last_committed(output):
    """The last version of which a writer said that it is committed."""
    words = output.decode().split()
    return max(int(version) for said, version in pairwise(words) if said == "committed")
