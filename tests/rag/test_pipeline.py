import asyncio
import time

import pytest
from builders import counts
from lateral import RAG, BiEncoderRetriever
from lateral.errors import (
    IndexNotFoundError,
    InvalidArgumentError,
)
from lateral.rag.generators.generator import ScriptedGenerator
from lateral.retrievers import CannedRetriever, HashEmbedder, ranked
from pdfs import make_pdf


def test_a_folder_is_added_and_asked(rag, folder):
    report = rag.add(folder)
    assert counts(report) == (3, 0, 0, 0)
    assert report.nodes == 3
    answer = rag.ask("At how many degrees is green tea brewed?")
    assert "“Green tea is brewed at 80 degrees for two minutes.” [1]" in answer.text
    assert answer.citations[0].supported
    assert answer.citations[0].source == str(folder / "tea.txt")
    assert answer.degraded == ()


def test_pdf_hits_and_citations_name_the_page(rag, folder):
    (folder / "manual.pdf").write_bytes(
        make_pdf([["Turn the key to the left."], ["The valve opens at four bar of pressure."]])
    )
    rag.add(folder)
    hit = rag.retrieve("At what pressure does the valve open?")[0]
    assert (hit.node.page, hit.node.metadata["page_label"]) == (2, "2")
    answer = rag.ask("At what pressure does the valve open?")
    assert (answer.citations[0].source, answer.citations[0].page) == (str(folder / "manual.pdf"), 2)


@pytest.mark.parametrize("query", ["lone \ud800 surrogate words", "words " * 10_000, "wörds 🐍 \0 words"])
def test_odd_queries_are_answered(rag, folder, query):
    rag.add({"id": "a", "text": "some words"})
    assert rag.retrieve(query)[0].node.source == "a"


def test_a_query_that_is_no_text_is_refused(rag):
    rag.add({"id": "a", "text": "some words"})
    for call in (rag.retrieve, rag.ask, rag.stream):
        with pytest.raises(InvalidArgumentError, match="a query must be a text, got None"):
            call(None)


def test_reading_without_an_index_says_how_to_make_one(rag):
    for call in (lambda: rag.retrieve("tea"), lambda: rag.ask("tea?"), rag.status, rag.verify):
        with pytest.raises(IndexNotFoundError, match="lateral add"):
            call()


@pytest.mark.parametrize("top_k", [0, -1, True])
def test_a_wrong_top_k_is_refused(rag, top_k):
    with pytest.raises(InvalidArgumentError, match="top_k must be a whole number of at least 1"):
        rag.retrieve("tea", top_k)


def test_the_trail_tells_every_rank_and_score(rag, folder):
    rag.add(folder)
    best = rag.retrieve("green tea degrees", 3)[0]
    stages = {step.stage: step for step in best.trail}
    assert list(stages) == ["bm25", "bi-encoder", "convex"]
    assert stages["bm25"].rank == 1  # so it has the whole of BM25's share, a quarter
    background = rag.retrievers[1].score_scale.floor
    near = (stages["bi-encoder"].score - background) / (1 - background)
    assert best.score == stages["convex"].score == pytest.approx(1 / 4 + near * 3 / 4)


def test_an_index_can_be_searched_with_any_fusion(rag, folder, embedder):
    rag.add(folder)
    retrievers = ("bm25", BiEncoderRetriever(encoder=embedder))
    best = RAG(rag.index.folder, retrievers=retrievers, fusion="rrf").retrieve("green tea degrees", 3)[0]
    ranks = [step.rank for step in best.trail[:2]]
    assert best.trail[2] == ("rrf", 1, pytest.approx(sum(1 / (60 + rank) for rank in ranks)))
    own = RAG(rag.index.folder, retrievers=retrievers, fusion=lambda rankings: list(rankings[1]))
    assert [step.stage for step in own.retrieve("green tea degrees", 3)[0].trail] == ["bi-encoder"]
    with pytest.raises(InvalidArgumentError, match="fusion must be one of convex, rrf, or a function, got 'magic'"):
        RAG(rag.index.folder, fusion="magic")


def test_your_own_retriever_reranker_and_generator_are_used(tmp_path, rag, folder):
    rag.add(folder)
    hits = rag.retrieve("tea bread honey", 3)

    class Reverse:
        def rerank(self, query, hits, top_k):
            return ranked("reverse", [type(hit)(hit.node, -hit.score, hit.trail) for hit in hits], top_k=top_k)

    generator = ScriptedGenerator(["Tea is brewed at 80 degrees [1]."])
    own = RAG(
        tmp_path / "index",
        retrievers=("bm25", "bi-encoder", CannedRetriever(hits)),
        reranker=Reverse(),
        generator=generator,
    )
    assert own.retrieve("tea", 2)[0].trail[-1].stage == "reverse"
    answer = own.ask("How hot is tea?")
    assert answer.text == "Tea is brewed at 80 degrees [1]."
    assert "<question>\nHow hot is tea?\n</question>" in generator.calls[0][-1]["content"]


def test_streaming_gives_the_text_in_pieces_and_the_citations_at_the_end(rag, folder):
    rag.add(folder)
    stream = rag.stream("At how many degrees is green tea brewed?")
    text = "".join(stream)
    assert text == stream.finish().text == rag.ask("At how many degrees is green tea brewed?").text


def test_the_async_forms_give_what_the_sync_ones_give(tmp_path, folder, embedder):
    async def main():
        rag = RAG(tmp_path / "index", retrievers=("bm25", BiEncoderRetriever(encoder=embedder)))
        report = await rag.aadd(folder)
        hits, answer = await asyncio.gather(rag.aretrieve("tea"), rag.aask("How hot is green tea brewed?"))
        streamed = "".join([piece async for piece in rag.astream("How hot is green tea brewed?")])
        return rag, report, hits, answer, streamed

    rag, report, hits, answer, streamed = asyncio.run(main())
    assert report.added == 3
    assert [hit.node.id for hit in hits] == [hit.node.id for hit in rag.retrieve("tea")]
    assert streamed == answer.text == rag.ask("How hot is green tea brewed?").text


@pytest.mark.parametrize(("argument", "given"), [("reranker", object()), ("generator", object())])
def test_an_object_without_its_method_is_refused_at_once(tmp_path, argument, given):
    with pytest.raises(InvalidArgumentError, match=f"{argument} must be .*an object with a method"):
        RAG(tmp_path / "index", **{argument: given})


def test_a_cancelled_add_ends_and_keeps_what_was_committed(tmp_path):
    class Slow(HashEmbedder):
        def encode_documents(self, texts):
            time.sleep(0.005 * len(texts))  # 15 s for all of them
            return super().encode_documents(texts)

    rag = RAG(tmp_path / "index", retrievers=(BiEncoderRetriever(encoder=Slow(16)),))
    documents = [{"id": str(number), "text": f"words {number}"} for number in range(3_000)]
    told = []

    async def main():
        committed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def tell(progress):
            told.append(progress)
            if progress.done > 64:
                loop.call_soon_threadsafe(committed.set)

        adding = asyncio.create_task(rag.aadd(documents, on_progress=tell))
        await asyncio.wait_for(committed.wait(), 60)
        adding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await adding
        kept = rag.status().documents
        added = await rag.aadd({"id": "one more", "text": "words"})  # nobody holds the lock
        return kept, added.added

    kept, added = asyncio.run(main())
    assert 0 < kept < 3_000
    assert added == 1
    assert rag.status().documents == kept + 1
    assert rag.verify().problems == ()
    assert told


def test_what_an_add_raises_reaches_who_awaits_it(tmp_path):
    rag = RAG(tmp_path / "index")
    with pytest.raises(InvalidArgumentError, match="'id' must be a string"):
        asyncio.run(rag.aadd({"id": 5, "text": "words"}))
