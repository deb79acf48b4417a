import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest
from lateral.errors import (
    ChangedDocumentError,
    CorruptDocumentError,
    EncryptedDocumentError,
    InvalidArgumentError,
    LateralError,
    LimitExceededError,
)
from lateral.loaders.document import Document
from lateral.loaders.files import SourceFile
from lateral.loaders.node import LoadFailure
from lateral.loaders.parsing import document_of
from lateral.loaders.pdf import read_pdf
from lateral.loaders.worker import ParserPool, map_in_order
from pdfs import make_pdf

NAMES = {".pdf": "pdf", ".html": "html", ".md": "markdown", ".txt": "text"}


@pytest.fixture
def make(tmp_path):
    def write(name, raw):
        path = tmp_path / name
        path.write_bytes(raw)
        return SourceFile(str(path), NAMES[path.suffix], len(raw), 0, 0)

    return write


@pytest.fixture
def pool():
    with ParserPool(1) as made:
        yield made


def children():
    return psutil.Process().children()


def parsers():
    return [child.pid for child in children() if child.status() != psutil.STATUS_ZOMBIE]


class TestParse:
    def test_a_pdf_comes_as_read_here(self, make, pool):
        file = make("a.pdf", make_pdf([["Naïve text."], None], title="Title"))
        assert pool.parse(file) == read_pdf(file.path, file.path)

    @pytest.mark.parametrize("name", ["a.html", "a.md", "a.txt"])
    def test_other_formats_come_too(self, make, pool, name):
        document = pool.parse(make(name, "Naïve text.".encode()))
        assert [section.text for section in document.sections] == ["Naïve text."]

    def test_errors_keep_their_class_reason_and_source(self, make, pool):
        file = make("a.pdf", b"%PDF-1.7 broken")
        with pytest.raises(CorruptDocumentError, match="damaged or no PDF") as caught:
            pool.parse(file)
        assert caught.value.source == file.path

    def test_a_vanished_file_is_told(self, make, pool):
        file = make("a.pdf", b"x")
        os.remove(file.path)
        with pytest.raises(ChangedDocumentError, match="No such file"):
            pool.parse(file)

    def test_one_process_serves_many_files(self, make, pool):
        before = set(parsers())
        pool.parse(make("a.html", b"one"))
        first = set(parsers()) - before
        pool.parse(make("b.pdf", make_pdf([["two"]])))
        assert len(first) == 1
        assert set(parsers()) - before == first

    def test_no_process_starts_before_the_first_file(self):
        before = parsers()
        with ParserPool():
            assert parsers() == before


class TestCrashAndHang:
    def test_a_killed_process_is_replaced(self, make, pool):
        before = set(parsers())
        pool.parse(make("a.html", b"one"))
        os.kill(*(set(parsers()) - before), signal.SIGKILL)
        assert pool.parse(make("b.html", b"two")).sections[0].text == "two"

    def test_a_file_that_crashes_its_parser_is_named(self, make, pool):
        file = make("a.html", b"<p>x" * 2_000_000)
        before = set(parsers())
        pool.parse(make("b.html", b"one"))
        threading.Timer(0.2, os.kill, [*(set(parsers()) - before), signal.SIGSEGV]).start()
        with pytest.raises(CorruptDocumentError, match=r"a\.html' crashed its parser"):
            pool.parse(file)
        assert pool.parse(make("c.html", b"two")).sections[0].text == "two"

    def test_a_hang_ends_at_the_deadline(self, make):
        with ParserPool(1, seconds_a_file=0.3) as pool:
            pool.parse(make("b.html", b"one"))
            begun = time.monotonic()
            with pytest.raises(LimitExceededError, match=r"took over 0\.3 s and 1 s a page"):
                pool.parse(make("a.html", b"<p>x" * 3_000_000))
            assert time.monotonic() - begun < 3
            assert pool.parse(make("c.html", b"two")).sections[0].text == "two"

    def test_memory_is_bounded(self, make):
        with (
            ParserPool(1, seconds_a_file=120) as pool,
            pytest.raises(LimitExceededError, match="memory"),
        ):
            pool.parse(make("a.html", b"<p a b c d e f g h i j>" * 1_500_000))

    def test_an_idle_process_ends_with_the_one_that_started_it(self, make):
        file = make("a.html", b"one")
        program = f"""
            import os, psutil
            from lateral.loaders.files import SourceFile
            from lateral.loaders.worker import ParserPool
            pool = ParserPool()
            assert pool.parse(SourceFile({file.path!r}, "html", 3, 0, 0)).sections[0].text == "one"
            print(psutil.Process().children()[0].pid, flush=True)
            os.kill(os.getpid(), 9)
        """
        # Given on stdin: there is no file that a child could import again as __main__.
        result = subprocess.run(
            [sys.executable], input=textwrap.dedent(program), capture_output=True, text=True, check=False
        )
        assert result.returncode == -signal.SIGKILL, result.stderr
        deadline = time.monotonic() + 10
        while psutil.pid_exists(int(result.stdout)) and time.monotonic() < deadline:
            if psutil.Process(int(result.stdout)).status() == psutil.STATUS_ZOMBIE:
                break
            time.sleep(0.02)
        else:
            assert not psutil.pid_exists(int(result.stdout))

    def test_a_script_without_a_main_guard_runs_once(self, make, tmp_path):
        file = make("a.html", b"one")
        script = tmp_path / "script.py"
        script.write_text(
            "from lateral.loaders.files import SourceFile\n"
            "from lateral.loaders.worker import ParserPool\n"
            "print('begun')\n"
            "with ParserPool() as pool:\n"
            f"    print(pool.parse(SourceFile({file.path!r}, 'html', 3, 0, 0)).sections[0].text)\n"
        )
        result = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
        assert result.stdout == "begun\none\n"
        assert result.stderr == ""

    def test_a_removed_working_directory_is_no_obstacle(self, make, tmp_path, monkeypatch):
        file = make("a.html", b"one")
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        monkeypatch.syspath_prepend("")
        (tmp_path / "here").rmdir()
        with ParserPool() as pool:
            assert pool.parse(file).sections[0].text == "one"


class TestClose:
    def test_close_ends_the_processes(self, make):
        before = set(parsers())
        pool = ParserPool()
        pool.parse(make("a.html", b"one"))
        assert set(parsers()) - before
        pool.close()
        pool.close()
        assert set(parsers()) == before

    def test_a_closed_pool_parses_nothing(self, make):
        pool = ParserPool()
        pool.close()
        with pytest.raises(LateralError, match="this parser pool is closed"):
            pool.parse(make("a.html", b"one"))

    def test_close_ends_a_busy_process(self, make):
        pool = ParserPool(1)
        pool.parse(make("b.html", b"one"))
        threading.Timer(0.2, pool.close).start()
        with pytest.raises(LateralError, match="was closed while it read"):
            pool.parse(make("a.html", b"<p>x" * 3_000_000))

    @pytest.mark.parametrize(
        ("options", "match"),
        [({"max_workers": 0}, "max_workers .* got 0"), ({"seconds_a_file": 0}, "seconds_a_file .* got 0")],
    )
    def test_bounds(self, options, match):
        with pytest.raises(InvalidArgumentError, match=match):
            ParserPool(**options)


class TestMany:
    def test_results_come_in_order_with_failures_in_place(self, make):
        files = [make(f"{at}.html", f"text {at}".encode()) for at in range(7)]
        files.insert(3, make("bad.pdf", b"%PDF-"))
        with ParserPool(2) as pool:
            results = list(pool.parse_many(iter(files)))
        assert [item.source for item in results] == [file.path for file in files]
        assert isinstance(results[3], LoadFailure)
        assert results[3].error == "CorruptDocumentError"
        assert sum(isinstance(item, Document) for item in results) == 7

    def test_no_files_start_nothing(self):
        with ParserPool() as pool:
            assert list(pool.parse_many([])) == []

    def test_map_in_order_runs_only_a_little_ahead(self):
        taken = []

        def items():
            for number in range(100):
                taken.append(number)
                yield number

        results = map_in_order(lambda number: -number, items(), workers=2)
        assert [next(results), next(results)] == [0, -1]
        assert len(taken) <= 5
        results.close()
        assert len(taken) <= 5

    def test_two_files_are_parsed_at_a_time(self):
        together = threading.Barrier(2, timeout=20)
        assert len(list(map_in_order(lambda _: together.wait(), range(4), workers=2))) == 4


class TestAnswers:
    """What a taken-over parser may say."""

    @pytest.mark.parametrize(
        "answer",
        [
            {},
            {"error": "SystemExit", "reason": "", "page": None},
            {"error": "InvalidArgumentError", "reason": "", "page": None},
            {"sections": 3, "metadata": {}, "warnings": []},
            {"sections": [{"text": "x"}], "metadata": {}, "warnings": []},
            {"sections": [], "metadata": {"a": {"b": 1}}, "warnings": []},
        ],
    )
    def test_a_malformed_answer_makes_the_document_corrupt(self, answer):
        with pytest.raises(CorruptDocumentError, match="malformed answer"):
            document_of(answer, "/a.pdf")

    def test_an_error_is_raised_with_our_own_source(self):
        with pytest.raises(EncryptedDocumentError, match="locked") as caught:
            document_of({"error": "EncryptedDocumentError", "reason": "locked", "page": None}, "/a.pdf")
        assert caught.value.source == "/a.pdf"


def test_a_start_imports_only_what_parsing_needs():
    program = "import sys, lateral.loaders.parsing; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "torch", "pypdfium2", "selectolax", "markdown_it"} & set(loaded)
