"""How good the answers are: what they cite, when they refuse, and what they say."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from ...errors import ChatModelError
from ..answer import Answer
from .answer_match import contains_answer, exact_match, token_f1
from .corpus import JudgedCorpus
from .judge import AnswerJudge
from .patience import Patience

__all__ = ["AnswerScores", "CitationScores", "MatchScores", "score_answers"]

logger = logging.getLogger(__name__)

DECIMALS = 6


@dataclass(frozen=True, slots=True)
class CitationScores:
    """Whether answers cite what is judged relevant. Shares in [0, 1], None where no answer calls for them.

    Args:
        citation_precision: Of the passages that an answer cites, the share that is relevant; a number without a
            passage is not. The mean over the answers that cite.
        citation_recall: Of what is relevant to a question, the share that its answer cites; the mean over all
            answerable questions, refused ones as 0.
        citations_supported: Of all citations, the share whose passage bears the claim out; see `check_citations`.
    """

    citation_precision: float | None
    citation_recall: float | None
    citations_supported: float | None


@dataclass(frozen=True, slots=True)
class MatchScores:
    """Whether answers say what is expected, over the questions with an expected answer. None where there are none.

    Args:
        exact_match: See `lateral.rag.evaluation.answer_match`, as for the next two.
        f1: Shared words.
        contains_answer: The share of answers that hold an expected one word for word.
        judged_correct: The share that the judge calls correct, of those with a clear verdict; None without a judge.
        judge_unclear: How many verdicts were neither, or could not be had.
        judged_share: Of the answers that a judge was to compare, the share with a clear verdict: what `judged_correct`
            stands on. None without a judge.
    """

    exact_match: float | None
    f1: float | None
    contains_answer: float | None
    judged_correct: float | None
    judge_unclear: int
    judged_share: float | None = None


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """How good the answers are.

    An answer that cites nothing is a refusal: the prompt asks for a citation after every statement, and for none where
    no passage holds the answer.

    Args:
        questions: How many were asked that the documents answer.
        unanswerable: How many were asked that they don't.
        refused_unanswerable: The share of the unanswerable questions that were refused: 1 is best.
        refused_answerable: The share of the answerable ones that were refused: 0 is best.
        citations: What they cite.
        matches: What they say.
        degraded: Answers for which the chat model could not be had.
        p50_ms: The median time of an answer, from question to last word; what an outage was waited for counts.
        prompt_tokens: Tokens that the chat model read, 0 without one; the judge's are not among them.
        completion_tokens: Tokens that it wrote.
    """

    questions: int
    unanswerable: int
    refused_unanswerable: float | None
    refused_answerable: float | None
    citations: CitationScores
    matches: MatchScores
    degraded: int
    p50_ms: float
    prompt_tokens: int
    completion_tokens: int

    def as_dict(self) -> dict[str, object]:
        """Returns the scores as JSON values, in one object."""
        nested = asdict(self)
        flat = {**nested, **nested.pop("citations"), **nested.pop("matches")}
        return {
            name: round(value, DECIMALS) if isinstance(value, float) else value
            for name, value in flat.items()
            if name not in ("citations", "matches")
        }


def score_answers(
    ask: Callable[[str], Answer],
    corpus: JudgedCorpus,
    *,
    judge: AnswerJudge | None = None,
    on_question: Callable[[int, int], None] | None = None,
) -> AnswerScores:
    """Returns how good the answers to the corpus's questions are, answerable and not. Empty questions are left out.

    Args:
        ask: A question in, its answer out, such as `RAG.ask`.
        corpus: Whose questions are asked.
        judge: Compares answers with those expected, where there are any.
        on_question: Told after each question how many are done, and of how many.

    Raises:
        ChatModelError: The judge's model can't be had at all, or `ask` raises it.
    """
    asked, times = _ask_all(ask, {**corpus.queries, **corpus.unanswerable}, on_question)
    answerable = {query: answer for query, answer in asked.items() if query in corpus.queries}
    others = [answer for query, answer in asked.items() if query not in corpus.queries]
    usages = [answer.usage for answer in asked.values() if answer.usage is not None]
    return AnswerScores(
        questions=len(answerable),
        unanswerable=len(others),
        refused_unanswerable=_mean([_refused(answer) for answer in others]),
        refused_answerable=_mean([_refused(answer) for answer in answerable.values()]),
        citations=_score_citations(corpus, answerable, list(asked.values())),
        matches=_score_matches(corpus, answerable, judge),
        degraded=sum(bool(answer.degraded) for answer in asked.values()),
        p50_ms=sorted(times)[(len(times) - 1) // 2] if times else 0.0,
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
    )


def _ask_all(
    ask: Callable[[str], Answer], questions: Mapping[str, str], on_question: Callable[[int, int], None] | None
) -> tuple[dict[str, Answer], list[float]]:
    """Returns the answers by question, and the milliseconds that they took."""
    asked: dict[str, Answer] = {}
    times: list[float] = []
    for number, (query, text) in enumerate(questions.items(), start=1):
        if text.strip():
            start = time.perf_counter()
            asked[query] = ask(text)
            times.append(1_000 * (time.perf_counter() - start))
        if on_question is not None:
            on_question(number, len(questions))
    return asked, times


def _score_citations(corpus: JudgedCorpus, answerable: Mapping[str, Answer], asked: Sequence[Answer]) -> CitationScores:
    precisions: list[float] = []
    recalls: list[float] = []
    for query, answer in answerable.items():
        relevant = {unit for unit, grade in corpus.qrels[query].items() if grade > 0}
        by_number = {passage.n: passage for passage in answer.passages}
        cited = {
            number: {corpus.unit(query, node) for node in by_number[number].nodes} if number in by_number else set()
            for number in {citation.n for citation in answer.citations}
        }
        if cited:
            precisions.append(fmean(bool(units & relevant) for units in cited.values()))
        if relevant:
            recalls.append(len(relevant & set().union(*cited.values())) / len(relevant))
    supported = [float(citation.supported) for answer in asked for citation in answer.citations]
    return CitationScores(_mean(precisions), _mean(recalls), _mean(supported))


def _score_matches(corpus: JudgedCorpus, answerable: Mapping[str, Answer], judge: AnswerJudge | None) -> MatchScores:
    expecting = [(answer, corpus.answers[query]) for query, answer in answerable.items() if query in corpus.answers]
    verdicts = [] if judge is None else _judge_all(judge, expecting)
    clear = [float(verdict) for verdict in verdicts if verdict is not None]
    return MatchScores(
        _mean([exact_match(answer.text, expected) for answer, expected in expecting]),
        _mean([token_f1(answer.text, expected) for answer, expected in expecting]),
        _mean([contains_answer(answer.text, expected) for answer, expected in expecting]),
        _mean(clear),
        len(verdicts) - len(clear),
        len(clear) / len(verdicts) if verdicts else None,
    )


def _judge_all(judge: AnswerJudge, expecting: Sequence[tuple[Answer, Sequence[str]]]) -> list[bool | None]:
    """Returns the verdicts; one that can't be had is None, and is told in the log.

    An outage is waited for (see `Patience`); where that is in vain the rest is not asked, and has no verdict.

    Raises:
        ChatModelError: Not one could be had.
    """
    verdicts: list[bool | None] = []
    failures: list[ChatModelError] = []
    patience = Patience(judge.client.retries.cool_down)
    for answer, expected in expecting:
        if patience.spent:
            break
        try:
            verdicts.append(patience.ask(lambda: judge.judge(answer.question, answer.text, expected)))  # noqa: B023
        except ChatModelError as err:
            logger.warning("the judge gave no verdict on %.60r: %s", answer.question, err)
            failures.append(err)
            verdicts.append(None)
    if failures and len(failures) == len(verdicts):
        raise failures[0]
    return verdicts + [None] * (len(expecting) - len(verdicts))


def _refused(answer: Answer) -> float:
    return float(not answer.citations)


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
