"""The retrievers of an index: chosen by the caller or by how the index was made, and attached to it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ...loaders.chunking import CountTokens, default_count_tokens
from ...retrievers.indexed import close_files
from ...retrievers.retriever import Encoder, Retriever, TokenEncoder
from ...retrievers.store import Index, IndexConfig, Writer
from .encoding import check_spaces
from .setup import (
    RetrieverChoice,
    check_chunking,
    choose_retrievers,
    indexed,
    make_chunker,
    make_config,
    move_stores,
)

__all__ = ["RetrieverSet"]


class RetrieverSet:
    """Opens the retrievers of an index when they are first asked for, and anew when it is made otherwise.

    Threads may share a set.

    Args:
        index: The index.
        chosen: Names or objects of the caller; None for those that the index was made with, or the defaults.
        chunk_size: What the caller asks for; None for as the index was made.
        chunk_overlap: Likewise.
    """

    def __init__(
        self,
        index: Index,
        chosen: Sequence[RetrieverChoice] | None = None,
        *,
        chunk_size: int | None = None,
        chunk_overlap: int | None = None,
    ) -> None:
        self._index = index
        self._chosen = chosen
        self._chunk_size = chunk_size
        self._chunk_overlap = chunk_overlap
        self._opened: tuple[IndexConfig | None, list[Retriever]] | None = None
        self._lock = threading.RLock()

    def of(self, config: IndexConfig | None) -> list[Retriever]:
        """Returns the retrievers for an index that was made so; chosen anew when it is another than the last time.

        Raises:
            IndexConfigError: The index was made with other retrievers than those chosen.
            InvalidArgumentError: There is no retriever of a name that was chosen.
        """
        with self._lock:
            if self._opened is None or self._opened[0] != config:
                chosen = choose_retrievers(self._chosen, config)
                for retriever in indexed(chosen):
                    retriever.attach(self._index)
                self._opened = config, chosen
            return self._opened[1]

    def now(self) -> list[Retriever]:
        """Returns the retrievers for the index as it is, in the order of their fusion."""
        if not self._index.exists():
            return self.of(None)
        with self._index.read() as snapshot:
            return self.of(snapshot.config())

    def settle(self, writer: Writer) -> tuple[IndexConfig, list[Retriever]]:
        """Returns how the index is made, as remembered and checked, or now for a new one, and the retrievers for it.

        Raises:
            IndexConfigError: The index was made with other retrievers or chunks than are asked for, or with another
                model than one of another name (`EncoderMismatchError`).
            ModelNotFoundError: There is no model of a name that the index does not know.
        """
        config = writer.config()
        retrievers = self.of(config)
        if config is not None:
            check_chunking(config, self._chunk_size, self._chunk_overlap)
            made = {it.name: it.settings.get("model") for it in config.retrievers}
            renamed = [it for it in indexed(retrievers) if it.settings.get("model") != made.get(it.name)]
            check_spaces(writer, renamed)  # what has the same name is checked when it first encodes
            moved = move_stores(config, retrievers)
            if moved != config:
                writer.set_config(moved)
            return moved, retrievers
        config = make_config(retrievers, self._chunk_size, self._chunk_overlap)
        make_chunker(retrievers, config)
        writer.set_config(config)
        with self._lock:
            self._opened = config, list(retrievers)
        return config, retrievers

    def encoder(self) -> Encoder | None:
        """Returns the first encoder of one vector a text, which also judges how near an answer is to its passage."""
        encoders = (it.encoder for it in indexed(self.now()))
        return next((it for it in encoders if it is not None and not isinstance(it, TokenEncoder)), None)

    def count_tokens(self) -> CountTokens:
        """Returns what counts tokens as that encoder does."""
        encoder = self.encoder()
        return default_count_tokens if encoder is None else encoder.count_tokens

    def close(self) -> None:
        """Lets go of files, and of the models of retrievers that were named; an object keeps what it has loaded."""
        with self._lock:
            opened, self._opened = self._opened, None
        close_files(opened[1] if opened else ())
