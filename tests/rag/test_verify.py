import shutil
import sqlite3
import subprocess
import sys

import pytest
from lateral import RAG, BiEncoderRetriever
from lateral.errors import (
    EncoderMismatchError,
    StoreError,
)
from lateral.retrievers import HashEmbedder
from stores import exactly_and_on_a_server


def damaged(index, what):
    (segment,) = (index / "vectors").iterdir()
    (bm25,) = (index / "bm25").iterdir()
    if what == "flipped vector":
        raw = bytearray(segment.read_bytes())
        raw[-1] ^= 1
        segment.write_bytes(raw)
    elif what == "truncated vectors":
        segment.write_bytes(segment.read_bytes()[:-4])
    elif what == "missing vectors":
        segment.unlink()
    elif what == "missing bm25":
        shutil.rmtree(bm25)
    else:
        path = next(bm25.glob("data*"))
        path.write_bytes(bytes(path.stat().st_size))


def test_a_users_own_file_in_a_folder_named_vectors_is_safe(tmp_path):
    (tmp_path / "index" / "vectors").mkdir(parents=True)
    (tmp_path / "index" / "vectors" / "precious.npy").write_text("mine")
    with pytest.raises(StoreError, match="holds other files"):
        RAG(tmp_path / "index", retrievers="bm25").add({"id": "a", "text": "words"})
    assert (tmp_path / "index" / "vectors" / "precious.npy").read_text() == "mine"


def test_merging_does_not_hide_damage_and_adding_goes_on(rag, tmp_path):
    rag.add({"id": "first", "text": "the first words"})
    (segment,) = (tmp_path / "index" / "vectors").iterdir()
    raw = bytearray(segment.read_bytes())
    raw[-1] ^= 1
    segment.write_bytes(raw)
    for at in range(12):
        assert rag.add({"id": f"doc-{at}", "text": f"more words {at}"}).added == 1
    assert [problem.file for problem in rag.verify().problems] == [f"vectors/{segment.name}"]
    assert rag.verify(repair=True).remaining == ()


def test_verify_finds_a_text_that_was_changed_in_the_catalog(rag, tmp_path):
    rag.add({"id": "a", "text": "eight drops a gallon"})
    with sqlite3.connect(tmp_path / "index" / "catalog.sqlite") as connection:
        connection.execute("UPDATE nodes SET text = 'eighty drops a gallon'")
    (problem,) = rag.verify().problems
    assert problem.cure == "none"
    assert "has changed: its id does not fit" in problem.reason


def test_repair_with_another_encoder_is_refused_and_changes_nothing(rag, folder, tmp_path):
    rag.add(folder)
    damaged(tmp_path / "index", "flipped vector")
    other = RAG(tmp_path / "index", retrievers=("bm25", BiEncoderRetriever(encoder=HashEmbedder(32))))
    with pytest.raises(EncoderMismatchError, match="another space"):
        other.verify(repair=True)
    assert len(rag.verify().problems) == 1


def test_zeroed_pages_of_the_catalog_are_a_named_error_everywhere(rag, folder, tmp_path):
    rag.add(folder)
    rag.close()
    catalog = tmp_path / "index" / "catalog.sqlite"
    raw = bytearray(catalog.read_bytes())
    raw[8000:40000] = bytes(32000)
    catalog.write_bytes(raw)
    fresh = RAG(tmp_path / "index")
    for call in (
        lambda: fresh.retrieve("tea"),
        fresh.status,
        lambda: fresh.add(folder),
        lambda: fresh.verify(repair=True),
    ):
        with pytest.raises(StoreError, match=r"catalog\.sqlite|verify"):
            call()


def test_a_full_disk_is_a_named_error_and_loses_nothing(rag, folder, tmp_path):
    rag.add(folder)
    code = (
        "import resource, sys\nfrom lateral import RAG\nfrom lateral.errors import StoreError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try:\n    RAG(sys.argv[1]).add([{'id': f'd{at}', 'text': f'word{at} ' * 900} for at in range(300)])\n"
        "except StoreError as err:\n    print('StoreError', err)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "index")], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("StoreError"), done.stderr
    assert rag.status().documents == 3
    assert rag.verify().problems == ()
    assert rag.add({"id": "later", "text": "space again"}).added == 1


@exactly_and_on_a_server
@pytest.mark.parametrize(
    "what", ["flipped vector", "truncated vectors", "missing vectors", "missing bm25", "zeroed bm25"]
)
def test_verify_finds_damage_and_repair_mends_it_without_the_files(rag, folder, tmp_path, what):
    rag.add(folder)
    expected = [(hit.node.id, hit.score) for hit in rag.retrieve("green tea degrees")]
    assert rag.verify().problems == ()
    shutil.rmtree(folder)
    damaged(tmp_path / "index", what)
    fresh = RAG(tmp_path / "index")
    found = fresh.verify()
    assert len(found.problems) >= 1
    assert found.remaining == found.problems
    mended = fresh.verify(repair=True)
    assert mended.remaining == ()
    assert [(hit.node.id, hit.score) for hit in RAG(tmp_path / "index").retrieve("green tea degrees")] == expected
    assert RAG(tmp_path / "index").verify().problems == ()
