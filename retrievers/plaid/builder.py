"""colbert-ai's indexer, fed with the vectors that the index has: no text is encoded and no checkpoint is loaded."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...extras import require
from ..models.colbert.cures import import_ragatouille
from .texts import IndexedTexts

if TYPE_CHECKING:
    import torch

__all__ = ["write_plaid"]

SEED = 12345  # colbert-ai's own
KMEANS_ROUNDS = 4  # colbert-ai's own, and PLAID's
FILE_TOKENS = 1 << 14  # vectors in one file: their products with all centroids are in memory at once, 0.5 GB at 8,192
DECODED_TEXTS = 1_024  # at a time: 100 MB as float32
MOST_FILES = 256  # ... but a large index has larger files, and not thousands of them


def write_plaid(folder: Path, texts: IndexedTexts, dim: int, bits: int) -> None:
    """Fills a folder with a PLAID index of every text that has tokens, in the order of their numbers.

    It is built by colbert-ai's `CollectionIndexer` as RAGatouille's `PLAIDModelIndex` runs it with `use_faiss=True`:
    in this process, with the k-means of faiss. (RAGatouille's other k-means holds two matrices of all tokens by all
    centroids: 9 GB for Cranfield.) Three things differ. The vectors are the stored ones, decoded. The bits are the
    caller's, where RAGatouille takes 4 below 10,000 passages and 2 above. And k-means takes colbert-ai's own 4 rounds,
    where RAGatouille takes 20 below 50,000.

    It prints, and sets the seeds of the process: call it in one of its own.

    Args:
        folder: An empty folder.
        texts: What to index.
        dim: Length of a vector.
        bits: Of each dimension.

    Source:
        Santhanam et al. 2022, PLAID (arXiv:2205.09707), section 4; ColBERTv2 (arXiv:2112.01488), section 3.3, for the
        compression.
    """
    import_ragatouille()
    import torch

    random.seed(SEED)
    torch.manual_seed(SEED)
    indexer = _indexer(folder, texts, dim, bits)
    indexer.run([[]])


def _indexer(folder: Path, texts: IndexedTexts, dim: int, bits: int) -> Any:  # noqa: ANN401 (a class without types)
    """Returns a CollectionIndexer. Its constructor would load a checkpoint, so each attribute is set here instead."""
    indexing = require("colbert.indexing.collection_indexer", extra="colbert")
    config = require("colbert.infra", extra="colbert").ColBERTConfig(
        index_path=str(folder),
        dim=dim,
        nbits=bits,
        kmeans_niters=KMEANS_ROUNDS,
        avoid_fork_if_possible=True,
        rank=0,
        nranks=1,
        root="",
        name="lateral",
    )
    indexer = indexing.CollectionIndexer.__new__(indexing.CollectionIndexer)
    indexer.verbose = 1
    indexer.config = config
    indexer.rank, indexer.nranks, indexer.use_gpu = 0, 1, False
    indexer.collection = _Passages(texts)
    indexer.checkpoint = None
    indexer.encoder = _StoredVectors(texts, dim)
    indexer.saver = indexing.IndexSaver(config)
    kmeans = require("ragatouille.models.index", extra="colbert").PLAIDModelIndex.faiss_kmeans
    indexer._train_kmeans = lambda sample, shared: kmeans(indexer, sample, shared)
    return indexer


class _Passages:
    """What colbert-ai calls a collection: here the places of the texts, which stand for them."""

    def __init__(self, texts: IndexedTexts) -> None:
        self._count = len(texts.filled)
        tokens = max(FILE_TOKENS, texts.tokens // MOST_FILES)
        self._file = max(1, tokens * self._count // max(1, texts.tokens))

    def __len__(self) -> int:
        return self._count

    def get_chunksize(self) -> int:
        """Returns how many passages a file holds."""
        return self._file

    def enumerate(self, rank: int) -> Iterator[tuple[int, int]]:
        """Yields each passage with its number, which are the same here."""
        return ((number, number) for number in range(self._count))

    def enumerate_batches(self, rank: int) -> Iterator[tuple[int, int, range]]:
        """Yields the passages of each file, with the file's number and the first passage's."""
        for file, first in enumerate(range(0, self._count, self._file)):
            yield file, first, range(first, min(first + self._file, self._count))


class _StoredVectors:
    """What colbert-ai calls an encoder: it looks up the vectors that the index holds."""

    def __init__(self, texts: IndexedTexts, dim: int) -> None:
        self._texts = texts
        self._dim = dim

    def encode_passages(self, passages: Sequence[int]) -> tuple[torch.Tensor, list[int]]:
        """Returns the vectors of passages, one behind the other, and how many each has.

        A sample for k-means, which comes as a list, is halves already: it is kept as halves, and may be large.
        """
        import torch

        numbers = self._texts.filled[np.asarray(passages, np.int64)]
        counts = self._texts.search.counts[numbers]
        dtype = np.float32 if isinstance(passages, range) else np.float16
        vectors: NDArray[Any] = np.empty((int(counts.sum()), self._dim), dtype)
        end = 0
        for start in range(0, len(numbers), DECODED_TEXTS):
            part = self._texts.search.tokens(numbers[start : start + DECODED_TEXTS])
            vectors[end : end + len(part)] = part
            end += len(part)
        return torch.from_numpy(vectors), counts.tolist()
