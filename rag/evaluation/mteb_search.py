"""The pipeline as a model of mteb: its retrieval and reranking tasks run on a configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...errors import InvalidArgumentError
from ...extras import require
from ...loaders.text import clean
from ..pipeline import RAG
from .configuration import Configuration
from .measures import as_run
from .searching import search_with

__all__ = ["MtebSearch"]

REVISION_CHARS = 12  # of a hash that tells configurations apart, since mteb keeps results by name and revision


class MtebSearch:
    """A configuration with the methods of mteb's `SearchProtocol`, for `mteb.evaluate(MtebSearch(...), tasks)`.

    Each task's corpus gets an index of its own in a temporary folder. Text is read, title first; a document scores by
    the rank of its best chunk, so that mteb keeps our order. Reranking tasks search among their candidates alone.

    Args:
        configuration: What is evaluated; None for the product's defaults. Its top_k is mteb's.
    """

    def __init__(self, configuration: Configuration | None = None) -> None:
        self._configuration = configuration or Configuration()
        self._rag: RAG | None = None
        self._folder: TemporaryDirectory[str] | None = None

    @property
    def mteb_model_meta(self) -> Any:  # noqa: ANN401 - mteb's ModelMeta
        """What mteb's results are kept under: "lateral/" and the retrievers; the revision tells settings apart.

        Raises:
            MissingExtraError: mteb is not installed.
        """
        meta: Any = require("mteb.models.model_meta", extra="mteb").ModelMeta
        settings = json.dumps(self._configuration.as_dict(), sort_keys=True)
        digest = hashlib.sha256(settings.encode()).hexdigest()[:REVISION_CHARS]
        name = "+".join(self._configuration.retrievers or ("default",))
        return meta.create_empty({"name": f"lateral/{name}", "revision": f"{version('lateral')}-{digest}"})

    def index(self, corpus: Iterable[Mapping[str, Any]], **task: object) -> None:
        """Indexes a corpus in place of the one before.

        Args:
            corpus: Rows with an id, a text and, if any, a title.
            task: What mteb says about the task; not needed.

        Raises:
            InvalidArgumentError: A row has no text, or not one row has any.
        """
        self.close()
        self._folder = TemporaryDirectory(prefix="lateral-mteb-")
        self._rag = self._configuration.open(Path(self._folder.name) / "index")
        texts = ((str(row["id"]), f"{row.get('title') or ''} {_text(row)}".strip()) for row in corpus)
        documents = [{"id": document, "text": text} for document, text in texts if clean(text).strip()]
        if not documents:
            raise InvalidArgumentError("the corpus holds no document with text")
        self._rag.add(documents)

    def search(
        self,
        queries: Iterable[Mapping[str, Any]],
        *,
        top_k: int,
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        **task: object,
    ) -> dict[str, dict[str, float]]:
        """Returns for each query's id the documents found, with scores that fall from rank to rank.

        Args:
            queries: Rows with an id, a text and, if any, an instruction, which is put behind the text.
            top_k: How many chunks each query is asked for, and so how many documents at most.
            top_ranked: For each query's id the documents to search among; None for all.
            task: What mteb says about the task; not needed.

        Raises:
            InvalidArgumentError: Nothing is indexed yet, or a query is no text.
        """
        if self._rag is None:
            raise InvalidArgumentError("nothing is indexed yet: call index(corpus) first")
        search = search_with(self._configuration, self._rag)
        rankings: dict[str, list[str]] = {}
        for row in queries:
            query, text = str(row["id"]), f"{_text(row)} {row.get('instruction') or ''}".strip()
            allowed = None if top_ranked is None else {"source": {"$in": list(top_ranked.get(query, ()))}}
            hits = search(text, top_k, allowed) if allowed is None or allowed["source"]["$in"] else []
            rankings[query] = list(dict.fromkeys(hit.node.source for hit in hits))
        return as_run(rankings)

    def close(self) -> None:
        """Removes the index."""
        if self._rag is not None:
            self._rag.close()
        if self._folder is not None:
            self._folder.cleanup()
        self._rag = self._folder = None


def _text(row: Mapping[str, Any]) -> str:
    text = row.get("text")
    if not isinstance(text, str):
        raise InvalidArgumentError(
            f"{row.get('id')!r:.60}: expected a text, got {text!r:.60}: tasks of images, sound or dialogue can't be run"
        )
    return text
