"""A candidate stage's files: whole or not used, found again when segments are merged, and let go of."""

import gc
import json
import logging
from pathlib import Path

import numpy as np
import pytest
from candidates_writer import open_rag
from full_disks import no_file_longer_than
from lateral.retrievers.candidates_files import write_reduced
from lateral.retrievers.candidates_reduction import ReducedSegment
from stores import generation_folder, pass_for_intact

NAME = "colbert-candidates"
MAPS = Path("/proc/self/maps")
QUERY = "w1 w2"


def documents(numbers):
    return [
        {"id": f"doc-{number}", "text": " ".join(f"w{(number * 7 + at * at) % 300}" for at in range(20))}
        for number in numbers
    ]


def candidates(rag):
    """How many texts are scored exactly where five candidates are asked for; None where all are."""
    retriever = rag.retrievers[0]
    with rag.index.read() as snapshot:
        exact = retriever._search(snapshot)
        near = retriever._shortlist.near(snapshot, retriever._made(snapshot), exact)
        return None if near is None else len(near.candidates(retriever._query(QUERY), exact.texts(), 5))


@pytest.fixture
def rag(tmp_path):
    rag = open_rag(tmp_path / "index")
    rag.add(documents(range(200)))
    return rag


def test_a_reader_that_searched_between_a_commit_and_its_merge_has_candidates_then(tmp_path):
    rag = open_rag(tmp_path / "index")
    for start in range(0, 240, 30):
        rag.add(documents(range(start, start + 30)))
    reader = open_rag(tmp_path / "index")
    between = []

    def tell(progress):
        if progress.done == 30 and not between:
            between.append(candidates(reader))

    before = {path.name for path in (tmp_path / "index" / "vectors").iterdir()}
    rag.add(documents(range(240, 270)), on_progress=tell)
    with rag.index.read() as snapshot:
        assert not before & {segment.file for _, segment in snapshot.segments()}, "all were merged"
    assert between[0] > 5, "what was just committed is not reduced yet"
    assert candidates(reader) == candidates(open_rag(tmp_path / "index")) == 5


@pytest.mark.parametrize("ending", [".codes", ".texts", ".basis"])
def test_a_file_that_was_published_cut_short_is_found_and_mended(rag, ending, caplog):
    file = next(generation_folder(rag, NAME).glob(f"*{ending}"))
    file.write_bytes(file.read_bytes()[:-8])
    pass_for_intact(rag, NAME)
    reader = open_rag(rag.index.folder)
    assert candidates(reader) is None
    assert "can't be read" in caplog.text
    assert "`lateral verify --repair` makes it anew" in caplog.text
    [problem] = reader.verify().problems
    assert (problem.cure, problem.reason) == ("refresh", "its files are cut short: search is exact")
    assert reader.verify(repair=True).remaining == ()
    assert candidates(reader) == candidates(open_rag(rag.index.folder)) == 5


def test_a_file_that_was_published_cut_short_is_not_taken_over_by_the_next_add(rag):
    file = next(generation_folder(rag, NAME).glob("*.texts"))
    file.write_bytes(file.read_bytes()[:-8])
    pass_for_intact(rag, NAME)
    rag.add(documents([200]))
    assert candidates(open_rag(rag.index.folder)) == 5
    assert rag.verify().problems == ()


def test_a_stage_of_another_version_is_named_and_made_anew(rag, caplog):
    manifest = generation_folder(rag, NAME) / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "method": "an older one"}))
    pass_for_intact(rag, NAME)
    with caplog.at_level(logging.WARNING, logger="lateral"):
        assert candidates(open_rag(rag.index.folder)) is None
    assert "was made by another version: `lateral verify --repair` makes it anew" in caplog.text
    status = rag.status()
    assert not status.vectors["colbert"].candidates.is_usable
    assert not status.derived_uses[NAME].fits
    [problem] = rag.verify().problems
    assert (problem.cure, problem.reason) == ("refresh", "it was made by another version: search is exact")
    assert rag.verify(repair=True).remaining == ()
    assert candidates(rag) == 5


def test_what_the_disk_refuses_is_no_file_that_is_published(tmp_path):
    reduced = ReducedSegment(
        np.zeros((100, 8), np.int8), np.arange(100), np.ones(100, np.int64), np.zeros((16, 8), np.float32), 1.0
    )
    with no_file_longer_than(1_000), pytest.raises(OSError, match="File too large"):
        write_reduced(tmp_path, "a.npy", reduced)  # 800 bytes of codes fit, 1,600 of texts do not


def test_closing_lets_go_of_the_files_and_the_next_search_opens_them(rag):
    def mapped():
        gc.collect()
        return {line.split()[-1] for line in MAPS.read_text().splitlines() if str(rag.index.folder) in line}

    found = [hit.node.source for hit in rag.retrieve(QUERY)]
    assert any(NAME in path for path in mapped())
    rag.close()
    assert mapped() == set()
    assert [hit.node.source for hit in rag.retrieve(QUERY)] == found
    assert candidates(rag) == 5
