"""Parsing processes, reused from file to file and replaced when a file breaks one."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import IO, Self, TypeVar

from ..errors import (
    CorruptDocumentError,
    InvalidArgumentError,
    LateralError,
    LimitExceededError,
    UnsupportedFormatError,
)
from .boxes import Box, Stretch
from .document import Document
from .files import SourceFile
from .limits import MAX_PAGES, MEMORY_BYTES, RENDER_DPI, SECONDS_A_FILE, SECONDS_A_PAGE
from .page_image import PageImage, check_dpi
from .parsing import HEADER, Json, boxes_of, document_of, page_image_of, write_frame
from .sniff import IMAGE_FORMATS

__all__ = ["ParserPool", "map_in_order"]

START_SECONDS = 30.0  # a start takes 0.1 s; a machine that swaps may need long
MAX_ANSWER_BYTES = 1 << 29  # ten times the largest file: what a hostile parser may make this process hold
READ_BYTES = 1 << 16
MAX_SECONDS_A_FILE = 86_400  # the system's timers count milliseconds in 31 bits
LAST_WORDS_BYTES = 2_000
# The child finds the same modules as this process, whatever its __main__ is; nothing of __main__ is run again.
_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import serve; serve()"

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Hung(Exception):
    """The deadline passed without an answer."""


class _Died(Exception):
    """The process ended without an answer."""


class _Worker:
    """One parsing process. It answers after `wait_until_ready`."""

    def __init__(self) -> None:
        module = __name__.rpartition(".")[0] + ".parsing"
        command = [sys.executable, "-P", "-c", _PROGRAM.format(module=module), json.dumps(_module_path())]
        with contextlib.ExitStack() as undo:
            self._errors: IO[bytes] = undo.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
            )
            undo.pop_all()  # from here on, stop() closes it

    def wait_until_ready(self) -> None:
        """Returns when the process has loaded what it needs."""
        self._read_frame(time.monotonic() + START_SECONDS)

    def ask(self, request: Json) -> Json:
        """Returns the answer, waited for `seconds` and a second more for each page that the file turns out to have."""
        assert self._process.stdin is not None
        deadline = time.monotonic() + request["seconds"]
        try:
            write_frame(self._process.stdin, request)
        except BrokenPipeError as err:
            raise _Died from err
        answer = self._read_frame(deadline)
        if isinstance(pages := answer.get("pages"), int):
            answer = self._read_frame(deadline + SECONDS_A_PAGE * max(0, min(pages, MAX_PAGES)))
        return answer

    def kill(self) -> None:
        """Ends the process; whoever waits for its answer sees its end and calls `stop`."""
        self._process.kill()

    def stop(self) -> int:
        """Ends the process and returns its exit status."""
        self._process.kill()
        status = self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # a request half written
                    stream.close()
        return status

    def last_words(self) -> str:
        """Returns the end of what the process wrote to stderr."""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - LAST_WORDS_BYTES))
        return self._errors.read().decode("utf-8", "replace").strip()

    def _read_frame(self, deadline: float) -> Json:
        size = HEADER.unpack(self._read(HEADER.size, deadline))[0]
        if size > MAX_ANSWER_BYTES:
            raise _Died
        try:
            answer = json.loads(self._read(size, deadline))
        except (ValueError, RecursionError) as err:
            raise _Died from err
        if not isinstance(answer, dict):
            raise _Died
        return answer

    def _read(self, size: int, deadline: float) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        ready = select.poll()  # select.select() refuses descriptors above 1,023
        ready.register(descriptor, select.POLLIN)
        parts = bytearray()
        while len(parts) < size:
            if not ready.poll(math.ceil(max(0.0, deadline - time.monotonic()) * 1000)):
                raise _Hung
            piece = os.read(descriptor, min(READ_BYTES, size - len(parts)))
            if not piece:
                raise _Died
            parts += piece
        return bytes(parts)


def _module_path() -> list[str]:
    try:
        here = os.getcwd()
    except FileNotFoundError:  # the working directory was removed: nothing can be imported from it
        here = ""
    return [found for entry in sys.path if isinstance(entry, str) and (found := entry or here)]


class ParserPool:
    """Parses files in processes of their own, so that no file can crash, hang or take over this one.

    The processes start with the first file, serve many, and are replaced after a crash or a hang. They end with
    `close`, or with this process, however it ends. Threads may share a pool.

    Args:
        max_workers: How many files are parsed at a time.
        seconds_a_file: How long a file may take, besides one second for each of its pages.

    Raises:
        InvalidArgumentError: A bound is not positive, or the time is over a day.
    """

    def __init__(self, max_workers: int = 2, *, seconds_a_file: float = SECONDS_A_FILE) -> None:
        if max_workers < 1:
            raise InvalidArgumentError(f"max_workers must be at least 1, got {max_workers}")
        if not 0 < seconds_a_file <= MAX_SECONDS_A_FILE:
            raise InvalidArgumentError(
                f"seconds_a_file must be above 0 and at most {MAX_SECONDS_A_FILE}, got {seconds_a_file}"
            )
        self.max_workers = max_workers
        self.seconds_a_file = seconds_a_file
        self._slots = threading.BoundedSemaphore(max_workers)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the processes, even busy ones. A closed pool parses nothing more."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for worker in self._busy:
                worker.kill()
        for worker in idle:
            worker.stop()

    def parse(self, file: SourceFile) -> Document:
        """Returns the file's document; waits while all processes are busy.

        Args:
            file: A file found by `walk`.

        Raises:
            CorruptDocumentError: The file breaks its format's rules, or its parser crashed.
            LimitExceededError: It is too large, or took too long or too much memory.
            DocumentError: It can't be read for another reason; the subclass says which.
            LateralError: The pool is closed, or no process can be started.
        """
        request = {"path": file.path, "format": file.format, "seconds": self.seconds_a_file}
        return document_of(self._answer(request), file.path)

    def boxes(self, path: str, stretches: Sequence[Stretch]) -> list[tuple[Box, ...]]:
        """Returns for each stretch of a PDF's text its boxes, see `find_boxes`; waits while all processes are busy.

        Args:
            path: The PDF's absolute path.
            stretches: What to look for; none starts no process.

        Raises:
            ChangedDocumentError: The file can't be opened (any more).
            DocumentError: It can't be read for another reason, as with `parse`.
            LateralError: The pool is closed, or no process can be started.
        """
        if not stretches:
            return []
        seconds = self.seconds_a_file + SECONDS_A_PAGE * len({stretch.page for stretch in stretches})
        asked = [(stretch.page, stretch.text, stretch.start_char) for stretch in stretches]
        answer = self._answer({"path": path, "stretches": asked, "seconds": seconds})
        return boxes_of(answer, path, len(stretches))

    def render(self, file: SourceFile, page: int, *, dpi: float = RENDER_DPI, marks: Sequence[Box] = ()) -> PageImage:
        """Returns a page of a PDF or a frame of an image file as a picture; waits while all processes are busy.

        A PDF's page is drawn as a viewer shows it. An image is turned upright and scaled down to `dpi`, never up.

        Args:
            file: A file found by `walk`.
            page: 1-based page number.
            dpi: Dots per inch.
            marks: What to mark in yellow on a PDF's page: boxes as `boxes` gives them.

        Raises:
            InvalidArgumentError: There is no such page, or `dpi` is not above 0.
            UnsupportedFormatError: The file is neither a PDF nor an image.
            LimitExceededError: The picture would have over 40 megapixels, or takes too long or too much memory.
            DocumentError: The file can't be read for another reason, as with `parse`.
            LateralError: The pool is closed, or no process can be started.
        """
        check_dpi(dpi)
        if file.format != "pdf" and file.format not in IMAGE_FORMATS:
            raise UnsupportedFormatError(
                "only the pages of PDF and image files can be shown: save the document as PDF", source=file.path
            )
        request = {"path": file.path, "format": file.format, "page": page, "dpi": dpi, "marks": list(marks)}
        answer = self._answer({**request, "seconds": self.seconds_a_file + SECONDS_A_PAGE})
        return page_image_of(answer, file.path, page)

    def _answer(self, request: Json) -> Json:
        """Returns the answer of a process to a request about a file, or raises what it says of the file."""
        path = request["path"]
        with self._slots:
            try:
                return self._ask(request)
            except _Hung as err:
                raise LimitExceededError(
                    f"reading the file took over {self.seconds_a_file:g} s and {SECONDS_A_PAGE:g} s a page: split it, "
                    "or open it in its program and save it again",
                    source=path,
                ) from err
            except _Died as err:
                if self._closed:
                    raise LateralError(f"the parser pool was closed while it read {path!r}") from err
                raise CorruptDocumentError(
                    f"{path!r} crashed its parser, as damaged files do and those that unpack to over "
                    f"{MEMORY_BYTES / 1e9:.1f} GB: open it in its program and save it again",
                    source=path,
                ) from err

    def _ask(self, request: Json) -> Json:
        """Returns the answer of a process. Only one that was new to the file proves by its death that the file did it.

        One that has waited since another file may have been ended from outside, by the kernel for lack of memory say.
        """
        worker = self._take_idle()
        if worker is not None:
            try:
                return self._ask_worker(worker, request)
            except _Died:
                if self._closed:
                    raise
        return self._ask_worker(self._start(), request)

    def _ask_worker(self, worker: _Worker, request: Json) -> Json:
        healthy = False
        try:
            answer = worker.ask(request)
            healthy = True
        finally:
            self._give_back(worker, healthy=healthy)
        return answer

    def _take_idle(self) -> _Worker | None:
        with self._lock:
            self._check_open()
            if not self._idle:
                return None
            worker = self._idle.pop()
            self._busy.add(worker)
            return worker

    def _start(self) -> _Worker:
        with self._lock:  # so that `close` ends this one too
            self._check_open()
            try:
                worker = _Worker()
            except OSError as err:
                raise LateralError(
                    f"no parsing process can be started ({err.strerror or err}): close files, or end other programs"
                ) from err
            self._busy.add(worker)
        ready = False
        try:
            worker.wait_until_ready()
            ready = True
        except (_Died, _Hung) as err:
            self._check_open()
            raise LateralError(f"the parsing process did not start: {worker.last_words() or 'no message'}") from err
        finally:
            if not ready:
                self._give_back(worker, healthy=False)
        return worker

    def _check_open(self) -> None:
        if self._closed:
            raise LateralError("this parser pool is closed: make a new one")

    def _give_back(self, worker: _Worker, *, healthy: bool) -> None:
        with self._lock:
            self._busy.discard(worker)
            if healthy and not self._closed:
                self._idle.append(worker)
                return
        worker.stop()


def map_in_order(function: Callable[[Item], Result], items: Iterable[Item], *, workers: int) -> Iterator[Result]:
    """Yields the function's results in the order of the items, computed in threads a little ahead of the reader.

    Args:
        function: Called with each item; what it raises is raised here, at the item's turn.
        items: Taken one by one, at most `workers` ahead of what was yielded.
        workers: How many calls run at a time.
    """
    executor = ThreadPoolExecutor(workers, thread_name_prefix="lateral-loader")
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(executor.submit(function, item))
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
