import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import LATERAL, as_json, run
from lateral import RAG
from pdfs import make_pdf

HIT_KEYS = {"id", "document_id", "source", "page", "score", "text", "trail"}
CITATION_KEYS = {"n", "document_id", "source", "page", "quote", "boxes", "supported"}


def test_the_main_job_from_a_folder_to_a_cited_answer(home):
    added = run(home, "add", "docs")
    assert added.returncode == 0
    assert "2 added" in added.stdout
    answer = run(home, "ask", "At how many degrees is green tea brewed?")
    assert answer.returncode == 0
    assert "“Green tea is brewed at 80 degrees for two minutes.” [1]" in answer.stdout
    assert f"[1] {Path('docs/tea.txt')} ✓" in answer.stdout


def test_json_shapes_are_those_promised(home):
    added = as_json(home, "add", "docs")
    assert added == {"added": 2, "updated": 0, "unchanged": 0, "removed": 0, "nodes": 5, "failed": [], "skipped": []}
    (hit, *_) = as_json(home, "search", "kettle litres")["hits"]
    assert set(hit) == HIT_KEYS
    assert (hit["source"], hit["page"], hit["text"]) == (
        str(home / "docs/kettle.pdf"),
        1,
        "The kettle holds two litres.",
    )
    assert [set(step) for step in hit["trail"]] == [{"stage", "rank", "score"}] * 3
    answer = as_json(home, "ask", "How many litres does the kettle hold?")
    assert set(answer) == {"answer", "citations", "hits", "degraded"}
    assert [set(citation) for citation in answer["citations"]] == [CITATION_KEYS] * len(answer["citations"])
    assert (answer["citations"][0]["page"], answer["citations"][0]["supported"]) == (1, True)
    assert answer["degraded"] == []


def test_failures_give_exit_1_and_are_named_and_the_rest_is_added(home):
    (home / "docs" / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    (home / "docs" / ".hidden").write_text("x")
    (home / "docs" / "drawing.svg").write_bytes(b"<svg></svg>")
    added = as_json(home, "add", "docs", code=1)
    assert added["added"] == 2
    assert [(Path(it["source"]).name, it["error"]) for it in added["failed"]] == [
        ("broken.pdf", "CorruptDocumentError")
    ]
    assert [Path(it["source"]).name for it in added["skipped"]] == [".hidden", "drawing.svg"]
    shown = run(home, "add", "docs")
    assert shown.returncode == 1
    assert "failed docs/broken.pdf" in shown.stderr
    assert "2 unchanged" in shown.stdout


def test_pages_that_hold_no_text_are_told_at_adding_and_counted_in_the_status(home):
    (home / "docs" / "blank.pdf").write_bytes(make_pdf([[], []]))
    (home / "docs" / "scan.pdf").write_bytes(make_pdf([None, ["text"], None]))
    added = run(home, "add", "docs")
    assert added.stderr.splitlines() == [
        "note docs/blank.pdf: all 2 pages are blank: nothing of it can be found",
        "note docs/scan.pdf: pages 1, 3 have no text layer: run OCR on them first",
    ]
    status = run(home, "status")
    assert "7, 4 without text" in status.stdout
    assert status.stderr == added.stderr


def test_status_shows_small_sizes_and_what_a_format_loses(home):
    run(home, "add", "docs", "--vectors", "int8")
    vectors = next(line for line in run(home, "status").stdout.splitlines() if line.startswith("vectors"))
    assert re.search(r"bi-encoder: 3 as int8, \d+ B, 0\.\d\d% lost$", vectors.rstrip())


def test_sync_remove_status_and_verify(home):
    run(home, "add", "docs")
    (home / "docs" / "tea.txt").unlink()
    assert as_json(home, "sync", "docs")["removed"] == 1
    status = as_json(home, "status")
    assert (status["documents"], status["chunks"], status["pages"]) == (1, 2, 2)
    assert status["retrievers"] == {"bm25": {"language": "english"}, "bi-encoder": {"model": "hash-embedder-64"}}
    assert as_json(home, "verify") == {"problems": [], "remaining": []}
    for segment in (home / ".lateral" / "vectors").iterdir():
        segment.unlink()
    assert "missing" in as_json(home, "verify", code=3)["remaining"][0]["reason"]
    assert as_json(home, "verify", "--repair")["remaining"] == []
    assert as_json(home, "remove", "docs/kettle.pdf")["removed"] == 1
    assert as_json(home, "search", "kettle") == {"hits": []}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("search", "tea"), 3, "no index at"),
        (("add", "nowhere"), 2, "there is no file or folder"),
        (("add", "docs", "--retrievers", "magic"), 2, "there is no retriever named 'magic'"),
        (("add", "docs", "--retrievers", ","), 2, "must name at least one retriever"),
        (("add", "docs", "--language", "klingon"), 2, "language must be one of"),
        (
            ("add", "docs", "--retrievers", "bi-encoder", "--language", "german"),
            2,
            "--language sets the bm25 retriever, which is not among bi-encoder",
        ),
        (("add", "docs", "--chunk-size", "3"), 2, "chunk_size must be at least 8, got 3"),
        (("add", "docs", "--chunk-size", "many"), 2, "many"),
        (("add",), 2, "Missing argument"),
        (("frobnicate",), 2, "No such command"),
        (("add", "docs", "--index", "docs"), 3, "holds other files"),
    ],
)
def test_wrong_calls_end_with_a_sentence_and_the_right_code(home, arguments, code, message):
    done = run(home, *arguments)
    assert done.returncode == code
    assert message in " ".join(done.stderr.split())
    assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments", [("serch",), ("search", "tea", "--top_k", "3"), ("search", "tea", "--wehre", "{}")]
)
def test_what_was_meant_is_guessed_once(home, arguments):
    assert run(home, *arguments).stderr.count("Did you mean") == 1
    assert as_json(home, *arguments, code=2)["error"]["message"].count("Did you mean") == 1


def test_errors_of_usage_are_those_that_typer_raises_whichever_click_it_brings():
    import typer
    from lateral.tools.cli import app

    assert not hasattr(app, "click"), "from 0.26 on Typer raises none of that package's errors"
    assert issubclass(typer.BadParameter, app.ClickException)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("search", "tea", "--top-k", "0"), 2, "top_k must be a whole number of at least 1, got 0"),
        (("search", "tea", "--where", "{page: 3}"), 2, "--where must be JSON"),
        (("search", "tea", "--where", '{"page": {"$like": 3}}'), 2, "$like"),
        (("ask", "  "), 2, "the question is empty"),
        (("add", "docs", "--chunk-size", "100"), 3, "made with chunk_size=512, got 100"),
        (("add", "docs", "--language", "german"), 3, "made with bm25 set to {'language': 'english'}"),
        (("search", "tea", "--index", "docs/tea.txt"), 3, "no index at"),
        (("remove", "milk.txt"), 2, "holds no document 'milk.txt'"),
        (("remove", ""), 2, "must not be empty"),
        (("search", "tea", "--top-k", "many"), 2, "many"),
        (("search",), 2, "Missing argument"),
    ],
)
def test_wrong_calls_on_an_index(shared, arguments, code, message):
    done = run(shared, *arguments)
    assert done.returncode == code
    assert message in " ".join(done.stderr.split())
    if code:
        assert done.stdout == ""
        assert len(done.stderr) > 20
        error = as_json(shared, *arguments, code=code)["error"]
        assert message in " ".join(error["message"].split())


def test_a_where_filter_from_the_shell(shared):
    hits = as_json(shared, "search", "kettle", "--where", '{"page": {"$gte": 2}}')["hits"]
    assert [hit["text"] for hit in hits] == ["Descale it monthly."]


def test_settings_rise_from_file_to_environment_to_flag(home):
    (home / "config" / "lateral").mkdir(parents=True)
    (home / "config" / "lateral" / "config.toml").write_text('index = "of-user"\ntop_k = 1\n')
    as_json(home, "add", "docs")
    assert (home / "of-user" / "catalog.sqlite").is_file(), "the user's file stands over the default"
    assert len(as_json(home, "search", "tea kettle degrees litres")["hits"]) == 1
    (home / "lateral.toml").write_text('model = "hash-embedder-64"\nindex = "of-project"\n')
    as_json(home, "add", "docs")
    assert (home / "of-project").is_dir(), "the project's file stands over the user's"
    as_json(home, "add", "docs", LATERAL_INDEX="of-environment")
    assert (home / "of-environment").is_dir()
    as_json(home, "add", "docs", "--index", "of-flag", LATERAL_INDEX="unused")
    assert (home / "of-flag").is_dir()
    assert not (home / "unused").exists()


def test_settings_for_new_indexes_leave_an_index_that_is_there_alone(home):
    as_json(home, "add", "docs")
    (home / "lateral.toml").write_text('model = "hash-embedder-32"\nchunk_size = 64\nretrievers = ["bm25"]\n')
    assert as_json(home, "add", "docs")["unchanged"] == 2
    assert as_json(home, "status")["retrievers"]["bi-encoder"] == {"model": "hash-embedder-64"}
    as_json(home, "add", "docs", "--index", "new")
    status = as_json(home, "status", "--index", "new")
    assert (list(status["retrievers"]), status["chunk_size"]) == (["bm25"], 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [("indx = 'x'", "indx"), ("top_k = 'many'", "top_k"), ("top_k = [", "settings can't be read")],
)
def test_a_wrong_settings_file_is_named(home, text, message):
    (home / "lateral.toml").write_text(text)
    done = run(home, "status")
    assert done.returncode == 2
    assert message in done.stderr


def test_a_settings_file_that_can_not_be_read_is_told_in_one_sentence(home):
    (home / "lateral.toml").unlink()
    (home / "lateral.toml").symlink_to("/proc/self/mem")
    done = run(home, "status")
    assert done.returncode == 2
    assert "settings can't be read" in done.stderr


def test_the_environment_takes_a_list_with_commas_and_ignores_the_empty(home):
    as_json(home, "add", "docs", LATERAL_RETRIEVERS="bm25,bi-encoder", LATERAL_INDEX="", LATERAL_CHUNK_SIZE="64")
    status = as_json(home, "status")
    assert (list(status["retrievers"]), status["chunk_size"]) == (["bm25", "bi-encoder"], 64)


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_says_that_what_was_committed_is_safe(home, as_json):
    for at in range(2000):
        (home / "docs" / f"{at:04}.txt").write_text(f"file number {at} has some words")
    command = [LATERAL, "add", "docs", *(["--json"] if as_json else [])]
    writer = subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (home / ".lateral" / "vectors").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    writer.send_signal(signal.SIGINT)
    out, noise = writer.communicate(timeout=60)
    assert writer.returncode == 130
    assert "Traceback" not in noise
    said = json.loads(out)["error"]["message"] if as_json else noise
    assert "what was committed is safe, run the same command to go on" in " ".join(said.split())


def test_help_and_version_need_no_index(home):
    assert "Answer questions from a folder" in run(home, "--help").stdout
    assert run(home, "--version").stdout.startswith("lateral 0.")
    for command in ("add", "sync", "remove", "status", "verify", "search", "ask", "doctor"):
        shown = run(home, command, "--help", COLUMNS="100").stdout
        assert "--json" in shown, command


def test_the_lines_of_a_help_text_are_as_long_as_the_terminal_is_wide(home):
    assert "or a folder of documents with a file of questions" in run(home, "evaluate", "--help", COLUMNS="200").stdout


def test_doctor_imports_each_backend_and_gives_the_pip_line_for_what_is_missing():
    from lateral.tools.cli.doctor import Check, diagnose

    works, broken = diagnose([Check("works", "print('1.2')"), Check("broken", "import no_such_module", "colbert")])
    assert (works.works, works.detail, works.install) == (True, "1.2", "")
    assert not broken.works
    assert "No module named 'no_such_module'" in broken.detail
    assert broken.install == "pip install --upgrade 'lateral[colbert]'"


def test_doctor_runs_no_file_of_the_working_directory(home, monkeypatch):
    from lateral.tools.cli.doctor import CHECKS, diagnose

    (home / "bm25s.py").write_text("open('ran', 'w').close()\n")
    monkeypatch.chdir(home)
    (found,) = diagnose([check for check in CHECKS if check.name == "bm25s"])
    assert found.works
    assert not (home / "ran").exists()


def test_doctor_says_which_backend_is_not_used_yet():
    from lateral.tools.cli.doctor import Check, diagnose

    there, missing = diagnose(
        [Check("a", "print('1.2')", "mcp", used=False), Check("b", "import no_such_module", "mcp", used=False)]
    )
    assert (there.works, there.detail) == (True, "1.2 (not used by this version yet)")
    assert (missing.works, missing.install) == (False, "")
    assert missing.detail.endswith("(not used by this version yet)")


def test_doctor_says_what_is_found_of_the_compiler_and_names_no_extra_for_what_is_missing(monkeypatch, capsys):
    from lateral.tools.cli.doctor import CHECKS, diagnose, print_diagnosis

    compiler = [check for check in CHECKS if check.name.startswith("C++ compiler")]
    (found,) = diagnose(compiler)
    assert found.works
    assert found.detail.endswith("(compiles the C++ of PLAID, once)")
    monkeypatch.setenv("CXX", "no-such-compiler")
    (missing,) = diagnose(compiler)
    assert (missing.works, missing.install) == (False, "")
    assert "there is no 'no-such-compiler': `apt-get install g++`" in missing.detail
    print_diagnosis([missing], as_json=False)
    assert "pip install" not in capsys.readouterr().out


@pytest.mark.slow
def test_doctor_finds_every_backend_of_this_environment(home):
    checks = as_json(home, "doctor")["checks"]
    assert [check["name"] for check in checks if not check["works"]] == []


def test_no_hits_behind_a_filter_asks_whether_it_allows_anything(shared):
    assert "Does the filter allow any document?" in run(shared, "search", "tea", "--where", '{"page": 99}').stdout
    assert run(shared, "search", "xylophone", "--where", '{"page": 99}', "--json").returncode == 0


def test_json_has_the_boxes_of_a_quote_on_its_page(shared):
    citation = as_json(shared, "ask", "How many litres does the kettle hold?")["citations"][0]
    assert (citation["source"], citation["page"]) == (str(shared / "docs" / "kettle.pdf"), 1)
    ((left, bottom, right, top),) = citation["boxes"]
    assert 0 < left < right < 612
    assert 0 < bottom < top < 792


def test_an_index_and_its_files_may_be_named_like_markup(home):
    (home / "docs" / "[red]a.txt").write_text("Green [/bold] tea.")
    for command in (("add", "docs"), ("status",), ("verify",), ("search", "tea"), ("ask", "Which tea is green?")):
        done = run(home, *command, "--index", "we[/red]ird")
        assert done.returncode == 0, done.stderr
    assert "we[/red]ird" in run(home, "status", "--index", "we[/red]ird").stdout


def test_a_name_can_not_steer_the_terminal(home):
    evil = "\x1b[31m\x1b]0;owned\x07"
    (home / "docs" / f"{evil}tea.txt").write_text("Black tea is brewed at 95 degrees.")
    (home / "docs" / f"{evil}broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    (home / "docs" / f"{evil}drawing.svg").write_bytes(b"<svg></svg>")
    (home / "docs" / f"two\nlines{evil}.png").write_bytes(b"no picture")
    told = [run(home, "add", "docs"), run(home, "search", "black tea"), run(home, "ask", "How hot is black tea?")]
    (home / "docs" / f"{evil}tea.txt").write_bytes(b"%PDF-1.7 and then nothing")
    told += [run(home, "add", "docs"), run(home, "status"), run(home, "remove", f"{evil}milk.txt")]
    told += [run(home, "--verbose", "add", "docs"), run(home, "add", f"{evil}gone"), run(home, "show", f"{evil}gone")]
    assert [it.returncode for it in told] == [1, 0, 0, 1, 0, 2, 1, 2, 2]
    for it in told:
        assert "\x1b" not in it.stdout + it.stderr
        assert "\x07" not in it.stdout + it.stderr
    assert "tea.txt" in told[1].stdout
    assert "broken.pdf" in told[0].stderr
    assert "failed docs/two lines" in told[0].stderr


def test_a_document_can_not_steer_the_terminal(home):
    # Read from memory: a loader says of a file with such bytes that it is none of text.
    with RAG(home / ".lateral") as rag:
        rag.add({"id": "evil", "text": "The lamp is \x1b[31mred\x1b]0;owned\x07 when the oven is hot."})
    for shown in (run(home, "search", "lamp oven"), run(home, "ask", "Which colour is the lamp when the oven is hot?")):
        assert "lamp is" in shown.stdout
        assert "\x1b" not in shown.stdout
        assert "\x07" not in shown.stdout
