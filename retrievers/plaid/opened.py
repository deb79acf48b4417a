"""A generation of PLAID, opened: a query's token vectors in, the likeliest texts out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MissingExtraError, MissingToolError
from ...extras import require
from ..models.colbert.cures import import_ragatouille, opening_indexes
from ..models.cures import cure_forks
from .generation import STORE, Generation, PlaidFailed
from .toolchain import compiling

if TYPE_CHECKING:
    import torch

__all__ = ["OpenedPlaid"]

LOOKED_OVER = 4  # texts whose centroids are compared for each that is decompressed: colbert-ai's own ratio
LEAST_NUMBER = 256  # texts that are decompressed at least: RAGatouille's 1,024 compared
# How many centroids a query token is compared with, and how near one must be: RAGatouille's, by the number of texts.
PROBES = ((10_000, 8, 0.4), (100_000, 4, 0.45))
MANY_PROBES = (16, 0.45)


class OpenedPlaid:
    """colbert-ai's `IndexScorer` over a generation, on the CPU. It loads no checkpoint. Threads may share it.

    Args:
        generation: One whose files are as they were published.

    Raises:
        PlaidFailed: It can't be opened; the message says why.
    """

    def __init__(self, generation: Generation) -> None:
        try:
            self._scorer = _open(generation)
        except (MissingExtraError, MissingToolError) as err:
            raise PlaidFailed(str(err)) from err
        except Exception as err:  # whatever torch and colbert-ai raise for a file, or a compiler for them
            raise PlaidFailed(f"it can't be opened: {type(err).__name__}: {str(err)[-300:]}") from err
        self._probes, self._threshold = _probing(generation.manifest.texts)
        if not np.isfinite(self._scorer.codec.centroids.numpy()).all():
            raise PlaidFailed("its centroids are not finite")

    def candidates(self, query: NDArray[np.float32], number: int, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Returns the places of the likeliest texts, by the score of their decompressed vectors, the best first.

        Args:
            query: float32, shape (query tokens, dim), rows L2-normalised.
            number: How many at most.
            allowed: bool, shape (texts,): which may be returned. It is looked at before any other is dropped.

        Source:
            Santhanam et al. 2022, PLAID, section 4.1, figure 5: candidate generation, centroid pruning, centroid
            interaction, decompression.
        """
        import torch

        mask = torch.from_numpy(allowed)

        def keep(places: torch.Tensor) -> torch.Tensor:
            return places[mask[places.long()]]

        config = require("colbert.infra", extra="colbert").ColBERTConfig(
            ncells=min(self._probes, len(self._scorer.codec.centroids)),
            centroid_score_threshold=self._threshold,
            ndocs=LOOKED_OVER * max(number, LEAST_NUMBER),
            query_maxlen=len(query),
        )
        config.total_visible_gpus = 0
        asked = torch.from_numpy(np.array(query, np.float32))[None]
        places, _ = self._scorer.rank(config, asked, filter_fn=keep)
        return np.array(places[:number], np.int64)


def _open(generation: Generation) -> Any:  # noqa: ANN401 (a class without types)
    import_ragatouille()
    cure_forks()
    import torch

    folder = generation.folder / STORE
    for path in sorted(folder.glob("*.pt")):
        # Nothing but tensors may be in it, whatever the catalog says of its hash: nothing runs that a pickle names.
        torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    with opening_indexes(), compiling():
        require("colbert.modeling.colbert", extra="colbert").ColBERT.try_load_torch_extensions(False)
        return require("colbert.search.index_storage", extra="colbert").IndexScorer(str(folder), use_gpu=False)


def _probing(texts: int) -> tuple[int, float]:
    return next(((probes, least) for below, probes, least in PROBES if texts < below), MANY_PROBES)
