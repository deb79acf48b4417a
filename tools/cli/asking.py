"""`lateral search` and `lateral ask`: what the index has on a question."""

from __future__ import annotations

from itertools import chain
from typing import Annotated

import typer

from .flags import (
    BaseUrlFlag,
    DtypeFlag,
    FusionFlag,
    GeneratorFlag,
    IndexFlag,
    JsonFlag,
    KeyFlag,
    RerankDepthFlag,
    RerankFlag,
    StrictFlag,
    TopKFlag,
    WhereFlag,
)

__all__ = ["ask", "search"]

LOADING = "Loading the model and searching ..."


def search(
    query: Annotated[str, typer.Argument(help="A question or keywords.", show_default=False)],
    index: IndexFlag = None,
    top_k: TopKFlag = None,
    where: WhereFlag = None,
    fusion: FusionFlag = None,
    rerank: RerankFlag = None,
    rerank_depth: RerankDepthFlag = None,
    dtype: DtypeFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Print the best passages for a query, with the rank and score of every stage."""
    from .building import build_rag
    from .output import print_hits, print_json, waiting
    from .settings import load_settings
    from .where import parse_where

    flags = {"fusion": fusion, "rerank": rerank, "rerank_depth": rerank_depth, "dtype": dtype}
    settings = load_settings({"index": index, "top_k": top_k, **flags})
    with build_rag(settings, flags, reranking=True) as rag, waiting(LOADING, off=as_json):
        hits = rag.retrieve(query, settings.top_k, parse_where(where))
    if as_json:
        from ...rag.answer import hit_as_dict

        print_json({"hits": [hit_as_dict(hit) for hit in hits]})
    else:
        print_hits(hits, filtered=where is not None)


def ask(
    question: Annotated[str, typer.Argument(help="A question.", show_default=False)],
    index: IndexFlag = None,
    top_k: TopKFlag = None,
    where: WhereFlag = None,
    fusion: FusionFlag = None,
    rerank: RerankFlag = None,
    rerank_depth: RerankDepthFlag = None,
    dtype: DtypeFlag = None,
    generator: GeneratorFlag = None,
    base_url: BaseUrlFlag = None,
    api_key_env: KeyFlag = None,
    strict: StrictFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Answer a question, citing file and page."""
    from ...retrievers.shading import shown_text
    from .building import build_generator, build_rag
    from .output import print_answer_sources, print_json, waiting, whole_line
    from .settings import load_settings
    from .where import parse_where

    flags = {
        "fusion": fusion,
        "rerank": rerank,
        "rerank_depth": rerank_depth,
        "dtype": dtype,
        "generator": generator,
        "base_url": base_url,
        "api_key_env": api_key_env,
        "strict": strict,
    }
    settings = load_settings({"index": index, "top_k": top_k, **flags})
    with build_rag(settings, flags, generator=build_generator(settings, flags), reranking=True) as rag:
        with waiting(LOADING, off=as_json):
            stream = rag.stream(question, top_k=settings.top_k, where=parse_where(where))
            first = next(stream, "")
        if not as_json:
            with whole_line():
                for piece in chain([first], stream):
                    typer.echo(shown_text(piece), nl=False)
        answer = rag.locate(stream.finish()) if as_json else stream.finish()
    print_json(answer.as_dict()) if as_json else print_answer_sources(answer)
