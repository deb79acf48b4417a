"""Batches on their way into the index: read, encoded and committed at the same time."""

import threading
import time
from concurrent.futures import CancelledError
from types import MappingProxyType

import numpy as np
import pytest
from builders import CountingEmbedder
from lateral import RAG, BiEncoderRetriever
from lateral.errors import InvalidArgumentError
from lateral.rag.indexing.encoding import (
    ENCODE_BATCH,
    LARGEST_BATCH,
    EncodingThread,
    Pace,
    SpaceEncoder,
    encode_texts,
)
from lateral.rag.indexing.ingest import FIRST_NODES, REFRESH_NODES
from lateral.retrievers import HashEmbedder
from lateral.retrievers.stopping import raise_if_stopped
from lateral.retrievers.store import hash_text


def documents(count, start=0):
    return [{"id": f"{number:05}", "text": f"Document number {number}."} for number in range(start, start + count)]


def test_a_text_that_the_batch_before_drops_is_encoded_again(rag, embedder):
    rag.add({"id": "first", "text": "A text of its own."})
    moved = [
        {"id": "first", "text": "Something else."},
        *documents(FIRST_NODES),
        {"id": "second", "text": "A text of its own."},
    ]
    rag.add(moved)
    assert embedder.encoded.count("A text of its own.") == 2
    assert rag.verify().problems == ()
    assert rag.retrieve("a text of its own", top_k=1)[0].node.source == "second"


def test_a_text_that_is_being_encoded_is_not_encoded_twice(rag, embedder):
    same = [{"id": "a", "text": "The same."}, *documents(FIRST_NODES), {"id": "b", "text": "The same."}]
    rag.add(same)
    assert embedder.encoded.count("The same.") == 1
    assert rag.verify().problems == ()


class Expensive:
    """Derives what takes long to build, and says so."""

    name, settings, encoder = "expensive", MappingProxyType({}), None

    def __init__(self, is_cheap):
        self.is_cheap = is_cheap
        self.told = []

    def attach(self, index):
        self.index = index

    def keep_up(self, writer):
        self.told.append("keep up")
        return self.is_cheap

    def refresh(self, writer):
        assert writer.needs_refresh()
        self.told.append("refresh")

    def retrieve(self, query, top_k, where=None):
        return []


@pytest.mark.parametrize("is_cheap", [True, False])
def test_what_takes_long_is_built_once_at_the_end_of_a_long_run(tmp_path, is_cheap):
    retriever = Expensive(is_cheap)
    rag = RAG(tmp_path / "index", retrievers=(retriever,))
    rag.add(iter(documents(2 * REFRESH_NODES + 1_000)))
    assert retriever.told == ["keep up", "keep up", "refresh"]
    rag.add(documents(1))
    assert retriever.told == ["keep up", "keep up", "refresh"], "nothing has changed"


class Interrupted(Exception):
    """Ends a run in the middle."""


def test_what_an_interrupted_run_did_not_build_is_built_by_the_next(tmp_path):
    retriever = Expensive(is_cheap=False)
    rag = RAG(tmp_path / "index", retrievers=(retriever,))

    def until_it_kept_up():
        for document in documents(2 * REFRESH_NODES):
            yield document
            if retriever.told:
                raise Interrupted("enough")

    with pytest.raises(Interrupted, match="enough"):
        rag.add(until_it_kept_up())
    assert retriever.told == ["keep up"]
    kept = rag.status().documents
    assert kept >= REFRESH_NODES
    rag.add(documents(1))
    assert retriever.told == ["keep up", "refresh"]
    assert rag.status().documents == kept


class PatientEmbedder(HashEmbedder):
    """Encodes nothing until it is let."""

    def __init__(self):
        super().__init__(16)
        self.asked, self.let = threading.Event(), threading.Event()
        self.waited_in_vain = False

    def encode_documents(self, texts):
        self.asked.set()
        self.waited_in_vain |= not self.let.wait(20)
        return super().encode_documents(texts)


def test_the_next_batch_is_read_while_one_is_encoded(tmp_path):
    embedder = PatientEmbedder()

    def streamed():
        for number, document in enumerate(documents(2 * FIRST_NODES)):
            if number == FIRST_NODES + 1:
                embedder.let.set()
            yield document

    report = RAG(tmp_path / "index", retrievers=(BiEncoderRetriever(encoder=embedder),)).add(streamed())
    assert report.added == 2 * FIRST_NODES
    assert not embedder.waited_in_vain


def test_no_more_than_two_batches_are_held(tmp_path):
    embedder = PatientEmbedder()
    read, two_batches = 0, 3 * FIRST_NODES  # the second batch is twice as large

    def streamed():
        nonlocal read
        for document in documents(6 * FIRST_NODES):
            read += 1
            yield document

    rag = RAG(tmp_path / "index", retrievers=(BiEncoderRetriever(encoder=embedder),))
    run = threading.Thread(target=rag.add, args=(streamed(),))
    run.start()
    deadline = time.monotonic() + 10
    while read < two_batches and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)  # a third batch would be read now
    assert read == two_batches
    embedder.let.set()
    run.join(60)
    assert read == 6 * FIRST_NODES


def test_progress_is_told_by_the_thread_that_adds_while_a_batch_is_encoded(tmp_path):
    class SlowEmbedder(HashEmbedder):
        def encode_documents(self, texts):
            time.sleep(0.3)
            return super().encode_documents(texts)

    told = []
    rag = RAG(tmp_path / "index", retrievers=(BiEncoderRetriever(encoder=SlowEmbedder(16)),))
    rag.add(documents(4 * ENCODE_BATCH), on_progress=lambda it: told.append((threading.current_thread(), it.nodes)))
    assert {thread for thread, _ in told} == {threading.current_thread()}
    assert {0, ENCODE_BATCH, 3 * ENCODE_BATCH, 4 * ENCODE_BATCH} == {nodes for _, nodes in told}


def test_closing_ends_the_encoding_after_the_texts_at_hand():
    embedder = PatientEmbedder()
    thread = EncodingThread()
    texts = {bytes([number % 256, number // 256]): f"text {number}" for number in range(4 * ENCODE_BATCH)}
    future = thread.submit(SpaceEncoder(embedder, embedder.space), texts)
    assert embedder.asked.wait(20)
    threading.Timer(0.5, embedder.let.set).start()  # by then it is being closed
    thread.close()
    assert thread.encoded == ENCODE_BATCH
    assert isinstance(future.exception(), CancelledError)


def some_texts(count):
    return {hash_text(text): text for text in (f"text {number}" for number in range(count))}


class PairedEmbedder(HashEmbedder):
    """Two calls at a time: each but the first waits for another one."""

    calls_at_once = 2

    def __init__(self):
        super().__init__(16)
        self.meeting = threading.Barrier(2, timeout=20)
        self.calls = []

    def encode_documents(self, texts):
        self.calls.append(len(texts))
        if len(self.calls) == 1:
            time.sleep(0.1)
            assert len(self.calls) == 1, "the call that loads the model is alone"
        else:
            self.meeting.wait()
        return super().encode_documents(texts)


def test_where_an_encoder_allows_it_two_batches_are_encoded_at_a_time_and_come_in_order():
    embedder, texts, told = PairedEmbedder(), some_texts(3 * ENCODE_BATCH), []
    made = encode_texts(SpaceEncoder(embedder, embedder.space), texts, on_encoded=told.append)
    assert made.text_hashes == list(texts)
    np.testing.assert_array_equal(made.matrix, HashEmbedder(16).encode_documents(list(texts.values())))
    assert sorted(embedder.calls) == sorted(told) == [ENCODE_BATCH // 2, ENCODE_BATCH, ENCODE_BATCH * 3 // 2]


def test_texts_that_one_call_could_hold_are_shared_among_two():
    embedder, pace = PairedEmbedder(), Pace()
    encode_texts(SpaceEncoder(embedder, embedder.space), some_texts(1), pace)
    encode_texts(SpaceEncoder(embedder, embedder.space), some_texts(ENCODE_BATCH), pace)
    assert embedder.calls == [1, ENCODE_BATCH // 2, ENCODE_BATCH // 2]


def test_a_call_that_fails_beside_another_fails_the_whole():
    class FailingEmbedder(PairedEmbedder):
        def encode_documents(self, texts):
            number = len(self.calls)
            made = super().encode_documents(texts)
            if number == 2:
                raise OSError("no more")
            return made

    embedder = FailingEmbedder()
    with pytest.raises(OSError, match="no more"):
        encode_texts(SpaceEncoder(embedder, embedder.space), some_texts(3 * ENCODE_BATCH))
    assert not [it.name for it in threading.enumerate() if it.name.startswith("lateral-encoder-call")]


def test_closing_waits_for_the_two_batches_at_hand_only():
    class ClosingEmbedder(PairedEmbedder):
        def encode_documents(self, texts):
            made = super().encode_documents(texts)
            if len(self.calls) == 3:
                encoding._closed.set()
            return made

    encoding, embedder = EncodingThread(), ClosingEmbedder()
    future = encoding.submit(SpaceEncoder(embedder, embedder.space), some_texts(40 * ENCODE_BATCH))
    assert isinstance(future.exception(timeout=20), CancelledError)
    encoding.close()
    assert len(embedder.calls) == 3


@pytest.mark.parametrize("calls", [0, -1, 1.5, "2", None])
def test_an_encoder_that_allows_no_number_of_calls_is_refused(calls):
    embedder = PairedEmbedder()
    embedder.calls_at_once = calls
    with pytest.raises(InvalidArgumentError, match=r"calls_at_once of the encoder PairedEmbedder is .* at least 1"):
        encode_texts(SpaceEncoder(embedder, embedder.space), some_texts(1))


def test_any_other_encoder_has_one_batch_at_a_time_in_the_thread_that_asks():
    threads = set()

    class LonelyEmbedder(HashEmbedder):
        lock = threading.Lock()

        def encode_documents(self, texts):
            assert self.lock.acquire(blocking=False)
            time.sleep(0.05)
            self.lock.release()
            threads.add(threading.current_thread())
            return super().encode_documents(texts)

    embedder, texts = LonelyEmbedder(16), some_texts(4 * ENCODE_BATCH)
    assert len(encode_texts(SpaceEncoder(embedder, embedder.space), texts).matrix) == len(texts)
    assert threads == {threading.current_thread()}


def test_batches_grow_until_one_takes_a_second_and_shrink_when_it_takes_more_than_two():
    pace = Pace()
    pace.told(ENCODE_BATCH, 0.5)
    assert pace.texts == 2 * ENCODE_BATCH
    pace.told(7, 0.01)  # the rest of a run says nothing about a full batch
    pace.told(2 * ENCODE_BATCH, 1.5)
    assert pace.texts == 2 * ENCODE_BATCH
    pace.told(2 * ENCODE_BATCH, 2.5)
    pace.told(2 * ENCODE_BATCH, 2.5)  # begun beside it
    pace.told(7, 2.5)
    assert pace.texts == ENCODE_BATCH


def test_batches_have_a_largest_and_a_smallest_size():
    fast, slow = Pace(), Pace()
    for _ in range(20):
        fast.told(fast.texts, 0.001)
        slow.told(slow.texts, 60)
    assert (fast.texts, slow.texts) == (LARGEST_BATCH, 1)


def test_an_encoder_may_give_lists(tmp_path):
    class ListEmbedder(CountingEmbedder):
        def encode_documents(self, texts):
            return super().encode_documents(texts).tolist()

    rag = RAG(tmp_path / "index", retrievers=(BiEncoderRetriever(encoder=ListEmbedder()),))
    rag.add(documents(2))
    assert np.isclose(rag.retrieve("Document number 1.", top_k=1)[0].score, 1, atol=1e-6)


def test_closing_the_thread_ends_what_heeds_it():
    began = threading.Event()

    class Exporting(HashEmbedder):
        def encode_documents(self, texts):
            began.set()
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                raise_if_stopped()
                time.sleep(0.01)

    encoder = Exporting(16)
    thread = EncodingThread()
    running = thread.submit(SpaceEncoder(encoder, encoder.space), {b"1": "text"})
    assert began.wait(10)
    start = time.monotonic()
    thread.close()
    assert time.monotonic() - start < 10
    with pytest.raises(CancelledError):
        running.result()
