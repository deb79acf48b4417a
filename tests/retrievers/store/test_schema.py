"""Whose error it is while the index is open: the catalog's is named so, another one's passes through."""

import json
import sqlite3

import pytest
from builders import make_document, put
from lateral.errors import IndexCorruptError
from lateral.retrievers.store import Index
from lateral.retrievers.store.schema import CATALOG


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
