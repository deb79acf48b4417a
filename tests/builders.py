"""Small real objects for tests."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from lateral.loaders.chunking import Chunker, to_nodes
from lateral.loaders.document import Document, Section
from lateral.loaders.indexed_text import indexed_text
from lateral.loaders.node import Node
from lateral.retrievers.hash_embedder import HashEmbedder
from lateral.retrievers.retriever import Encoder
from lateral.retrievers.store import NewVectors, StoredDocument, Writer, hash_text

EMBEDDER = HashEmbedder(16)


def make_document(source: str, text: str, **metadata) -> tuple[StoredDocument, list[Node]]:
    """A document in memory, as the store takes it."""
    document = Document(source, (Section(text),), metadata)
    nodes = to_nodes(document, Chunker(EMBEDDER.count_tokens, 32, 4))
    return StoredDocument(nodes[0].document_id, source, str(hash_text(text).hex()), None, document.metadata), nodes


def vectors_of(nodes: Iterable[Node], encoder: Encoder = EMBEDDER) -> NewVectors:
    """The vectors of the chunks among the nodes."""
    texts = {hash_text(indexed_text(node)): indexed_text(node) for node in nodes if node.kind == "chunk"}
    return NewVectors(encoder.space, list(texts), encoder.encode_documents(list(texts.values())), [False] * len(texts))


def put(writer: Writer, documents: Sequence[tuple[StoredDocument, list[Node]]]) -> None:
    """Commits documents with the vectors that the index does not hold."""
    new = vectors_of(node for _, nodes in documents for node in nodes)
    known = writer.known_vectors(new.space, new.text_hashes)
    keep = [at for at, text_hash in enumerate(new.text_hashes) if text_hash not in known]
    picked = NewVectors(new.space, [new.text_hashes[at] for at in keep], new.matrix[keep], [False] * len(keep))
    writer.commit(documents, [picked])


FACTS = {
    "honey.txt": "Honey keeps for years in a closed jar. Bees make it from nectar.",
    "bread.txt": "Sourdough rises for twelve hours. The oven is heated to 230 degrees.",
    "tea.txt": "Green tea is brewed at 80 degrees for two minutes.",
}


class CountingEmbedder(HashEmbedder):
    """The hash embedder, with a count of what it encodes, that can be told to fail."""

    def __init__(self, dim=64):
        super().__init__(dim)
        self.encoded = []
        self.fail = False

    def encode_documents(self, texts):
        if self.fail:
            raise RuntimeError("the encoder broke")
        self.encoded += texts
        return super().encode_documents(texts)


def source_names(rag):
    return [Path(source).name for source in rag.status().sources]


def counts(report):
    return report.added, report.updated, report.unchanged, report.removed
