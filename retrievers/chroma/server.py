"""A Chroma server, spoken to over its HTTP interface: every call has a deadline, and no library is loaded for it.

chromadb's own client waits for ever (`httpx.Client(timeout=None)` in 1.5.9), and takes half a second to import.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgumentError
from .collection import SPACE, ChromaFailed, ChromaUnavailable

__all__ = ["ChromaServer", "ServerCollection"]

ADDRESS = re.compile(r"chroma://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})/?")
COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"
READ_SECONDS = 3.0  # for a search: exact search answers then
WRITE_SECONDS = 120.0  # for a batch: 60 times what it takes
PAGE = 1_000  # collections
ID_PAGE = 20_000  # ids, 0.7 MB
NEVER_SYNCED = 1_000_000  # a server that is killed while it writes its graph never opens the collection again
MAX_ANSWER_BYTES = 1 << 26
REASON_CHARS = 200


class ChromaServer:
    """A server at an address such as "chroma://localhost:8000": plain HTTP, the default tenant and database.

    Args:
        address: Host and port.

    Raises:
        InvalidArgumentError: The address has another form.
    """

    def __init__(self, address: str) -> None:
        match = ADDRESS.fullmatch(address)
        if match is None or not 0 < int(match["port"]) < 65_536:
            raise InvalidArgumentError(f"a Chroma server is named chroma://host:port, got {address!r:.80}")
        self.address = address.removesuffix("/")
        self._host, self._port = match["host"].strip("[]"), int(match["port"])

    def create(self, name: str) -> ServerCollection:
        """Makes an empty collection."""
        space = {"hnsw": {**SPACE, "sync_threshold": NEVER_SYNCED}}
        made = self.call("POST", COLLECTIONS, {"name": name, "configuration": space}, seconds=WRITE_SECONDS)
        return ServerCollection(self, _text(_at(made, "id")))

    def find(self, name: str) -> ServerCollection:
        """Returns the collection of this name."""
        return ServerCollection(self, _text(_at(self.call("GET", f"{COLLECTIONS}/{quote(name)}"), "id")))

    def names(self, prefix: str) -> list[str]:
        """Returns the names of the collections that begin so."""
        found: list[str] = []
        while True:
            path = f"{COLLECTIONS}?limit={PAGE}&offset={len(found)}"
            page = [_text(_at(it, "name")) for it in _list(self.call("GET", path, seconds=WRITE_SECONDS))]
            fresh = set(page).difference(found)
            found += page
            if len(page) < PAGE or not fresh:
                return [name for name in found if name.startswith(prefix)]

    def delete(self, name: str) -> None:
        """Deletes the collection of this name."""
        self.call("DELETE", f"{COLLECTIONS}/{quote(name)}", seconds=WRITE_SECONDS)

    def max_rows(self) -> int:
        """Returns how many vectors it takes at once."""
        return max(1, _number(_at(self.call("GET", "/api/v2/pre-flight-checks"), "max_batch_size")))

    def call(self, method: str, path: str, body: object = None, *, seconds: float = READ_SECONDS) -> object:
        """Returns what the server answers.

        Args:
            method: Of HTTP.
            path: With its query.
            body: What is sent, as JSON; None for nothing.
            seconds: How long to wait for a connection, and then for the whole answer.

        Raises:
            ChromaUnavailable: It can't be reached, is too slow, or is no Chroma server. So do all the others.
            ChromaFailed: It refuses. So do all the others.
        """
        connection = http.client.HTTPConnection(self._host, self._port, timeout=seconds)
        sent = None if body is None else json.dumps(body)
        try:
            connection.connect()
            with _deadline(connection.sock, seconds):
                connection.request(method, path, sent, {"Content-Type": "application/json"})
                response = connection.getresponse()
                raw = response.read(MAX_ANSWER_BYTES)
            if response.status >= http.client.BAD_REQUEST:
                raise ChromaFailed(
                    f"{self.address} answers {response.status}: {raw[:REASON_CHARS].decode(errors='replace')}"
                )
            answer: object = json.loads(raw)
            return answer
        except (OSError, http.client.HTTPException, ValueError) as err:
            raise ChromaUnavailable(f"{self.address} can't be asked: {type(err).__name__}: {err}") from err
        finally:
            connection.close()


class ServerCollection:
    """A collection on a server.

    Args:
        server: Which.
        identity: The collection's id there.
    """

    def __init__(self, server: ChromaServer, identity: str) -> None:
        self._server = server
        self._place = f"{COLLECTIONS}/{quote(identity, safe='')}"

    def add(self, ids: list[str], vectors: NDArray[np.float32]) -> None:
        """Puts in vectors: float32, shape (len(ids), dim), at most `max_rows` of the server."""
        rows = {"ids": ids, "embeddings": vectors.tolist()}
        self._server.call("POST", f"{self._place}/add", rows, seconds=WRITE_SECONDS)

    def count(self) -> int:
        """Returns how many vectors it holds."""
        return _number(self._server.call("GET", f"{self._place}/count"))

    def nearest(self, query: NDArray[np.float32], number: int) -> tuple[list[str], list[float]]:
        """Returns the ids of about the nearest vectors and their cosine distances, the nearest first."""
        asked = {"query_embeddings": [query.tolist()], "n_results": number, "include": ["distances"]}
        answer = self._server.call("POST", f"{self._place}/query", asked)
        ids, distances = (_list(_at(_list(_at(answer, key)), 0)) for key in ("ids", "distances"))
        return [_text(it) for it in ids], [_distance(it) for it in distances]

    def ids(self, count: int, *, page: int = ID_PAGE) -> list[str]:
        """Returns the ids of the first so many vectors, asked for without the vectors, a page at a time."""
        found: list[str] = []
        for start in range(0, count, page):
            asked = {"include": [], "limit": min(page, count - start), "offset": start}
            answer = self._server.call("POST", f"{self._place}/get", asked, seconds=WRITE_SECONDS)
            found += [_text(it) for it in _list(_at(answer, "ids"))]
        return found


@contextmanager
def _deadline(connected: socket.socket, seconds: float) -> Iterator[None]:
    """Ends a connection that is in use for longer: the timeout of a socket is for each piece that comes in."""

    def end() -> None:
        with suppress(OSError):  # it is closed already
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _at(answer: object, key: str | int) -> object:
    """Returns a part of an answer.

    Raises:
        ChromaUnavailable: It has no such part: something else answers there. So do the next four.
    """
    try:
        return answer[key]  # type: ignore[index]
    except (LookupError, TypeError) as err:
        raise ChromaUnavailable(f"the server's answer has no {key!r}: {answer!r:.80}") from err


def _text(answer: object) -> str:
    if not isinstance(answer, str):
        raise ChromaUnavailable(f"the server answers {answer!r:.80} in place of a text")
    return answer


def _number(answer: object) -> int:
    if not isinstance(answer, int) or answer < 0:
        raise ChromaUnavailable(f"the server answers {answer!r:.80} in place of a number")
    return answer


def _distance(answer: object) -> float:
    if not isinstance(answer, int | float):
        raise ChromaUnavailable(f"the server answers {answer!r:.80} in place of a distance")
    return float(answer)


def _list(answer: object) -> list[object]:
    if not isinstance(answer, list):
        raise ChromaUnavailable(f"the server answers {answer!r:.80} in place of a list")
    return answer
