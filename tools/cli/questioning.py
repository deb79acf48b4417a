"""`lateral questions`: questions about a folder that has none, for `lateral evaluate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import InvalidArgumentError
from ...output_file import check_free
from .flags import BaseUrlFlag, JsonFlag, KeyFlag
from .interruption import Interruption

if TYPE_CHECKING:
    from ...llm import ChatClient
    from ...loaders.node import LoadFailure
    from ...rag.evaluation.folder_pages import FolderPages
    from ...rag.evaluation.made_questions import MadeQuestions
    from ...rag.evaluation.page_asking import PageAsker
    from .settings import Settings

__all__ = ["questions"]

EXIT_FAILED = 1  # some documents failed, as for `lateral add`
SHOWN = 3  # questions printed as examples
WIDTH = 80
READ_OTHERWISE = frozenset({".csv", ".tsv", ".json"})  # by `lateral evaluate`


def questions(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder of documents.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Write the questions here, as JSONL.", show_default=False)],
    review: Annotated[
        Path | None,
        typer.Option(help="Write a list for a person to check: a .md or .html file.", show_default=False),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many questions at most.")] = 100,
    seed: Annotated[int, typer.Option(help="Another number gives other questions.")] = 0,
    language: Annotated[
        str | None,
        typer.Option(
            help="Language of the documents, for the search that checks (default: english).", show_default=False
        ),
    ] = None,
    generator: Annotated[
        str | None,
        typer.Option(
            help="Chat model that writes the questions (default: none, known-item queries, offline).",
            show_default=False,
        ),
    ] = None,
    base_url: BaseUrlFlag = None,
    api_key_env: KeyFlag = None,
    images: Annotated[
        bool,
        typer.Option("--images", help="Show the chat model PDF pages as pictures too; it must take images."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make questions about a folder, each with the file and page that it must find.

    Without a chat model they are known-item queries: salient sentences with words left out, headings, captions and
    titles. `lateral evaluate FOLDER --questions FILE` measures with them.
    """
    context.ensure_object(Interruption).begins_anew()
    from ...rag.evaluation.folder_pages import read_pages
    from .output import waiting
    from .settings import load_settings

    _check_files(out, review, force=force)
    given = load_settings({"language": language, "base_url": base_url, "api_key_env": api_key_env})
    client = _client(generator, given, server_named=base_url is not None, images=images)
    with waiting("Reading the documents ...", off=as_json):
        read = read_pages(folder, besides=[it for it in (out, review) if it is not None])
    with _asking(client, read, images=images) as asker:
        made = _make(read, asker, count=count, seed=seed, language=given.language or "english", quiet=as_json)
    _write(made, folder, out, review, force=force)
    _tell(made, read, {"out": out, "review": review}, asker, as_json=as_json)
    if read.failed:
        raise typer.Exit(EXIT_FAILED)


def _check_files(out: Path, review: Path | None, *, force: bool) -> None:
    """Raises unless the files can be written, before anything expensive is done.

    Raises:
        InvalidArgumentError: One can't be, is there already and not to be replaced, or is named for another form, or
            both are one.
    """
    from ...rag.evaluation.made_questions import REVIEW_SUFFIXES

    check_free(out, force=force, flag="--out")
    if out.suffix.casefold() in READ_OTHERWISE:
        raise InvalidArgumentError(f"--out writes JSONL, and {out.name!r:.80} is none: name it .jsonl")
    if review is not None:
        check_free(review, force=force, flag="--review", suffixes=REVIEW_SUFFIXES)
        if review.resolve() == out.resolve():
            raise InvalidArgumentError("--out and --review name one file: the list for a person is another one")


def _client(model: str | None, settings: Settings, *, server_named: bool, images: bool) -> ChatClient | None:
    """Returns the chat model that writes the questions, None for known items.

    Raises:
        InvalidArgumentError: A flag is for a chat model, and none is named.
    """
    if model is None:
        if server_named or images:
            flag = "--base-url is" if server_named else "--images are"
            raise InvalidArgumentError(f"{flag} for a chat model: name it with --generator MODEL")
        return None
    from ...llm import ChatClient

    return ChatClient(model, base_url=settings.base_url, api_key_env=settings.api_key_env)


def _write(made: MadeQuestions, folder: Path, out: Path, review: Path | None, *, force: bool) -> None:
    """Writes the questions, and the list for a person if one is wanted.

    Raises:
        InvalidArgumentError: There is no question to write, or a file can't be written.
    """
    from ...rag.evaluation.made_questions import write_questions, write_review

    if not made.questions:
        why = ", ".join(f"{number:,} {reason}" for reason, number in made.dropped.items()) or "no page says enough"
        raise InvalidArgumentError(f"no question about '{folder}' could be kept: {why}; {out} is not written")
    write_questions(out, made.questions, force=force)
    if review is not None:
        write_review(review, made.questions, named=out.name, force=force)


@contextmanager
def _asking(client: ChatClient | None, read: FolderPages, *, images: bool) -> Iterator[PageAsker | None]:
    """Gives what shows a chat model the pages, None where there is none; the process that draws them ends after it."""
    from ...rag.evaluation.page_asking import PageAsker
    from ...rag.evaluation.page_pictures import PagePictures

    if client is None or not images:
        yield None if client is None else PageAsker(client)
        return
    with PagePictures(read.files) as pictures:
        yield PageAsker(client, pictures)


def _make(
    read: FolderPages, asker: PageAsker | None, *, count: int, seed: int, language: str, quiet: bool
) -> MadeQuestions:
    from ...rag.evaluation.known_items import known_items
    from ...rag.evaluation.llm_questions import llm_questions
    from .evaluation_output import counting_bars

    if asker is None:
        return known_items(read.pages, count=count, seed=seed, language=language)
    with counting_bars(off=quiet) as bar:
        told = None if bar is None else bar("questions")
        return llm_questions(read.pages, asker, count=count, seed=seed, language=language, on_question=told)


def _tell(
    made: MadeQuestions,
    read: FolderPages,
    files: Mapping[str, Path | None],
    asker: PageAsker | None,
    *,
    as_json: bool,
) -> None:
    from .output import print_json

    if as_json:
        print_json(
            {
                "questions": len(made.questions),
                "by_kind": made.by_kind,
                "documents": len({page.file for page in read.pages}),
                "pages": len(read.pages),
                "dropped": dict(made.dropped),
                **{name: None if path is None else str(path.absolute()) for name, path in files.items()},
                "usage": None if asker is None else asdict(asker.usage),
                "pictured": 0 if asker is None else asker.pictured,
                "failed": [asdict(failure) for failure in read.failed],
            }
        )
    else:
        _print(made, read, files, pictured=0 if asker is None else asker.pictured)


def _print(made: MadeQuestions, read: FolderPages, files: Mapping[str, Path | None], *, pictured: int) -> None:
    from rich.text import Text

    from ...retrievers.shading import shown_text
    from .output import show_source, stdout

    console = stdout()
    kinds = ", ".join(f"{number:,} of kind {kind}" for kind, number in made.by_kind.items())
    documents = len({it.file for it in made.questions})
    console.print(f"{len(made.questions):,} questions about {documents:,} documents: {kinds}")
    if pictured:
        console.print(f"   pages shown as pictures: {pictured:,}")
    for reason, number in made.dropped.items():
        console.print(f"   left out: {number:,} ({reason})")
    for it in made.questions[:SHOWN]:
        where = it.file if it.page is None else f"{it.file}, page {it.page}"
        console.print(Text(_cut(f"   {shown_text(it.question)}")))
        console.print(Text(_cut(f"     in {shown_text(where)}")))
    console.print(Text(f"Written to {shown_text(show_source(str(files['out'])))}"))
    if files["review"] is not None:
        console.print(Text(f"To check: {shown_text(show_source(str(files['review'])))}"))
    _print_failed(read.failed)


def _print_failed(failed: Sequence[LoadFailure]) -> None:
    from rich.text import Text

    from ...retrievers.shading import shown_text
    from .output import LISTED, show_source, stderr

    for failure in failed[:LISTED]:
        place, reason = shown_text(show_source(failure.source, failure.page)), shown_text(failure.reason)
        stderr().print(Text.assemble(("failed", "red"), f" {place}: {reason}"))
    if len(failed) > LISTED:
        stderr().print(f"[red]failed[/red] {len(failed) - LISTED:,} more: --json lists them")


def _cut(line: str) -> str:
    one_line = line.replace("\n", " ")
    return one_line if len(one_line) <= WIDTH else one_line[: WIDTH - 1] + "…"
