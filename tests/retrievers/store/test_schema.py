"""Whose error it is while the index is open: the catalog's is named so, another one's passes through."""

import json
import sqlite3
from types import SimpleNamespace

import pytest
from builders import make_document, put
from lateral.errors import IndexCorruptError, IndexNotFoundError
from lateral.retrievers.store import Index, schema
from lateral.retrievers.store.schema import CATALOG, connect_reader, connect_writer


def answer_of_a_proxy():
    return json.loads("<html>Bad gateway</html>")


def text_of_another_encoding():
    return b"caf\xe9".decode()


def entry_of_another_database():
    with sqlite3.connect(":memory:") as database:
        return database.execute("SELECT vector FROM cache").fetchone()


def read_all(index):
    with index.write() as writer:
        writer.identity()
    with index.read() as snapshot:
        list(snapshot.chunks())


@pytest.fixture
def index(tmp_path):
    index = Index(tmp_path / "index")
    with index.write() as writer:
        put(writer, [make_document("a", "words")])
    return index


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        (answer_of_a_proxy, json.JSONDecodeError, "Expecting value"),
        (text_of_another_encoding, UnicodeDecodeError, "can't decode byte 0xe9"),
        (entry_of_another_database, sqlite3.OperationalError, "no such table: cache"),
    ],
)
@pytest.mark.parametrize("opened", [Index.read, Index.write])
def test_an_error_of_an_encoder_is_not_the_catalogs(index, opened, broken, error, message):
    with pytest.raises(error, match=message), opened(index):
        broken()


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("meta WHERE key = 'identity'", "value", "no JSON"),
        ("nodes", "metadata", "no JSON"),
        ("nodes", "text", b"caf\xe9"),
    ],
)
def test_an_error_of_the_catalog_is_named_so(index, table, column, value):
    name, _, condition = table.partition(" ")
    with sqlite3.connect(index.folder / CATALOG) as database:
        database.execute(f"UPDATE {name} SET {column} = CAST(? AS TEXT) {condition}", (value,))
    database.close()
    with pytest.raises(IndexCorruptError, match=f"{CATALOG}' is damaged"):
        read_all(index)


class AmidLayout:
    """A reader's connection: while it looks at the first of the catalog's marks, the first writer lays it out."""

    def __init__(self, connection, lay_out):
        self._connection = connection
        self._lay_out = lay_out

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, statement, *values):
        found = self._connection.execute(statement, *values)
        if statement != "PRAGMA application_id":
            return found
        row = found.fetchone()
        found.close()
        self._lay_out()
        return SimpleNamespace(fetchone=lambda: row)


def test_a_reader_that_meets_the_first_writer_amid_the_layout_finds_no_index_or_a_whole_one(tmp_path, monkeypatch):
    writer = sqlite3.connect(tmp_path / CATALOG, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")  # as the first writer does before it lays out
    connected = schema._connect
    monkeypatch.setattr(schema, "_connect", lambda *its: AmidLayout(connected(*its), lambda: schema._lay_out(writer)))
    with pytest.raises(IndexNotFoundError, match="is empty: add documents"):
        connect_reader(tmp_path)
    monkeypatch.undo()
    writer.close()
    connect_reader(tmp_path).close()
    connect_writer(tmp_path).close()
