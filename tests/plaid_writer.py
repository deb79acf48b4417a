"""Replaces every document of an index that PLAID searches, again and again, until it is killed.

Run by retrievers/plaid/test_kill.py. Arguments: the index, the checkpoint and the first version.
"""

import sys

from plaid_passages import COUNT, colbert_encoder, documents, open_rag, passages
from version_writer import add_versions

if __name__ == "__main__":
    index, checkpoint, first = sys.argv[1:]
    texts = passages()
    rag = open_rag(index, colbert_encoder(checkpoint), index="plaid")
    add_versions(rag, lambda version: iter(documents(texts, f"version {version}")), first=int(first), count=COUNT)
