"""Measuring retrieval and answers on judged corpora."""

from .answers import AnswerScores, score_answers
from .beir import BeirCorpus, read_beir
from .compare import compare
from .comparison import Comparison
from .configuration import Configuration
from .corpus import JudgedCorpus
from .estimate import Estimate, estimate
from .evaluate import evaluate, read_corpus
from .folder_pages import read_pages
from .judge import AnswerJudge
from .known_items import known_items
from .llm_questions import llm_questions
from .made_questions import MadeQuestions, write_questions, write_review
from .measures import score_queries
from .mteb_search import MtebSearch
from .questions import QuestionCorpus, read_questions
from .report_html import report_html
from .result import EvaluationResult
from .significance import holm, randomization_test
from .sweep import sweep
from .trec import write_qrels, write_run

__all__ = [
    "AnswerJudge",
    "AnswerScores",
    "BeirCorpus",
    "Comparison",
    "Configuration",
    "Estimate",
    "EvaluationResult",
    "JudgedCorpus",
    "MadeQuestions",
    "MtebSearch",
    "QuestionCorpus",
    "compare",
    "estimate",
    "evaluate",
    "holm",
    "known_items",
    "llm_questions",
    "randomization_test",
    "read_beir",
    "read_corpus",
    "read_pages",
    "read_questions",
    "report_html",
    "score_answers",
    "score_queries",
    "sweep",
    "write_qrels",
    "write_questions",
    "write_review",
    "write_run",
]
