"""Measuring retrieval and answers on judged corpora."""

from .answers import AnswerScores, score_answers
from .beir import BeirCorpus, read_beir
from .configuration import Configuration
from .corpus import JudgedCorpus
from .evaluate import evaluate, read_corpus
from .judge import AnswerJudge
from .measures import document_ranking, score_queries, score_run
from .mteb_search import MtebSearch
from .questions import QuestionCorpus, read_questions
from .result import EvaluationResult
from .trec import write_qrels, write_run

__all__ = [
    "AnswerJudge",
    "AnswerScores",
    "BeirCorpus",
    "Configuration",
    "EvaluationResult",
    "JudgedCorpus",
    "MtebSearch",
    "QuestionCorpus",
    "document_ranking",
    "evaluate",
    "read_beir",
    "read_corpus",
    "read_questions",
    "score_answers",
    "score_queries",
    "score_run",
    "write_qrels",
    "write_run",
]
