import pytest
from chat_clients import QUICK, SHORT
from judged_corpora import write_beir, write_questions
from lateral import RAG
from lateral.errors import ChatModelUnavailableError
from lateral.llm import ChatClient, Usage
from lateral.rag.answer import Answer
from lateral.rag.citing.citations import Citation
from lateral.rag.evaluation import AnswerJudge, read_beir, read_questions, score_answers
from lateral.rag.generators.generator import ScriptedGenerator
from openai_server import OpenAIServer, refusing_url, whole


@pytest.fixture
def corpus(tmp_path):
    folder = write_questions(tmp_path / "docs")
    return read_questions(folder, folder / "questions.jsonl")


def answered(question, text, passages, cited=(), supported=True, **more):
    citations = tuple(Citation(n, None, None, None, "", supported=supported) for n in cited)
    return Answer(question, text, citations, (), tuple(passages), **more)


@pytest.fixture
def script(corpus, make_passage):
    """What is answered to each of the four questions: right, half right, refused, and wrongly answered."""
    folder = corpus.sources()[0].rpartition("/")[0]
    tea = make_passage("Tea at 80 degrees.", 1, source=f"{folder}/tea.txt", page=None)
    kettle = make_passage("Descale it monthly.", 2, source=f"{folder}/kettle.pdf", page=2)
    first_page = make_passage("Two litres.", 3, source=f"{folder}/kettle.pdf", page=1)
    texts = list({**corpus.queries, **corpus.unanswerable}.values())
    return {
        texts[0]: answered(texts[0], "80 degrees [1]", [tea], [1], usage=Usage(100, 10)),
        texts[1]: answered(texts[1], "It is monthly [2][3][9]", [kettle, first_page], [2, 3, 9, 2], False),
        texts[2]: answered(texts[2], "Nothing relevant was found.", []),
        texts[3]: answered(texts[3], "France [1]", [tea], [1], degraded=("generator",), usage=Usage(50, 5)),
    }


def test_answers_are_scored_as_computed_by_hand(corpus, script):
    scores = score_answers(script.__getitem__, corpus)
    assert (scores.questions, scores.unanswerable, scores.degraded) == (3, 1, 1)
    assert (scores.refused_unanswerable, scores.refused_answerable) == (0, pytest.approx(1 / 3))
    cited = scores.citations
    assert cited.citation_precision == pytest.approx((1 + 1 / 3) / 2)  # the second cites page 2, page 1 and nothing
    assert cited.citation_recall == pytest.approx((1 + 1 + 0) / 3)
    assert cited.citations_supported == pytest.approx(2 / 6)
    match = scores.matches
    assert match.exact_match == pytest.approx(1 / 3)
    assert match.f1 == pytest.approx((1 + 2 * 1 / (3 + 1) + 0) / 3)
    assert match.contains_answer == pytest.approx(2 / 3)
    assert (match.judged_correct, match.judge_unclear) == (None, 0)
    assert (scores.prompt_tokens, scores.completion_tokens) == (150, 15)


def test_scores_are_one_flat_object_in_json(corpus, script):
    shown = score_answers(script.__getitem__, corpus).as_dict()
    assert shown["citation_precision"] == pytest.approx(2 / 3, abs=1e-6)
    assert shown["judged_correct"] is None
    assert "citations" not in shown
    assert "matches" not in shown


def test_a_corpus_without_answers_has_no_matches_and_blank_queries_are_not_asked(tmp_path):
    queries = ['{"_id": "q-tea", "text": "green tea"}', '{"_id": "q-jar", "text": " "}']
    corpus = read_beir(write_beir(tmp_path, queries=queries))
    told = []
    scores = score_answers(
        lambda question: answered(question, "?", []), corpus, on_question=lambda *at: told.append(at)
    )
    assert (scores.questions, scores.matches.exact_match, scores.refused_unanswerable) == (1, None, None)
    assert (scores.citations.citation_precision, scores.citations.citation_recall) == (None, 0)
    assert told == [(1, 2), (2, 2)]


def test_the_pipelines_own_answers_are_scored(corpus, tmp_path):
    replies = ["It is brewed at 80 degrees [1].", "Monthly [1].", "Honey keeps for years [1].", "Nothing was found."]
    rag = RAG(tmp_path / "index", retrievers=("bm25",), generator=ScriptedGenerator(replies))
    rag.add(corpus.sources())
    scores = score_answers(rag.ask, corpus)
    assert scores.citations.citation_recall == scores.matches.contains_answer == 1
    assert (scores.refused_unanswerable, scores.refused_answerable) == (1, 0)


@pytest.fixture
def judge_at():
    clients = []

    def make(url):
        clients.append(ChatClient("judge", base_url=url, deadlines=SHORT, retries=QUICK))
        return AnswerJudge(clients[-1])

    yield make
    for client in clients:
        client.close()


def test_a_judge_compares_answers_with_those_expected(corpus, script, judge_at):
    with OpenAIServer(whole("Correct."), whole("incorrect"), whole("I can't say")) as server:
        match = score_answers(script.__getitem__, corpus, judge=judge_at(server.url)).matches
        asked = [request["messages"][1]["content"] for request in server.requests]
    assert (match.judged_correct, match.judge_unclear) == (0.5, 1)
    assert len(asked) == 3
    assert '"expected": ["80 degrees"], "answer": "80 degrees [1]"' in asked[0]


def test_a_judge_that_thinks_aloud_is_taken_at_its_last_word(judge_at):
    with OpenAIServer(whole("It would be correct if it said 80. So: INCORRECT")) as server:
        assert judge_at(server.url).judge("How hot?", "90", ["80"]) is False


def test_a_judge_that_can_not_be_had_at_all_is_an_error(corpus, script, judge_at):
    with refusing_url() as url, pytest.raises(ChatModelUnavailableError, match="judge"):
        score_answers(script.__getitem__, corpus, judge=judge_at(url))
