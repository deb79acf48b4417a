"""`lateral evaluate`: how good and how fast a configuration is on a judged corpus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import ChatModelError, InvalidArgumentError
from ...output_file import check_free
from .flags import (
    BaseUrlFlag,
    ColBERTBitsFlag,
    ColBERTFlag,
    ColBERTIndexFlag,
    ColBERTVectorsFlag,
    DtypeFlag,
    GeneratorFlag,
    JsonFlag,
    KeyFlag,
    LanguageFlag,
    ModelFlag,
    OverlapFlag,
    RerankDepthFlag,
    RerankFlag,
    RetrieversFlag,
    SizeFlag,
    StoreFlag,
    VectorsFlag,
)
from .interruption import INDEX_KEEPS, Interruption

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

ANSWERING = ("generator", "base_url", "api_key_env")  # settings that say what writes answers

EXIT_FAILED = 1  # some documents failed, as for `lateral add`
EXIT_MODEL = 4  # the judge can't be had; retrieval was measured all the same

QuestionsFlag = Annotated[
    Path | None,
    typer.Option(
        help="CSV, JSONL or JSON with question, file, page, answer (default: CORPUS/questions.jsonl, .csv or .json).",
        show_default=False,
    ),
]
SplitFlag = Annotated[
    str | None,
    typer.Option(
        help="Judgements of a BEIR corpus: qrels/SPLIT.tsv (default: the first of test, dev, validation, train).",
        show_default=False,
    ),
]
FusionFlag = Annotated[
    str | None, typer.Option(help="How rankings are fused (default: as `lateral search` does).", show_default=False)
]
DepthFlag = Annotated[
    int,
    typer.Option("--top-k", help="How many hits each query is asked for; answers are made of as many as for `ask`."),
]
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
    context: typer.Context,
    corpus: Annotated[
        Path,
        typer.Argument(help="A folder in BEIR form, or of documents with a questions file.", show_default=False),
    ],
    questions: QuestionsFlag = None,
    split: SplitFlag = None,
    retrievers: RetrieversFlag = None,
    fusion: FusionFlag = None,
    rerank: RerankFlag = None,
    rerank_depth: RerankDepthFlag = None,
    top_k: DepthFlag = 100,
    model: ModelFlag = None,
    store: StoreFlag = None,
    vectors: VectorsFlag = None,
    dtype: DtypeFlag = None,
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
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure how well and how fast one configuration finds what is judged relevant.

    CORPUS is a folder in BEIR form (corpus.jsonl, queries.jsonl, qrels/test.tsv), or a folder of documents with a file
    of questions: question, and the file and page that answer it, or an answer that must be found.
    """
    if index is None:
        context.ensure_object(Interruption).begins_anew(INDEX_KEEPS)
    from ...rag.evaluation import read_corpus
    from .building import MAKING

    if generator is not None and not (answers or judge):
        raise InvalidArgumentError("--generator writes answers: add --answers to score them")
    if base_url is not None and not (answers or judge):
        raise InvalidArgumentError("--base-url is for a chat model: add --answers with --generator, or --judge")
    flags = {name: context.params[name] for name in (*MAKING, *ANSWERING)}  # the options above that are settings
    outputs = _checked_outputs({"run": run_out, "qrels": qrels_out}, force=force)
    judged = read_corpus(corpus, questions=questions, split=split)
    judged = judged if limit is None else judged.sampled(limit)
    with index_folder(index) as folder:
        stages = {"fusion": fusion, "rerank": rerank, "rerank_depth": rerank_depth}
        configuration = read_configuration(flags, folder, stages, top_k=top_k)
        answering = _answering(judged, flags, configuration, folder, judge=judge) if answers or judge else None
        result, lost = _evaluated(judged, configuration, folder, answering, quiet=as_json)
    _hand_out(result, judged, outputs, lost=lost, as_json=as_json)
    if lost is not None or result.failed:
        raise typer.Exit(EXIT_FAILED if lost is None else EXIT_MODEL)


def _checked_outputs(named: Mapping[str, Path | None], *, force: bool) -> dict[str, Path]:
    """Returns the files that are to be written, before anything expensive is done.

    Raises:
        InvalidArgumentError: One can't be written, is there already and not to be replaced, or both are one.
    """
    outputs = {
        name: check_free(path, force=force, flag=f"--{name}-out") for name, path in named.items() if path is not None
    }
    if len({path.resolve() for path in outputs.values()}) < len(outputs):
        raise InvalidArgumentError("--run-out and --qrels-out name one file: the judgements are another one")
    return outputs


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
    flags: Mapping[str, Any], folder: Path, stages: Mapping[str, Any], *, top_k: int
) -> Configuration:
    """Returns what is evaluated: flags over settings for a new index, flags alone for one that is there.

    Args:
        flags: What was given on the command line of what makes an index, by the names of the settings.
        folder: Where the index is or will be.
        stages: The same of "fusion", "rerank" and "rerank_depth".
        top_k: How many hits a query is asked for.

    Raises:
        InvalidArgumentError: A flag sets a retriever that is not among those named.
    """
    from ...rag.evaluation import Configuration
    from ...rag.indexing.setup import made_config
    from ...retrievers.registry import DEFAULT_RETRIEVERS
    from .building import rerank_depth
    from .settings import load_settings

    read = load_settings({**flags, **stages})
    given = {name: getattr(read, name) if flags[name] is not None else None for name in flags}
    made = made_config(folder)
    making: dict[str, Any] = (
        {name: getattr(read, name) for name in flags} if made is None else {**given, "dtype": read.dtype}
    )
    names = tuple(making["retrievers"] or ()) or None
    if names is None and making["colbert"] is not None and made is None:
        names = (*DEFAULT_RETRIEVERS, "colbert")  # who names a checkpoint wants it used
    settings = _retriever_settings(
        making, given, names or (DEFAULT_RETRIEVERS if made is None else [it.name for it in made.retrievers])
    )
    return Configuration(
        names,
        read.fusion,
        read.rerank,
        top_k,
        settings,
        making["chunk_size"],
        making["chunk_overlap"],
        rerank_depth(read, stages),
    )


def _retriever_settings(
    making: Mapping[str, Any], given: Mapping[str, Any], names: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Returns the settings of the retrievers that are opened; those of others are an error only as flags."""
    from .building import SETS

    settings: dict[str, dict[str, str]] = {}
    for key, (name, argument) in SETS.items():
        if given[key] is not None and name not in names:
            flag = key.replace("_", "-")
            raise InvalidArgumentError(f"--{flag} sets the {name} retriever, which is not among {', '.join(names)}")
        if making[key] is not None and name in names:
            settings.setdefault(name, {})[argument] = str(making[key])
    return settings


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
    from ...rag.evaluation.patient_generator import PatientGenerator
    from ...rag.evaluation.searching import is_whole
    from ...rag.generators.openai_chat import OpenAIGenerator
    from .building import build_generator
    from .settings import load_settings

    settings = load_settings(flags)
    with configuration.open(folder) as rag:
        if not is_whole(configuration, rag):
            raise InvalidArgumentError(f"--answers takes the whole index at '{folder}': leave out --retrievers")
    if judge is not None and not corpus.answers:
        raise InvalidArgumentError(f"--judge compares answers with those expected, and {corpus.name} expects none")
    client = None if judge is None else ChatClient(judge, base_url=settings.base_url, api_key_env=settings.api_key_env)
    writer = build_generator(settings, flags) if settings.generator is not None or client is None else None
    generator = PatientGenerator(writer) if isinstance(writer, OpenAIGenerator) else writer
    return _Answering(generator, None if client is None else AnswerJudge(client), settings.top_k)


def _evaluated(
    corpus: JudgedCorpus, configuration: Configuration, folder: Path, answering: _Answering | None, *, quiet: bool
) -> tuple[EvaluationResult, ChatModelError | None]:
    """Returns the result, and why it has no answers where they were asked for and could not be scored."""
    from ...rag.evaluation import evaluate as run_evaluation
    from ...rag.evaluation import score_answers
    from .evaluation_output import counting_bars

    with counting_bars(off=quiet) as bar:
        documents, queries = (None, None) if bar is None else (bar("documents"), bar("queries"))
        on_index = None if documents is None else lambda progress: documents(progress.done, progress.total)
        result = run_evaluation(corpus, configuration, folder, on_index=on_index, on_query=queries)
        if answering is None:
            return result, None
        with configuration.open(folder, generator=answering.generator) as rag:
            try:
                scores = score_answers(
                    lambda question: rag.ask(question, top_k=answering.top_k),
                    corpus,
                    judge=answering.judge,
                    on_question=None if bar is None else bar("answers"),
                )
            except ChatModelError as err:
                return result, err
    return replace(result, answers=scores), None


def _hand_out(
    result: EvaluationResult,
    corpus: JudgedCorpus,
    outputs: Mapping[str, Path],
    *,
    lost: ChatModelError | None,
    as_json: bool,
) -> None:
    from ...rag.evaluation import write_qrels, write_run
    from .evaluation_output import print_evaluation
    from .output import plain, print_json, stderr

    if "run" in outputs:
        write_run(outputs["run"], result.rankings)
    if "qrels" in outputs:
        write_qrels(outputs["qrels"], corpus.qrels)
    if as_json:
        error = {} if lost is None else {"error": {"type": type(lost).__name__, "message": str(lost)}}
        print_json({**result.as_dict(), **error})
        return
    print_evaluation(result)
    if lost is not None:
        stderr().print(f"[red]failed[/red] the answers could not be scored: {plain(str(lost))}")
