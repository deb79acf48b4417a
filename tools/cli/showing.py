"""`lateral show`: a page of a file as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import InvalidArgumentError
from ...output_file import check_free, write_file
from .flags import JsonFlag

if TYPE_CHECKING:
    from ...loaders.boxes import Box
    from ...loaders.files import SourceFile
    from ...loaders.page_image import PageImage
    from ...loaders.worker import ParserPool

__all__ = ["show"]


def show(
    source: Annotated[Path, typer.Argument(help="A PDF or image file; it need not be indexed.", show_default=False)],
    page: Annotated[int, typer.Option(help="The page, or the frame of an image file.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="The PNG file to write (default: NAME-page-N.png, here).", show_default=False),
    ] = None,
    quote: Annotated[
        str | None, typer.Option(help="A text on the page, to be marked in yellow.", show_default=False)
    ] = None,
    dpi: Annotated[float, typer.Option(help="Dots per inch; images are scaled down to them, never up.")] = 150,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write a page of a PDF or image file as a PNG picture, with a quote marked."""
    from ...loaders.files import find_file
    from ...loaders.load import render_page
    from ...loaders.worker import ParserPool

    if out is not None and out.suffix.lower() not in ("", ".png"):
        raise InvalidArgumentError(f"--out writes a PNG picture: name it *.png, got {str(out)!r:.200}")
    target = check_free(out or Path(f"{source.stem}-page-{page}.png"), force=force, flag="--out")
    file = find_file(source)
    with ParserPool(1) as pool:
        marks = _find(pool, file, page, quote) if quote is not None else ()
        picture = render_page(file, page, dpi=dpi, marks=marks, pool=pool)
    write_file(target, picture.png, force=force, flag="--out")
    _print(picture, target, marks, as_json=as_json)


def _find(pool: ParserPool, file: SourceFile, page: int, quote: str) -> tuple[Box, ...]:
    from ...loaders.boxes import Stretch

    found = pool.boxes(file.path, [Stretch(page, quote)])[0] if file.format == "pdf" else ()
    if not found:
        raise InvalidArgumentError(
            f"page {page} of {file.path!r} has no text {quote!r:.80}: give it as it stands there, letter by letter, or "
            "leave --quote out"
        )
    return found


def _print(picture: PageImage, target: Path, marks: tuple[Box, ...], *, as_json: bool) -> None:
    if as_json:
        from .output import print_json

        shown = {name: getattr(picture, name) for name in ("source", "page", "width", "height", "dpi")}
        print_json({**shown, "file": str(target.absolute()), "boxes": [list(box) for box in marks]})
    else:
        from ...retrievers.shading import shown_text

        typer.echo(f"{shown_text(str(target))}: {picture.width} x {picture.height} pixels")
