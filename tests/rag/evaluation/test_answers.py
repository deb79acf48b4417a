import pytest
from chat_clients import BRIEF, SHORT
from judged_corpora import write_beir, write_questions
from lateral import RAG
from lateral.errors import ChatModelUnavailableError
from lateral.llm import ChatClient, Usage
from lateral.rag.answer import Answer
from lateral.rag.citing.citations import Citation
from lateral.rag.evaluation import AnswerJudge, BeirCorpus, read_beir, read_questions, score_answers
from lateral.rag.evaluation.patient_generator import PatientGenerator
from lateral.rag.generators.generator import ScriptedGenerator
from lateral.rag.generators.openai_chat import OpenAIGenerator
from openai_server import OpenAIServer, refusing_url, status, stream, whole


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
        clients.append(ChatClient("judge", base_url=url, deadlines=SHORT, retries=BRIEF))
        return AnswerJudge(clients[-1])

    yield make
    for client in clients:
        client.close()


def test_a_judge_compares_answers_with_those_expected(corpus, script, judge_at):
    with OpenAIServer(whole("Correct."), whole("incorrect"), whole("I can't say")) as server:
        match = score_answers(script.__getitem__, corpus, judge=judge_at(server.url)).matches
        asked = [request["messages"][1]["content"] for request in server.requests]
    assert (match.judged_correct, match.judge_unclear) == (0.5, 1)
    assert match.judged_share == pytest.approx(2 / 3)
    assert len(asked) == 3
    assert '"expected": ["80 degrees"], "answer": "80 degrees [1]"' in asked[0]


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("Correct.", True),
        ("**incorrect**", False),
        ("Correct. It is not incorrect in any point.", True),
        ("Incorrect. The correct answer is 5 ppm.", False),
        ("Incorrect because 80 would be correct", False),
        ("The answer is not correct.", False),
        ("Not correct", False),
        ("It isn't entirely correct.", False),
        ("This cannot be considered correct.", False),
        ("Partially correct", False),
        ("Verdict: correct", True),
        ("<think>Is it correct? The correct one is 80.</think>\n\nincorrect", False),
        ("It may be incorrect, or so.</think>Correct", True),
        ("<think>It would be correct if", None),
        ("It would be correct if it said 80. So: INCORRECT", None),
        ("The correct answer is 80 degrees.", None),
        ("It is not incorrect.", None),
        ("I can't say", None),
    ],
)
def test_a_verdict_is_read_as_it_is_meant_and_an_unclear_one_is_none(judge_at, reply, verdict):
    with OpenAIServer(whole(reply)) as server:
        assert judge_at(server.url).judge("How hot?", "90", ["80"]) is verdict


def expecting(count):
    """A corpus of questions with answers, and what is answered to each."""
    queries = {f"q{at}": f"How hot is tea {at}?" for at in range(count)}
    qrels = {query: {"tea": 1} for query in queries}
    corpus = BeirCorpus({"tea": "80 degrees"}, queries, qrels, answers={query: ["80 degrees"] for query in queries})
    return corpus, lambda question: answered(question, "80 degrees", [])


def test_a_short_outage_costs_no_verdict(judge_at):
    corpus, ask = expecting(20)
    with OpenAIServer(whole("correct"), *[status(503)] * 6, default=whole("correct")) as server:
        match = score_answers(ask, corpus, judge=judge_at(server.url)).matches
    assert (match.judged_correct, match.judge_unclear, match.judged_share) == (1, 0, 1)


def test_a_judge_that_stays_away_is_left_and_the_share_that_it_judged_is_said(judge_at):
    corpus, ask = expecting(200)
    with OpenAIServer(*[whole("correct")] * 4, default=status(503)) as server:
        match = score_answers(ask, corpus, judge=judge_at(server.url)).matches
    assert (match.judged_correct, match.judge_unclear, match.judged_share) == (1, 196, 4 / 200)
    assert len(server.requests) < 20


def test_an_outage_costs_no_answer_of_a_chat_model(corpus, tmp_path):
    with OpenAIServer(*[status(503)] * 6, default=stream("It is 80 degrees [1].", usage=(50, 5))) as server:
        writer = OpenAIGenerator("stub", base_url=server.url, deadlines=SHORT, retries=BRIEF)
        rag = RAG(tmp_path / "index", retrievers=("bm25",), generator=PatientGenerator(writer))
        rag.add(corpus.sources())
        scores = score_answers(rag.ask, corpus)
        writer.client.close()
    assert (scores.degraded, scores.prompt_tokens) == (0, 200)


def test_a_judge_that_can_not_be_had_at_all_is_an_error(corpus, script, judge_at):
    with refusing_url() as url, pytest.raises(ChatModelUnavailableError, match="judge"):
        score_answers(script.__getitem__, corpus, judge=judge_at(url))
