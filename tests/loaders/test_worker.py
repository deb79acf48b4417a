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
    InvalidArgumentError,
    LateralError,
    LimitExceededError,
)
from lateral.loaders.files import SourceFile
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


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Puts a library in the place of selectolax: what it does with the text of a page is the page's text."""
    (tmp_path / "library" / "selectolax").mkdir(parents=True)
    (tmp_path / "library" / "selectolax" / "__init__.py").touch()
    (tmp_path / "library" / "selectolax" / "lexbor.py").write_text(
        "class SelectolaxError(Exception): pass\n"
        "def LexborHTMLParser(text):\n"
        f"    print(text, file=open({str(tmp_path / 'asked')!r}, 'a'))\n"
        "    exec(text, {})\n"
        "    raise SelectolaxError\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "library")
    return lambda: (tmp_path / "asked").read_text().splitlines()


READ = "pass"  # the library does nothing, and says that it has no memory
CRASH = "import os; os.kill(os.getpid(), 11)"


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

    def test_a_process_killed_while_it_reads_is_replaced_if_it_was_not_new(self, make, pool):
        file = make("a.html", b"<p>x" * 300_000)
        before = set(parsers())
        pool.parse(make("b.html", b"one"))
        threading.Timer(0.1, os.kill, [*(set(parsers()) - before), signal.SIGKILL]).start()
        assert pool.parse(file).sections[0].text.startswith("x")

    def test_a_file_that_crashes_its_parser_is_named(self, make, pool, library):
        file = make("a.html", CRASH.encode())
        with pytest.raises(CorruptDocumentError, match=r"a\.html' crashed its parser") as caught:
            pool.parse(file)
        assert caught.value.source == file.path
        assert library() == [CRASH]
        assert pool.parse(make("c.md", b"two")).sections[0].text == "two"

    def test_a_file_that_crashes_a_process_used_before_is_tried_once_on_a_new_one(self, make, pool, library):
        pool.parse(make("b.md", b"one"))
        with pytest.raises(CorruptDocumentError, match=r"a\.html' crashed its parser"):
            pool.parse(make("a.html", CRASH.encode()))
        assert library() == [CRASH, CRASH]

    def test_what_a_library_prints_does_not_end_up_in_the_answer(self, make, pool, library):
        noise = "import os; print('x' * 99, flush=True); os.write(1, b'y' * 99)"
        with pytest.raises(LimitExceededError, match="memory"):
            pool.parse(make("a.html", noise.encode()))
        assert pool.parse(make("c.md", b"two")).sections[0].text == "two"

    @pytest.mark.parametrize("frame", ["b'\\xff' * 4 + b'x' * 99", "b'\\0\\0\\0\\2no'", "b'\\0\\0\\0\\2[]'"])
    def test_an_answer_that_is_none_ends_the_process_that_gave_it(self, make, pool, library, frame):
        hostile = f"""
import os, stat
for name in os.listdir("/proc/self/fd"):  # its answers go through one of the pipes
    try:
        if int(name) > 2 and stat.S_ISFIFO(os.fstat(int(name)).st_mode):
            os.write(int(name), {frame})
    except OSError:
        pass
"""
        with pytest.raises(CorruptDocumentError, match=r"a\.html' crashed its parser"):
            pool.parse(make("a.html", hostile.encode()))

    def test_any_error_of_a_library_is_about_the_file(self, make, pool, library):
        with pytest.raises(CorruptDocumentError, match=r"its parser failed with ZeroDivisionError: division by zero"):
            pool.parse(make("a.html", b"1 / 0"))

    @pytest.mark.slow
    def test_a_hang_ends_even_when_the_process_that_waits_is_gone(self, make, library):
        file = make("a.html", b"import os, time; print(os.getpid(), file=open('pid', 'w'), flush=True); time.sleep(99)")
        folder = os.path.dirname(file.path)
        program = f"""
            import os, sys, threading, time
            os.chdir({folder!r})
            sys.path.insert(0, {folder + "/library"!r})
            from lateral.loaders.files import SourceFile
            from lateral.loaders.worker import ParserPool
            def kill():
                while not (os.path.exists("pid") and open("pid").read()):
                    time.sleep(0.01)
                os.kill(os.getpid(), 9)
            threading.Thread(target=kill).start()
            ParserPool(seconds_a_file=1).parse(SourceFile({file.path!r}, "html", 3, 0, 0))
        """
        subprocess.run([sys.executable], input=textwrap.dedent(program), capture_output=True, text=True, check=False)
        with open(f"{folder}/pid") as stream:
            hanging = int(stream.read())
        assert ended(hanging, seconds=12)  # a second for the file, and five more

    def test_a_library_that_does_not_load_is_told_with_its_last_words(self, make, tmp_path, monkeypatch):
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "resource.py").write_text("raise RuntimeError('no resources here')")
        monkeypatch.syspath_prepend(tmp_path / "broken")
        before = set(parsers())
        with ParserPool() as pool, pytest.raises(LateralError, match=r"did not start: (?s:.)*no resources here"):
            pool.parse(make("a.html", b"one"))
        assert {child.pid for child in children()} == before

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
        assert ended(int(result.stdout), seconds=10)

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

    def test_close_ends_a_process_that_is_only_starting(self, make, tmp_path, monkeypatch):
        (tmp_path / "slow").mkdir()
        (tmp_path / "slow" / "resource.py").write_text("import time; time.sleep(20)")
        monkeypatch.syspath_prepend(tmp_path / "slow")
        before, begun = set(parsers()), time.monotonic()
        pool = ParserPool(1)

        def close_when_started():
            while set(parsers()) == before:
                time.sleep(0.01)
            pool.close()

        closer = threading.Thread(target=close_when_started)
        closer.start()
        with pytest.raises(LateralError, match="this parser pool is closed"):
            pool.parse(make("a.html", b"one"))
        closer.join()
        assert time.monotonic() - begun < 15
        assert {child.pid for child in children()} == before

    def test_a_process_given_back_to_a_closed_pool_ends(self):
        # Its answer may have come just before the pool was closed: too short a moment to be met from outside.
        before = {child.pid for child in children()}
        pool = ParserPool(1)
        worker = pool._start()
        pool.close()
        pool._give_back(worker, healthy=True)
        assert {child.pid for child in children()} == before

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"max_workers": 0}, "max_workers .* got 0"),
            ({"seconds_a_file": 0}, "seconds_a_file .* got 0"),
            ({"seconds_a_file": float("nan")}, "seconds_a_file .* got nan"),
            ({"seconds_a_file": float("inf")}, "seconds_a_file .* at most 86400, got inf"),
        ],
    )
    def test_bounds(self, options, match):
        with pytest.raises(InvalidArgumentError, match=match):
            ParserPool(**options)


def ended(pid, *, seconds):
    """Whether a process ends in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


class TestMapInOrder:
    def test_no_items_give_nothing(self):
        assert list(map_in_order(str, [], workers=2)) == []

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
