"""LlamaIndex's PDFReader over a folder of PDFs; prints one JSON object. Runs in the peer's own Python."""

import json
import sys
import time
from pathlib import Path

from llama_index.readers.file import PDFReader


def main():
    paths = sorted(Path(sys.argv[1]).iterdir())
    reader = PDFReader()
    start = time.perf_counter()
    pages = sum(len(reader.load_data(path)) for path in paths)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "pages_a_second": pages / seconds}))


if __name__ == "__main__":
    main()
