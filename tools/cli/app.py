"""The command line."""

from __future__ import annotations

import errno
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import ChatModelError, DocumentError, LateralError, StoreError
from .asking import ask, search
from .comparing import compare
from .estimating import estimate
from .evaluating import evaluate
from .explaining import explain
from .flags import (
    ColBERTBitsFlag,
    ColBERTFlag,
    ColBERTIndexFlag,
    ColBERTVectorsFlag,
    DtypeFlag,
    IndexFlag,
    JsonFlag,
    LanguageFlag,
    ModelFlag,
    OverlapFlag,
    RetrieversFlag,
    SizeFlag,
    StoreFlag,
    VectorsFlag,
)
from .importing import import_index
from .interruption import EXIT_INTERRUPTED, Interruption
from .quantizing import quantize
from .questioning import questions
from .showing import show
from .streams import drop_output, open_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from click import ClickException

    from ...rag.indexing.report import AddReport
    from ...rag.pipeline import RAG
    from .settings import Settings
else:
    # From 0.26 on Typer brings a Click of its own, whose errors are not those of the package `click`.
    ClickException = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

__all__ = ["add", "app", "doctor", "main", "remove", "status", "sync", "verify"]

EXIT_FAILED = 1  # some documents failed
EXIT_USAGE = 2
EXIT_INDEX = 3
EXIT_MODEL = 4  # the chat model can't be had, and --strict was given
EXITS = {StoreError: EXIT_INDEX, ChatModelError: EXIT_MODEL, DocumentError: EXIT_FAILED}  # others are EXIT_USAGE
EXIT_FULL = 74  # EX_IOERR of sysexits.h: what there is to say can't be written
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
EXIT_UNREAD = 141  # 128 + SIGPIPE: who read the output, such as `head`, has left

EPILOG = (
    "Exit codes: 0 all well, 1 some documents failed, 2 usage, 3 the index, 4 the chat model, 74 no room to write the "
    "output, 130 interrupted, 141 nobody reads it any more. Settings (index, "
    "retrievers, model, store, vectors, dtype, colbert, colbert_vectors, colbert_index, colbert_bits, language, "
    "chunk_size, chunk_overlap, fusion, rerank, rerank_depth, top_k, generator, base_url, api_key_env, strict) can "
    "stand in lateral.toml, in ~/.config/lateral/config.toml, or in the environment as LATERAL_INDEX and so on; "
    "base_url, api_key_env and a Chroma server as store not in lateral.toml."
)

app = typer.Typer(
    name="lateral",
    help="Answer questions from a folder of text, PDF and Office files, with citations that name file and page.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which joins the lines of a paragraph
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)


def main(interruption: Interruption | None = None) -> None:
    """Runs the command line and ends the process with one of the exit codes of `EPILOG`.

    Args:
        interruption: What handles SIGINT, if anything of ours does.
    """
    open_streams()
    try:
        code = _run(interruption or Interruption(), as_json="--json" in sys.argv)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # Typer and Rich make the one of the other, and the code 1, which is taken
        drop_output()
        code = EXIT_UNREAD
    except OSError as err:
        if err.errno not in FULL:
            raise
        drop_output()
        with suppress(OSError):  # stderr may go to the same place
            _tell("OutputError", f"there is no room to write to ({err.strerror}): make some, and try again", False)
        code = EXIT_FULL
    sys.exit(code)


def _run(interruption: Interruption, *, as_json: bool) -> int:
    """Returns the exit code; what went wrong has been said."""
    try:
        code: int | None = app(standalone_mode=False, obj=interruption)
    except ClickException as err:
        if "Did you mean" in err.message:  # Typer's words, and from 8.4 on Click puts its own behind them
            vars(err)["possibilities"] = None
        if as_json:
            _tell("UsageError", err.format_message(), as_json)
        else:
            from typer.rich_utils import rich_format_error

            rich_format_error(err)
        return EXIT_USAGE
    except typer.Abort:
        code = EXIT_INTERRUPTED
    except Exception as err:
        if interruption.came:  # amid an import, which failed then: as one of a package that is missing, for example
            code = EXIT_INTERRUPTED
        elif isinstance(err, LateralError):
            _tell(type(err).__name__, str(err), as_json)
            return next((code for kind, code in EXITS.items() if isinstance(err, kind)), EXIT_USAGE)
        elif isinstance(err, FileNotFoundError) and not _stands_somewhere():
            _tell("UsageError", "the working directory is gone: change to one that is there", as_json)
            return EXIT_USAGE
        else:
            raise
    if code == EXIT_INTERRUPTED:
        _tell("Interrupted", interruption.words, as_json)
    return code or 0


def _stands_somewhere() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


class _ShownFormatter(logging.Formatter):
    """Makes lines that steer no terminal: they name files, and tell what servers say."""

    def format(self, record: logging.LogRecord) -> str:
        from ...retrievers.shading import shown_text

        return shown_text(super().format(record))


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"lateral {version('lateral')}")
        raise typer.Exit


@app.callback()
def _lateral(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and end.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say on stderr what is loaded and done.")] = False,
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_ShownFormatter("%(message)s"))
    logger = logging.getLogger("lateral")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    logging.getLogger("stamina").setLevel(logging.INFO if verbose else logging.ERROR)  # it tells of every retry


@app.command()
def add(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.", show_default=False)],
    index: IndexFlag = None,
    retrievers: RetrieversFlag = None,
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
    as_json: JsonFlag = False,
) -> None:
    """Index files and folders: what is new or has changed is read, the rest is left as it is."""
    flags = {
        "index": index,
        "retrievers": _split(retrievers),
        "model": model,
        "store": store,
        "vectors": vectors,
        "dtype": dtype,
        "colbert": colbert,
        "colbert_vectors": colbert_vectors,
        "colbert_index": colbert_index,
        "colbert_bits": colbert_bits,
        "language": language,
        "chunk_size": chunk_size,
        "chunk_overlap": chunk_overlap,
    }
    with _rag(_settings(**flags), flags) as rag:
        _change(rag.add, paths, as_json=as_json)


@app.command()
def sync(
    folders: Annotated[list[Path], typer.Argument(help="Folders, as they were added.", show_default=False)],
    index: IndexFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Index what is new or has changed in folders, and remove what is gone from them."""
    with _rag(_settings(index=index)) as rag:
        _change(rag.sync, folders, as_json=as_json)


@app.command()
def remove(
    targets: Annotated[list[str], typer.Argument(help="Paths, folders or document ids.", show_default=False)],
    index: IndexFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Remove documents from the index. Files are never touched."""
    from .output import print_json, print_report

    with _rag(_settings(index=index)) as rag:
        report = rag.remove(targets)
    print_json(report.as_dict()) if as_json else print_report(report)


app.command()(search)
app.command()(ask)
app.command()(explain)
app.command()(show)
app.command("import-ragatouille")(import_index)
app.command()(evaluate)
app.command()(compare)
app.command()(questions)
app.command()(estimate)
app.command()(quantize)


@app.command()
def status(index: IndexFlag = None, as_json: JsonFlag = False) -> None:
    """Print what the index holds and how it was made."""
    from .inspection import print_status

    with _rag(_settings(index=index)) as rag:
        print_status(rag.status(), as_json=as_json)


@app.command()
def verify(
    index: IndexFlag = None,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check every byte of the index; with --repair, mend it."""
    from .inspection import print_verification

    with _rag(_settings(index=index)) as rag:
        report = rag.verify(repair=repair)
    print_verification(report, as_json=as_json)
    if report.remaining:
        raise typer.Exit(EXIT_INDEX)


@app.command()
def doctor(as_json: JsonFlag = False) -> None:
    """Print which models, backends and frameworks work here, and how to install what this version uses."""
    from .doctor import diagnose, print_diagnosis

    print_diagnosis(diagnose(), as_json=as_json)


def _change(change: Callable[..., AddReport], paths: list[Path], *, as_json: bool) -> None:
    from .output import print_json, print_report, progress_bar

    with progress_bar(off=as_json) as on_progress:
        report = change(paths, on_progress=on_progress)
    print_json(report.as_dict()) if as_json else print_report(report)
    if report.failed:
        raise typer.Exit(EXIT_FAILED)


def _settings(**flags: object) -> Settings:
    from .settings import load_settings

    return load_settings(flags)


def _rag(settings: Settings, flags: Mapping[str, object] | None = None) -> RAG:
    from .building import build_rag

    return build_rag(settings, flags or {})


def _split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]


def _tell(error: str, message: str, as_json: bool) -> None:
    if as_json:
        from .output import print_json

        print_json({"error": {"type": error, "message": message}})
        return
    if not message.isprintable():  # what comes after an interruption is, and NumPy may be half imported then
        from ...retrievers.shading import shown_text

        message = shown_text(message)
    typer.secho(message, err=True, fg=typer.colors.RED)
