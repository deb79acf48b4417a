"""One measurement of reading files in a process of its own; prints one JSON object."""

import json
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import psutil
import pypdfium2
from lateral import RAG, BiEncoderRetriever
from lateral.loaders import ParserPool, walk
from lateral.loaders.pdf import read_pdf
from lateral.loaders.worker import map_in_order
from lateral.retrievers import HashEmbedder

MB = 1e6
SAMPLE_SECONDS = 0.01


def add(folder, index):
    """Adds a first set of 30 files, and then the others, with the memory of this process all along."""
    rag = RAG(index, retrievers=("bm25", BiEncoderRetriever(encoder=HashEmbedder(64))))
    first, *others = sorted(Path(folder).iterdir())
    reports = [rag.add(first)]
    process, done = psutil.Process(), threading.Event()
    before = process.memory_info().rss
    peaks = [before]

    def watch():
        while not done.wait(SAMPLE_SECONDS):
            peaks[0] = max(peaks[0], process.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    reports.append(rag.add(others))
    done.set()
    watching.join()
    counts = {name: sum(len(getattr(it, name)) for it in reports) for name in ("failed", "skipped")}
    return {"before_mb": before / MB, "peak_mb": peaks[0] / MB, "added": sum(it.added for it in reports), **counts}


def through_workers(folder, workers):
    """Reads the PDFs through processes that have started."""
    files = list(walk(folder))
    with ParserPool(workers) as pool:
        list(map_in_order(pool.parse, files[:workers], workers=workers))
        start = time.perf_counter()
        pages = sum(len(document.sections) for document in map_in_order(pool.parse, files, workers=workers))
        return timed(start, pages)


def in_process(folder):
    """Reads the PDFs as the parsing process does."""
    paths = warm(folder)
    start = time.perf_counter()
    return timed(start, sum(len(read_pdf(path, path).sections) for path in paths))


def pdfium_alone(folder):
    """Takes the text of the PDFs' pages from pdfium, and does nothing with it."""
    paths = warm(folder)
    start = time.perf_counter()
    pages = 0
    for path in paths:
        with closing(pypdfium2.PdfDocument(path)) as pdf:
            for at in range(len(pdf)):
                with closing(pdf[at]) as page, closing(page.get_textpage()) as textpage:
                    textpage.get_text_bounded()
            pages += len(pdf)
    return timed(start, pages)


def warm(folder):
    paths = [file.path for file in walk(folder)]
    read_pdf(paths[0], paths[0])
    return paths


def timed(start, pages):
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "pages_a_second": pages / seconds}


def main():
    what, *arguments = sys.argv[1:]
    measurements = {
        "add": add,
        "one worker": lambda folder: through_workers(folder, 1),
        "two workers": lambda folder: through_workers(folder, 2),
        "read_pdf": in_process,
        "pdfium": pdfium_alone,
    }
    print(json.dumps(measurements[what](*arguments)))


if __name__ == "__main__":
    main()
