import shutil
import sqlite3
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from builders import EMBEDDER, make_document, put, vectors_of
from lateral.errors import (
    IndexCorruptError,
    IndexLockedError,
    IndexNotFoundError,
    IndexVersionError,
    StoreError,
)
from lateral.loaders.indexed_text import indexed_text
from lateral.retrievers.bm25 import BM25Retriever
from lateral.retrievers.store import Index, hash_text
from lateral.retrievers.store.schema import SCHEMA_VERSION
from lateral.retrievers.store.verify import find_problems


@pytest.fixture
def index(tmp_path):
    return Index(tmp_path / "index")


def filled(index, count=3):
    documents = [make_document(f"doc-{number}", f"the text of document number {number}") for number in range(count)]
    with index.write() as writer:
        put(writer, documents)
    return documents


def test_reading_an_index_that_is_not_there_says_so(index):
    with pytest.raises(IndexNotFoundError, match="no index at"), index.read():
        pass
    assert not index.folder.exists(), "a reader must not make anything"


def test_a_folder_that_no_system_can_have_is_no_index():
    with pytest.raises(IndexNotFoundError, match="no index at"), Index("a\0b").read():
        pass


def test_a_catalog_that_lists_a_chunk_twice_is_named(index):
    filled(index)
    with closing(sqlite3.connect(index.folder / "catalog.sqlite")) as catalog, catalog:
        catalog.execute("CREATE TABLE loose AS SELECT * FROM nodes")
        catalog.execute("INSERT INTO loose SELECT * FROM nodes LIMIT 1")
        catalog.execute("DROP TABLE nodes")
        catalog.execute("ALTER TABLE loose RENAME TO nodes")
    with index.read() as snapshot, pytest.raises(IndexCorruptError, match="lists its chunks out of order"):
        snapshot.chunk_ids()


def test_committed_nodes_come_back_equal_in_every_field(index):
    documents = filled(index)
    with index.read() as snapshot:
        for _, nodes in documents:
            (read,) = snapshot.nodes([nodes[0].id])
            written = nodes[0]
            for field in ("id", "document_id", "source", "page", "kind", "text", "start_char", "end_char"):
                assert getattr(read, field) == getattr(written, field)
            assert dict(read.metadata) == dict(written.metadata)


def test_vectors_come_back_in_the_order_of_chunk_ids(index):
    documents = filled(index, 5)
    by_id = {node.id: node for _, nodes in documents for node in nodes}
    with index.read() as snapshot:
        ids = [raw.decode() for raw in snapshot.chunk_ids()]
        assert ids == sorted(by_id)
        matrix = np.empty((len(ids), 16), np.float32)
        for vectors, rows, _, positions, _ in snapshot.vectors(EMBEDDER.space):
            matrix[positions] = vectors.decode(rows)
    expected = EMBEDDER.encode_documents([indexed_text(by_id[node_id]) for node_id in ids])
    np.testing.assert_array_equal(matrix, expected)


def test_an_updated_document_replaces_all_its_nodes_and_frees_its_vectors(index):
    filled(index)
    with index.write() as writer:
        put(writer, [make_document("doc-1", "entirely other words stand here")])
    with index.read() as snapshot:
        texts = [node.text for node in snapshot.chunks()]
        assert "entirely other words stand here" in texts
        assert "the text of document number 1" not in texts
        assert snapshot.count("FROM vectors") == snapshot.count("FROM nodes") == 3


def test_equal_texts_share_one_vector_until_the_last_of_them_is_removed(index):
    first, second = make_document("a", "the same words"), make_document("b", "the same words")
    with index.write() as writer:
        put(writer, [first, second])
    with index.read() as snapshot:
        assert snapshot.count("FROM vectors") == 1
        assert len(snapshot.chunk_ids()) == 2
    with index.write() as writer:
        assert writer.remove([first[0].id]) == 1
    with index.read() as snapshot:
        assert snapshot.count("FROM vectors") == 1
        assert [node.source for node in snapshot.chunks()] == ["b"]
        assert len(snapshot.vectors(EMBEDDER.space)) == 1
    with index.write() as writer:
        writer.remove([second[0].id])
    with index.read() as snapshot:
        assert snapshot.count("FROM vectors") == 0


def test_the_index_knows_which_texts_it_holds_vectors_of(index):
    filled(index)
    held = hash_text("the text of document number 0")
    with index.write() as writer:
        assert writer.known_vectors(EMBEDDER.space, [held, hash_text("unseen")] * 600) == {held}


def test_a_reader_keeps_its_view_while_a_writer_commits(index):
    filled(index)
    with index.read() as snapshot:
        before = [node.text for node in snapshot.chunks()]
        other = threading.Thread(target=lambda: _add(index.folder, "late", "words that came later"))
        other.start()
        other.join()
        assert [node.text for node in snapshot.chunks()] == before
        assert snapshot.count("FROM documents") == 3
    with index.read() as snapshot:
        assert snapshot.count("FROM documents") == 4
        assert len(snapshot.chunk_ids()) == 4


def _add(folder, source, text):
    with Index(folder).write() as writer:
        put(writer, [make_document(source, text)])


def test_nested_reads_share_one_view(index):
    filled(index)
    with index.read() as outer:
        _add(index.folder, "late", "words that came later")
        with index.read() as inner:
            assert inner is outer
            assert inner.count("FROM documents") == 3


def test_a_write_inside_a_read_reads_what_it_commits_and_the_read_keeps_its_view(index):
    filled(index, 2)
    bm25 = BM25Retriever()
    bm25.attach(index)
    with index.read() as outer:
        with index.write() as writer:
            put(writer, [make_document("doc-0", "sourdough")])
            bm25.refresh(writer)
            with index.read() as inner:
                assert inner.generation == outer.generation + 1
        with index.read() as nested:
            assert nested is outer
        assert [hit.node.text for hit in bm25.retrieve("text", 5)] == [
            f"the text of document number {at}" for at in "01"
        ]
    assert [hit.node.text for hit in bm25.retrieve("sourdough text", 5)] == [
        "sourdough",
        "the text of document number 1",
    ]
    assert [hit.node.text for hit in bm25.retrieve("text", 5)] == ["the text of document number 1"]


def test_a_failed_commit_leaves_nothing_behind(index):
    filled(index)
    good, bad = make_document("good", "good words"), make_document("bad", "bad words")
    with index.write() as writer, pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        writer.commit([good, (bad[0], [*bad[1], *bad[1]])], [vectors_of(good[1])])
    with index.read() as snapshot:
        assert snapshot.count("FROM documents") == 3
        assert snapshot.count("FROM vectors") == 3
    with index.write() as writer:
        assert writer.remove_leftovers() == [], "opening the writer has removed the orphaned segment"
    assert len(list((index.folder / "vectors").iterdir())) == 1


def test_a_second_writer_is_refused_at_once_with_the_holders_pid(index):
    filled(index)
    code = (
        "import sys\nfrom lateral.retrievers.store import Index\n"
        "with Index(sys.argv[1]).write():\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(index.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(IndexLockedError, match=f"process {holder.pid} is writing"), index.write():
        pass
    with index.read() as snapshot:
        assert snapshot.count("FROM documents") == 3, "readers go on"
    holder.kill()
    holder.communicate()
    with index.write() as writer:
        assert writer.config() is None, "a dead writer's lock is free"


def test_two_writers_in_one_process_exclude_each_other(index):
    with index.write(), pytest.raises(IndexLockedError, match="thread of this process"), Index(index.folder).write():
        pass


def test_a_folder_with_other_files_is_not_made_an_index(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match=r"holds other files \(such as 'thesis.txt'\)"), Index(tmp_path).write():
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_a_writer_killed_at_birth_leaves_is_no_obstacle(index):
    index.folder.mkdir()
    (index.folder / "write.lock").touch()
    (index.folder / "catalog.sqlite").touch()
    with pytest.raises(IndexNotFoundError, match="is empty"), index.read():
        pass
    assert len(filled(index)) == 3


def test_a_newer_schema_is_refused_by_its_version(index):
    filled(index)
    with sqlite3.connect(index.folder / "catalog.sqlite") as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    for opened in (Index(index.folder).read, Index(index.folder).write):
        with pytest.raises(IndexVersionError, match=f"schema version {SCHEMA_VERSION + 1}"), opened():
            pass


def test_another_programs_database_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "catalog.sqlite") as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(IndexCorruptError, match="another program"), Index(tmp_path).read():
        pass


def test_a_catalog_of_garbage_is_named(index):
    filled(index)
    (index.folder / "catalog.sqlite").write_bytes(b"garbage " * 2000)
    with pytest.raises(IndexCorruptError, match=r"catalog.sqlite' is damaged"), Index(index.folder).read():
        pass


def test_a_truncated_segment_is_named_with_the_way_to_repair(index):
    filled(index)
    (segment,) = (index.folder / "vectors").iterdir()
    segment.write_bytes(segment.read_bytes()[:-8])
    with index.read() as snapshot, pytest.raises(IndexCorruptError, match=f"{segment.name}.*verify --repair"):
        snapshot.vectors(EMBEDDER.space)


def test_merging_keeps_every_vector_and_drops_the_dead(index):
    documents = [make_document(f"doc-{number}", f"words number {number} of many") for number in range(12)]
    with index.write() as writer:
        for document in documents:
            put(writer, [document])
        writer.remove([documents[3][0].id])
        assert writer.merge_segments() == 12
    by_id = {node.id: node for number, (_, nodes) in enumerate(documents) for node in nodes if number != 3}
    with index.read() as snapshot:
        assert find_problems(snapshot) == []
        ((vectors, rows, _, positions, _),) = snapshot.vectors(EMBEDDER.space)
        assert len(vectors) == 11, "the removed document's row is gone"
        ids = snapshot.chunk_ids()
        for row, position in zip(rows, positions, strict=True):
            text = indexed_text(by_id[ids[position].decode()])
            np.testing.assert_array_equal(vectors.decode(np.array([row]))[0], EMBEDDER.encode_documents([text])[0])
    with index.write():
        assert len(list((index.folder / "vectors").iterdir())) == 13, "a reader may still be about to open the replaced"
    with sqlite3.connect(index.folder / "catalog.sqlite") as connection:
        connection.execute("UPDATE retired SET at = at - 120")
    with index.write():
        assert len(list((index.folder / "vectors").iterdir())) == 1, "a later writer deletes them"


def test_threads_share_an_index(index):
    filled(index, 20)
    results, failures = [], []

    def read():
        try:
            for _ in range(20):
                with index.read() as snapshot:
                    results.append(len(snapshot.nodes([raw.decode() for raw in snapshot.chunk_ids()])))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert results == [20] * 160


def test_an_index_made_anew_at_the_same_path_is_seen(index):
    filled(index)
    with index.read() as snapshot:
        assert snapshot.count("FROM documents") == 3
    shutil.rmtree(index.folder)
    filled(Index(index.folder), 1)
    with index.read() as snapshot:
        assert snapshot.count("FROM documents") == 1
        assert len(snapshot.chunk_ids()) == 1


def test_an_index_made_anew_is_seen_by_threads_that_come_and_go(index):
    """Nobody holds the removed catalog open, so the next one may get its inode."""

    def texts():
        with index.read() as snapshot:
            return [node.text for node in snapshot.chunks()], snapshot.cached(
                "texts", lambda: snapshot.count("FROM nodes")
            )

    for number in range(6):
        shutil.rmtree(index.folder, ignore_errors=True)
        with Index(index.folder).write() as writer:
            put(writer, [make_document(f"doc-{at}", f"{number} and {at}") for at in range(1 + number)])
        with ThreadPoolExecutor(1) as thread:  # whose connection ends with it
            found, counted = thread.submit(texts).result()
        assert sorted(found) == [f"{number} and {at}" for at in range(1 + number)]
        assert counted == 1 + number


def test_closing_lets_go_of_what_other_threads_have_derived(index):
    filled(index)
    derived = threading.Event()
    closed = threading.Event()
    made = []

    class Derived:
        pass

    def read():
        with index.read() as snapshot:
            made.append(weakref.ref(snapshot.cached("derived", Derived)))
        derived.set()
        closed.wait(60)

    thread = threading.Thread(target=read)
    thread.start()
    derived.wait(60)
    assert made[0]() is not None
    index.close()
    assert made[0]() is None
    closed.set()
    thread.join()


def test_a_read_only_folder_can_be_read(index):
    filled(index)
    for path in index.folder.iterdir():
        path.chmod(0o555 if path.is_dir() else 0o444)
    index.folder.chmod(0o555)
    try:
        with Index(index.folder).read() as snapshot:
            assert snapshot.count("FROM documents") == 3
    finally:
        index.folder.chmod(0o755)


def test_an_id_taken_by_another_source_is_refused_not_overwritten(index):
    stored, nodes = make_document("a", "words")
    filled(index)
    with index.write() as writer:
        put(writer, [(stored, nodes)])
        clash = type(stored)(stored.id, "another source", "hash")
        with pytest.raises(StoreError, match="is taken by another source"):
            writer.commit([(clash, [])])
    with index.read() as snapshot:
        assert "a" in [document.source for document in snapshot.documents()]


def test_the_files_of_a_derived_index_that_is_given_up_are_removed_after_a_minute(index):
    filled(index)
    with index.write() as writer:
        writer.publish("plaid", lambda folder: (folder / "store").mkdir())
        writer.unpublish("plaid")
    with index.write() as writer:
        assert len(list((index.folder / "plaid").iterdir())) == 1, "a reader may have just looked it up"
        writer._connection.execute("UPDATE retired SET at = at - 61")
    with index.write():
        assert list((index.folder / "plaid").iterdir()) == []
    with index.read() as snapshot:
        assert snapshot.rows("SELECT path FROM retired") == []
