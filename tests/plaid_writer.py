"""Replaces every document of an index that PLAID searches, again and again, until it is killed.

Run by retrievers/plaid/test_kill.py. Arguments: the index, the checkpoint and the first version. It prints
"committed VERSION" when a version has been committed, and "refreshed VERSION" when PLAID has been built of it.
"""

import os
import sys

from plaid_passages import COUNT, colbert_encoder, documents, open_rag, passages


def main():
    """Adds new versions for ever."""
    index, checkpoint, version = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rag = open_rag(index, colbert_encoder(checkpoint), index="plaid")
    texts = passages()
    for number in range(version, version + 1_000):
        told = []

        def tell(progress, number=number, told=told):
            if progress.done == COUNT and not told:
                told.append(number)
                os.write(1, f"committed {number}\n".encode())

        rag.add((it for it in documents(texts, f"version {number}")), on_progress=tell)
        os.write(1, f"refreshed {number}\n".encode())


if __name__ == "__main__":
    main()
