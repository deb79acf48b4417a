"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BaseUrlFlag",
    "ColBERTBitsFlag",
    "ColBERTFlag",
    "ColBERTIndexFlag",
    "ColBERTVectorsFlag",
    "DtypeFlag",
    "FusionFlag",
    "GeneratorFlag",
    "IndexFlag",
    "JsonFlag",
    "KeyFlag",
    "LanguageFlag",
    "ModelFlag",
    "OverlapFlag",
    "RerankDepthFlag",
    "RerankFlag",
    "RetrieversFlag",
    "SizeFlag",
    "StoreFlag",
    "StrictFlag",
    "TopKFlag",
    "VectorsFlag",
    "WhereFlag",
]

IndexFlag = Annotated[
    Path | None,
    typer.Option("--index", help="The index directory (default: .lateral, or $LATERAL_INDEX).", show_default=False),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, and only JSON, on stdout.")]
RetrieversFlag = Annotated[
    str | None,
    typer.Option(
        help="Of a new index, with commas: bm25, bi-encoder, colbert (default: the first two).", show_default=False
    ),
]
ModelFlag = Annotated[
    str | None,
    typer.Option(help="Bi-encoder of a new index, a name or a folder (default: all-MiniLM-L6-v2).", show_default=False),
]
VectorsFlag = Annotated[
    str | None,
    typer.Option(
        help="How a new index stores its vectors: float32, float16, int8 or binary (default: float32).",
        show_default=False,
    ),
]
DtypeFlag = Annotated[
    str | None,
    typer.Option(
        help="What the bi-encoder computes in: auto, float32, bfloat16, float16, or int8 after `lateral quantize` "
        "(default: auto).",
        show_default=False,
    ),
]
StoreFlag = Annotated[
    str | None,
    typer.Option(
        help="How the bi-encoder searches: auto, chroma or chroma://host:port (default: as the index does; a new one "
        "auto: exactly up to 100,000 chunks, through embedded Chroma above, from a process's 101st search on).",
        show_default=False,
    ),
]
ColBERTFlag = Annotated[
    str | None,
    typer.Option(
        "--colbert", help="ColBERT checkpoint of a new index, a name or a folder (default: none).", show_default=False
    ),
]
ColBERTVectorsFlag = Annotated[
    str | None,
    typer.Option(
        help="How a new index stores ColBERT's vectors: float32, float16, int8 or binary (default: float16).",
        show_default=False,
    ),
]
ColBERTIndexFlag = Annotated[
    str | None,
    typer.Option(
        help="How ColBERT searches: exact or plaid (default: as the index does; a new one exact).", show_default=False
    ),
]
ColBERTBitsFlag = Annotated[
    int | None,
    typer.Option(help="How many bits PLAID keeps of a dimension: 1, 2 or 4 (default: 2).", show_default=False),
]
LanguageFlag = Annotated[
    str | None,
    typer.Option(help="Language of a new index's BM25 stemmer, or none (default: english).", show_default=False),
]
SizeFlag = Annotated[
    int | None,
    typer.Option(
        help="Tokens of a new index's chunks at most (default: what the model reads, 512 at most).", show_default=False
    ),
]
OverlapFlag = Annotated[
    int | None, typer.Option(help="Tokens that neighbouring chunks share at most (default: 16).", show_default=False)
]
FusionFlag = Annotated[
    str | None,
    typer.Option(
        help="How rankings are fused: convex, by scores, or rrf, by ranks (default: convex).", show_default=False
    ),
]
RerankFlag = Annotated[
    str | None,
    typer.Option(
        help="The reranker behind the retrievers: cross-encoder=MODEL, a name or a folder; or none (default: none).",
        show_default=False,
    ),
]
RerankDepthFlag = Annotated[
    int | None,
    typer.Option(
        help="How many hits the reranker reads; its time grows with them (default: 50). For `search` and `ask` it "
        "reads no fewer than --top-k.",
        show_default=False,
    ),
]
TopKFlag = Annotated[int | None, typer.Option("--top-k", help="How many hits (default: 10).", show_default=False)]
WhereFlag = Annotated[
    str | None,
    typer.Option(
        help="A filter as JSON over source, page, kind, document_id and metadata such as file_name, with $eq $ne $gt "
        '$gte $lt $lte $in $nin $and $or. Example: {"page": {"$lte": 3}}',
        show_default=False,
    ),
]


GeneratorFlag = Annotated[
    str | None,
    typer.Option(
        help="Chat model that writes the answer (default: none, the answer is quoted from the passages).",
        show_default=False,
    ),
]
BaseUrlFlag = Annotated[
    str | None,
    typer.Option(
        help="The chat model's server, any that speaks OpenAI's format, such as http://localhost:8000/v1 (default: "
        "$OPENAI_BASE_URL, else api.openai.com, which then reads passages of your documents).",
        show_default=False,
    ),
]
KeyFlag = Annotated[
    str | None,
    typer.Option(help="Environment variable with the key (default: OPENAI_API_KEY).", show_default=False),
]
StrictFlag = Annotated[
    bool | None,
    typer.Option("--strict", help="Fail when the chat model can't be had, instead of quoting.", show_default=False),
]
