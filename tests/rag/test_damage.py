"""Every file of an index, damaged in every way: an error with a name or the right text, and `verify` finds it."""

import os
import random
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from damages import damages, flipped, put
from lateral import RAG, BiEncoderRetriever
from lateral.errors import LateralError, StoreError
from lateral.retrievers import HashEmbedder

WORDS = ("river", "stone", "lantern", "orchard", "copper", "winter", "harbour", "violin", "meadow", "saffron")
QUERIES = ("river stone", "lantern orchard copper", "Winter", "violin meadow harbour saffron")
TOP_K = 6
CATALOG_FLIPS = 250  # of about 90,000 bytes; the header, the schema and the texts get more of their own
WRITTEN_FLIPS = 25


def text_of(number):
    chosen = random.Random(number)
    return " ".join(f"{chosen.choice(WORDS)} {chosen.randrange(100)}" for _ in range(30))


TEXTS = {f"doc-{number}": text_of(number) for number in range(20)} | {
    f"new-{number}": text_of(100 + number) for number in range(5)
}


def open_rag(index, store=None):
    """The pipeline, on a store, or as the index was made."""
    encoder = BiEncoderRetriever(encoder=HashEmbedder(16), store=store)
    return RAG(index, retrievers=("bm25", encoder), chunk_size=40, chunk_overlap=8)


def documents(numbers):
    return [
        {"id": f"doc-{number}", "text": text_of(number), "metadata": {"title": WORDS[number % 10], "year": number}}
        for number in numbers
    ]


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """An index of eight documents."""
    index = tmp_path_factory.mktemp("older") / "index"
    with open_rag(index) as rag:
        rag.add(documents(range(8)))
    return index


@pytest.fixture(scope="module")
def whole(older, tmp_path_factory):
    """The same index after another add and a removal: two segments, three generations of bm25."""
    index = tmp_path_factory.mktemp("whole") / "index"
    shutil.copytree(older, index)
    with open_rag(index) as rag:
        rag.add(documents(range(8, 18)))
        rag.remove(["doc-3", "doc-12"])
        assert rag.verify().problems == ()
    assert len(list((index / "vectors").iterdir())) == 2
    assert len(list((index / "bm25").iterdir())) == 3
    return index


@pytest.fixture(scope="module")
def on_chroma(older, tmp_path_factory):
    """The same index on embedded Chroma: two segments, two generations of Chroma."""
    index = tmp_path_factory.mktemp("on-chroma") / "index"
    shutil.copytree(older, index)
    with open_rag(index, "chroma") as rag:
        rag.add([])
    (first,) = (index / "chroma").iterdir()
    (first / "ids.bin").write_bytes(b"")  # else few changes would leave it as it is
    with open_rag(index) as rag:
        rag.add(documents(range(8, 18)))
        assert rag.verify().problems == ()
    assert len(list((index / "vectors").iterdir())) == 2
    return index


@pytest.fixture
def index(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "index")
    return tmp_path / "index"


def search(index):
    with open_rag(index) as rag:
        return [
            (hit.node.id, hit.node.source, hit.node.text, hit.score)
            for it in QUERIES
            for hit in rag.retrieve(it, TOP_K)
        ]


def searched(index):
    """What a search gives: hits, or the error's message; another exception than ours fails the test."""
    try:
        return search(index)
    except LateralError as error:
        return str(error)


def verified(index):
    """What `verify` finds: the files it names, or the error's message."""
    try:
        with open_rag(index) as rag:
            return [problem.file for problem in rag.verify().problems]
    except StoreError as error:
        return str(error)


def assert_texts_are_right(found):
    if isinstance(found, list):
        for _, source, text, _ in found:
            assert text in TEXTS[source]


def repaired(index):
    with open_rag(index) as rag:
        return rag.verify(repair=True).remaining


def newest(index, name):
    return max((index / name).iterdir(), key=lambda folder: folder.stat().st_mtime_ns)


def files_of(folder):
    """The files of a generation by what they are, whatever the folders are named that Chroma names by chance."""
    return {path.name: path for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_damaged_segment_is_found_and_encoded_again(index, whole):
    expected = search(whole)
    segments = sorted(path.name for path in (whole / "vectors").iterdir())
    for at, name in enumerate(segments):
        raw, other = (whole / "vectors" / name).read_bytes(), (whole / "vectors" / segments[1 - at]).read_bytes()
        for damage, changed in [*damages(raw, name), ("another segment's bytes", other)]:
            put(index / "vectors" / name, changed)
            found = searched(index)
            assert_texts_are_right(found)
            if damage == "deleted" or len(changed) != len(raw):
                assert f"{name}' is damaged" in found, damage
            assert verified(index) == [f"vectors/{name}"], damage
            if "bit of byte" in damage and not damage.endswith(" 0"):
                continue  # one repair of a flip is enough: the next damage is to the same file
            assert repaired(index) == (), damage
            assert search(index) == expected, damage
            shutil.rmtree(index)
            shutil.copytree(whole, index)


@pytest.mark.parametrize(("name", "made", "files"), [("bm25", "whole", 5), ("chroma", "on_chroma", 9)])
def test_a_damaged_derived_index_is_not_used_found_and_rebuilt(request, tmp_path, name, made, files):
    made, index = request.getfixturevalue(made), tmp_path / "index"
    shutil.copytree(made, index)
    expected = search(made)
    place = newest(made, name).relative_to(made)
    older_ones = [folder for folder in (made / name).iterdir() if folder.name != place.name]
    assert older_ones
    assert len(files_of(index / place)) == files
    for file, path in files_of(index / place).items():
        raw = path.read_bytes()
        swapped = [("another generation's", files_of(folder)[file].read_bytes()) for folder in older_ones]
        for damage, changed in [*damages(raw, file, 3), *(it for it in swapped if it[1] != raw)]:
            put(path, changed)
            assert search(index) == expected, (file, damage)
            assert verified(index) == [str(place)], (file, damage)
            put(path, raw)
    assert verified(index) == []
    for other in (*older_ones, None):
        shutil.rmtree(index / place)
        if other is not None:
            shutil.copytree(other, index / place)
        assert search(index) == expected
        assert verified(index) == [str(place)]
    assert repaired(index) == ()
    assert verified(index) == []
    assert search(index) == expected


def test_a_damaged_segment_of_an_index_on_chroma_is_found_and_encoded_again(on_chroma, tmp_path):
    index, expected = tmp_path / "index", search(on_chroma)
    shutil.copytree(on_chroma, index)
    path, other = sorted((index / "vectors").iterdir())
    raw = path.read_bytes()
    for changed in (None, b"", raw[:-1], other.read_bytes(), flipped(raw, len(raw) - 1, 6)):
        put(path, changed)
        found = searched(index)
        assert_texts_are_right(found)
        if changed is None or len(changed) != len(raw):
            assert f"{path.name}' is damaged" in found
        assert verified(index) == [f"vectors/{path.name}"]
    assert repaired(index) == ()
    assert search(index) == expected
    assert verified(index) == []


def test_files_that_no_row_names_may_be_damaged(index, whole):
    """The replaced generations stay for a minute, for readers that have just looked them up; nobody else reads them."""
    expected = search(whole)
    for folder in (index / "bm25").iterdir():
        if folder.name != newest(whole, "bm25").name:
            for path in folder.iterdir():
                path.write_bytes(b"")
    (index / "write.lock").write_bytes(b"its bytes mean nothing: the kernel holds the lock")
    (index / "writer.pid").write_bytes(b"not a number")
    assert search(index) == expected
    assert verified(index) == []
    (index / "write.lock").unlink()
    with open_rag(index) as rag:
        assert rag.add(documents([19])).added == 1


def test_a_damaged_seal_is_found_and_made_again(index, whole):
    raw = (whole / "catalog.seal").read_bytes()
    expected = search(whole)
    for damage, changed in damages(raw, "seal"):
        put(index / "catalog.seal", changed)
        assert search(index) == expected
        assert verified(index) in (["catalog.seal"], ["catalog.sqlite"]), damage
        put(index / "catalog.seal", raw)
    (index / "catalog.seal").unlink()
    assert repaired(index) == ()
    assert search(index) == expected


@pytest.mark.slow
def test_every_changed_bit_of_the_catalog_is_found_and_no_changed_text_is_served(index):
    catalog = index / "catalog.sqlite"
    raw = catalog.read_bytes()
    texts = [at + offset for text in TEXTS.values() if (at := raw.find(text.encode()[:40])) > 0 for offset in (0, 17)]
    chosen = random.Random(3)
    refused = 0
    for at in (*range(0, 100, 4), *texts, *(chosen.randrange(len(raw)) for _ in range(CATALOG_FLIPS))):
        catalog.write_bytes(flipped(raw, at, chosen.randrange(8)))
        found = searched(index)
        assert_texts_are_right(found)
        problems = verified(index)
        assert "catalog.sqlite" in problems or isinstance(problems, str), f"byte {at}: {problems}"
        if at in texts:
            refused += "has changed: run `lateral verify`" in found
    assert refused >= 10, "changed texts among the hits"


@pytest.mark.parametrize("cut", [0, 1, 50, 4096, 0.5])
def test_a_truncated_catalog_is_a_named_error(index, cut):
    catalog = index / "catalog.sqlite"
    raw = catalog.read_bytes()
    catalog.write_bytes(raw[: int(len(raw) * cut) if isinstance(cut, float) else cut])
    assert_texts_are_right(searched(index))
    assert "catalog.sqlite" in verified(index)
    with pytest.raises(StoreError, match=r"catalog\.sqlite' is (damaged|empty)"):
        repaired(index)


def test_a_catalog_without_its_last_byte_is_found(index):
    raw = (index / "catalog.sqlite").read_bytes()
    (index / "catalog.sqlite").write_bytes(raw[:-1])
    assert_texts_are_right(searched(index))
    assert "catalog.sqlite" in verified(index)


def test_a_deleted_catalog_is_a_named_error_and_no_new_index_is_made_over_the_vectors(index):
    (index / "catalog.sqlite").unlink()
    assert "no index at" in searched(index)
    assert "no index at" in verified(index)
    with pytest.raises(StoreError, match="holds other files"), open_rag(index) as rag:
        rag.add(documents([19]))


def test_an_older_catalog_is_found_serves_only_its_own_texts_and_can_be_repaired(index, older):
    shutil.copy(older / "catalog.sqlite", index / "catalog.sqlite")
    found = searched(index)
    assert_texts_are_right(found)
    assert "catalog.seal" in verified(index)
    assert repaired(index) == ()
    with open_rag(index) as rag:
        assert rag.status().documents == 8
        assert [hit.node.source for hit in rag.retrieve(TEXTS["doc-3"], 1)] == ["doc-3"]
        assert rag.add(documents(range(18))).added == 10


def test_a_writer_goes_on_with_a_damaged_catalog_and_does_not_hide_the_damage(index):
    catalog = index / "catalog.sqlite"
    raw = catalog.read_bytes()
    catalog.write_bytes(raw.replace(b'"year":7}', b'"year":6}'))
    assert verified(index) == ["catalog.sqlite"]
    for number in (18, 19):
        with open_rag(index) as rag:
            assert rag.add(documents([number])).added == 1
        assert verified(index) == ["catalog.sqlite"]
    assert [problem.cure for problem in repaired(index)] == ["none"]


@pytest.mark.slow
def test_writing_to_and_repairing_a_damaged_catalog_ends_or_fails_with_a_name(index):
    catalog, seal = index / "catalog.sqlite", (index / "catalog.seal").read_bytes()
    raw = catalog.read_bytes()
    used = [at for at in range(0, len(raw), 7) if raw[at]]
    for at in random.Random(4).sample(used, WRITTEN_FLIPS):
        for path in index.glob("catalog.sqlite-*"):
            path.unlink()
        catalog.write_bytes(flipped(raw, at, at % 8))
        (index / "catalog.seal").write_bytes(seal)
        for change in (
            lambda rag: rag.add(documents([19])),
            lambda rag: rag.remove("doc-4"),
            lambda rag: rag.verify(repair=True),
        ):
            with suppress(LateralError), open_rag(index) as rag:
                change(rag)
        assert_texts_are_right(searched(index))
        assert verified(index), f"byte {at}"


# Commits documents one by one and dies with the log as it is, as kill -9 leaves it.
KILLED_WRITER = """
import os, signal, sys
from builders import make_document, put
from lateral.retrievers.store import Index
with Index(sys.argv[1]).write() as writer:
    for number in range(5):
        put(writer, [make_document(f"new-{number}", sys.argv[2 + number])])
    os.kill(os.getpid(), signal.SIGKILL)
"""
NEW = {source: text for source, text in TEXTS.items() if source.startswith("new")}


@pytest.fixture(scope="module")
def killed(whole, tmp_path_factory):
    """The index with five more documents, all of them in the log of a writer that was killed."""
    index = tmp_path_factory.mktemp("killed") / "index"
    shutil.copytree(whole, index)
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", KILLED_WRITER, str(index), *NEW.values()],
        env={**os.environ, "PYTHONPATH": tests},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert (index / "catalog.sqlite-wal").stat().st_size > 0
    return index


def sources(index):
    with open_rag(index) as rag:
        return set(rag.status().sources)


def test_damage_to_a_killed_writers_log_loses_no_commit_in_silence(killed, tmp_path):
    raw = (killed / "catalog.sqlite-wal").read_bytes()
    index = tmp_path / "index"
    for damage, changed in [("none", raw), *damages(raw, "log", 40)]:
        shutil.copytree(killed, index)
        put(index / "catalog.sqlite-wal", changed)
        problems = verified(index)
        assert_texts_are_right(searched(index))
        if isinstance(problems, list) and not set(problems) & {"catalog.sqlite", "catalog.seal"}:
            assert set(NEW) <= sources(index), damage
        elif damage != "none":
            with open_rag(index) as rag:
                rag.add([{"id": source, "text": text} for source, text in NEW.items()])
            assert set(NEW) <= sources(index), damage
        shutil.rmtree(index)


def test_damage_to_the_logs_shared_memory_is_harmless_it_is_made_anew(killed, tmp_path):
    raw = (killed / "catalog.sqlite-shm").read_bytes()
    index = tmp_path / "index"
    for damage, changed in damages(raw, "shared memory"):
        shutil.copytree(killed, index)
        put(index / "catalog.sqlite-shm", changed)
        assert set(NEW) <= sources(index), damage
        assert all(name.startswith("bm25/") for name in verified(index)), damage
        assert_texts_are_right(searched(index))
        shutil.rmtree(index)
