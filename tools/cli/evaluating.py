"""`lateral evaluate`: how good and how fast a configuration is on a judged corpus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import InvalidArgumentError
from .flags import (
    BaseUrlFlag,
    ColBERTBitsFlag,
    ColBERTFlag,
    ColBERTIndexFlag,
    ColBERTVectorsFlag,
    GeneratorFlag,
    JsonFlag,
    KeyFlag,
    LanguageFlag,
    ModelFlag,
    OverlapFlag,
    RetrieversFlag,
    SizeFlag,
    StoreFlag,
    VectorsFlag,
)

if TYPE_CHECKING:
    from ...rag.evaluation import AnswerJudge, Configuration, EvaluationResult, JudgedCorpus
    from ...rag.generators.generator import Generator

__all__ = [
    "IndexFolderFlag",
    "LimitFlag",
    "QuestionsFlag",
    "SplitFlag",
    "evaluate",
    "index_folder",
    "read_configuration",
]

EXIT_FAILED = 1  # some documents failed, as for `lateral add`

QuestionsFlag = Annotated[
    Path | None,
    typer.Option(
        help="CSV, JSONL or JSON with question, file, page, answer (default: questions.* in CORPUS).",
        show_default=False,
    ),
]
SplitFlag = Annotated[
    str | None, typer.Option(help="Judgements of a BEIR corpus: qrels/SPLIT.tsv (default: test).", show_default=False)
]
FusionFlag = Annotated[
    str | None, typer.Option(help="How rankings are fused (default: as `lateral search` does).", show_default=False)
]
RerankFlag = Annotated[str, typer.Option(help="The reranker behind the fusion, or none.")]
DepthFlag = Annotated[int, typer.Option("--top-k", help="How many hits each query is asked for.")]
IndexFolderFlag = Annotated[
    Path | None,
    typer.Option(
        "--index",
        help="Keep the index here, and use it when it is there (default: made anew, then removed).",
        show_default=False,
    ),
]
LimitFlag = Annotated[
    int | None, typer.Option(min=1, help="Ask at most so many queries, evenly spread.", show_default=False)
]
RunFlag = Annotated[Path | None, typer.Option(help="Write the rankings as a TREC run.", show_default=False)]
QrelsFlag = Annotated[
    Path | None, typer.Option(help="Write the judgements in TREC's form, to go with the run.", show_default=False)
]
AnswersFlag = Annotated[bool, typer.Option("--answers", help="Answer every question too, and score the answers.")]
JudgeFlag = Annotated[
    str | None,
    typer.Option(help="Chat model that compares answers with those expected (default: none).", show_default=False),
]


def evaluate(
    corpus: Annotated[
        Path,
        typer.Argument(help="A folder in BEIR form, or of documents with a questions file.", show_default=False),
    ],
    questions: QuestionsFlag = None,
    split: SplitFlag = None,
    retrievers: RetrieversFlag = None,
    fusion: FusionFlag = None,
    rerank: RerankFlag = "none",
    top_k: DepthFlag = 100,
    model: ModelFlag = None,
    store: StoreFlag = None,
    vectors: VectorsFlag = None,
    colbert: ColBERTFlag = None,
    colbert_vectors: ColBERTVectorsFlag = None,
    colbert_index: ColBERTIndexFlag = None,
    colbert_bits: ColBERTBitsFlag = None,
    language: LanguageFlag = None,
    chunk_size: SizeFlag = None,
    chunk_overlap: OverlapFlag = None,
    index: IndexFolderFlag = None,
    limit: LimitFlag = None,
    run_out: RunFlag = None,
    qrels_out: QrelsFlag = None,
    answers: AnswersFlag = False,
    generator: GeneratorFlag = None,
    judge: JudgeFlag = None,
    base_url: BaseUrlFlag = None,
    api_key_env: KeyFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure how well and how fast one configuration finds what is judged relevant.

    CORPUS is a folder in BEIR form (corpus.jsonl, queries.jsonl, qrels/test.tsv), or a folder of documents with a file
    of questions: question, and the file and page that answer it, or an answer that must be found.
    """
    flags = {
        "retrievers": retrievers,
        "model": model,
        "store": store,
        "vectors": vectors,
        "colbert": colbert,
        "colbert_vectors": colbert_vectors,
        "colbert_index": colbert_index,
        "colbert_bits": colbert_bits,
        "language": language,
        "chunk_size": chunk_size,
        "chunk_overlap": chunk_overlap,
        "generator": generator,
        "base_url": base_url,
        "api_key_env": api_key_env,
    }
    from ...rag.evaluation import read_corpus
    from ...rag.evaluation.trec import check_writable

    outputs = {name: check_writable(path) for name, path in (("run", run_out), ("qrels", qrels_out)) if path}
    judged = read_corpus(corpus, questions=questions, split=split)
    judged = judged if limit is None else judged.sampled(limit)
    with index_folder(index) as folder:
        configuration = read_configuration(flags, folder, fusion=fusion, reranker=rerank, top_k=top_k)
        answering = _answering(judged, flags, configuration, folder, judge=judge) if answers or judge else None
        if answering is None and generator is not None:
            raise InvalidArgumentError("--generator writes answers: add --answers to score them")
        result = _evaluated(judged, configuration, folder, answering, quiet=as_json)
    _hand_out(result, judged, outputs, as_json=as_json)
    if result.failed:
        raise typer.Exit(EXIT_FAILED)


@contextmanager
def index_folder(named: Path | None) -> Iterator[Path]:
    """Gives the folder that was named, or one that is removed at the end.

    Args:
        named: The folder of an index that is kept, None for one that is not.
    """
    if named is not None:
        yield named
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="lateral-evaluate-") as folder:
        yield Path(folder) / "index"


def read_configuration(
    flags: Mapping[str, Any], folder: Path, *, fusion: str | None, reranker: str, top_k: int
) -> Configuration:
    """Returns what is evaluated: flags over settings for a new index, flags alone for one that is there.

    Args:
        flags: What was given on the command line, by the names of the settings.
        folder: Where the index is or will be.
        fusion: How rankings are fused, None for the default.
        reranker: The reranker's name.
        top_k: How many hits a query is asked for.

    Raises:
        InvalidArgumentError: A flag sets a retriever that is not among those named.
    """
    from ...rag.evaluation import Configuration
    from ...retrievers.registry import DEFAULT_RETRIEVERS
    from ...retrievers.store import Index
    from .building import SETS
    from .settings import load_settings

    read = load_settings(flags)
    given = {name: getattr(read, name) if flags[name] is not None else None for name in flags}
    making = given if Index(folder).exists() else {name: getattr(read, name) for name in flags}
    names = tuple(making["retrievers"] or ()) or None
    if names is None and making["colbert"] is not None and making is not given:
        names = (*DEFAULT_RETRIEVERS, "colbert")  # who names a checkpoint wants it used
    settings: dict[str, dict[str, str]] = {}
    for key, (name, argument) in SETS.items():
        there = names is None or name in names
        if given[key] is not None and not there:
            flag = key.replace("_", "-")
            raise InvalidArgumentError(
                f"--{flag} sets the {name} retriever, which is not among {', '.join(names or ())}"
            )
        if making[key] is not None and there:
            settings.setdefault(name, {})[argument] = str(making[key])
    return Configuration(names, fusion, reranker, top_k, settings, making["chunk_size"], making["chunk_overlap"])


@dataclass(frozen=True, slots=True)
class _Answering:
    """What answers are written with, and judged by."""

    generator: Generator | None
    judge: AnswerJudge | None
    top_k: int


def _answering(
    corpus: JudgedCorpus, flags: Mapping[str, Any], configuration: Configuration, folder: Path, *, judge: str | None
) -> _Answering:
    """Returns what answers are scored with, before anything expensive is done.

    Raises:
        InvalidArgumentError: There is nothing for a judge to compare with, no model for the server that is named, or
            the index holds more retrievers than are evaluated.
    """
    from ...llm import ChatClient
    from ...rag.evaluation import AnswerJudge
    from ...rag.evaluation.searching import is_whole
    from .building import build_generator
    from .settings import load_settings

    settings = load_settings(flags)
    with configuration.open(folder) as rag:
        if not is_whole(configuration, rag):
            raise InvalidArgumentError(f"--answers takes the whole index at '{folder}': leave out --retrievers")
    if judge is not None and not corpus.answers:
        raise InvalidArgumentError(f"--judge compares answers with those expected, and {corpus.name} expects none")
    client = None if judge is None else ChatClient(judge, base_url=settings.base_url, api_key_env=settings.api_key_env)
    generator = build_generator(settings) if settings.generator is not None or client is None else None
    return _Answering(generator, None if client is None else AnswerJudge(client), settings.top_k)


def _evaluated(
    corpus: JudgedCorpus, configuration: Configuration, folder: Path, answering: _Answering | None, *, quiet: bool
) -> EvaluationResult:
    from ...rag.evaluation import evaluate as run_evaluation
    from ...rag.evaluation import score_answers
    from .evaluation_output import counting_bars

    with counting_bars(off=quiet) as bar:
        documents, queries = (None, None) if bar is None else (bar("documents"), bar("queries"))
        on_index = None if documents is None else lambda progress: documents(progress.done, progress.total)
        result = run_evaluation(corpus, configuration, folder, on_index=on_index, on_query=queries)
        if answering is None:
            return result
        with configuration.open(folder, generator=answering.generator) as rag:
            scores = score_answers(
                lambda question: rag.ask(question, top_k=answering.top_k),
                corpus,
                judge=answering.judge,
                on_question=None if bar is None else bar("answers"),
            )
    return replace(result, answers=scores)


def _hand_out(result: EvaluationResult, corpus: JudgedCorpus, outputs: Mapping[str, Path], *, as_json: bool) -> None:
    from ...rag.evaluation import write_qrels, write_run
    from .evaluation_output import print_evaluation
    from .output import print_json

    if "run" in outputs:
        write_run(outputs["run"], result.rankings)
    if "qrels" in outputs:
        write_qrels(outputs["qrels"], corpus.qrels)
    print_json(result.as_dict()) if as_json else print_evaluation(result)
