"""`lateral questions`, and `lateral evaluate` on what it writes."""

import json

import openai_server as wire
import pytest
from command_line import as_json, run
from openai_server import OpenAIServer

KEYS = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}
TEXTS = {
    "bread.txt": "Sourdough rises for twelve hours in a cool cellar. The oven is heated to 230 degrees before baking.",
    "honey.md": "# Honey from forest bees\n\nHoney keeps for decades in closed jars because it holds little water.\n",
}


@pytest.fixture
def papers(home):
    for name, text in TEXTS.items():
        (home / "docs" / name).write_text(text)
    return home


def test_questions_are_made_offline_and_evaluated_right_after(papers):
    made = as_json(papers, "questions", "docs", "--out", "questions.jsonl", **KEYS)
    rows = [json.loads(line) for line in (papers / "questions.jsonl").read_text().splitlines()]
    assert made["questions"] == len(rows) >= 3
    assert (made["documents"], made["pages"], made["failed"]) == (4, 5, [])
    assert sum(made["by_kind"].values()) == len(rows)
    shown = as_json(papers, "evaluate", "docs", "--questions", "questions.jsonl", "--retrievers", "bm25")
    assert sum(shown["judged_by"].values()) == len(rows)
    assert shown["recall@10"] == 1


def test_the_same_command_writes_the_same_bytes(papers):
    for name in ("one.jsonl", "two.jsonl"):
        assert run(papers, "questions", "docs", "--out", name, "--seed", 3, "--count", 2).returncode == 0
    assert (papers / "one.jsonl").read_bytes() == (papers / "two.jsonl").read_bytes()
    assert len((papers / "one.jsonl").read_text().splitlines()) == 2


def test_a_person_sees_examples_and_gets_a_list_to_check(papers):
    done = run(papers, "questions", "docs", "--out", "docs/questions.jsonl", "--review", "review.md")
    assert (done.returncode, done.stderr) == (0, "")
    assert "of kind sentence" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert "Written to docs/questions.jsonl" in done.stdout
    assert "| [ ] | 1 |" in (papers / "review.md").read_text()
    again = run(papers, "questions", "docs", "--out", "docs/questions.jsonl", "--force")
    assert again.returncode == 0  # its own file is no document
    assert as_json(papers, "evaluate", "docs", "--retrievers", "bm25")["documents"] == 4


def test_a_list_to_check_among_the_documents_is_said_where_it_spoils_what_is_measured(papers):
    run(papers, "questions", "docs", "--out", "docs/questions.jsonl", "--review", "docs/review.html")
    done = run(papers, "evaluate", "docs", "--retrievers", "bm25")
    assert done.returncode == 0
    assert "note 1 documents that hold the questions themselves" in done.stderr
    assert "'review.html'" in done.stderr


def test_nothing_is_overwritten_without_force(papers):
    (papers / "mine.jsonl").write_text("mine")
    for flags in (("--out", "mine.jsonl"), ("--out", "new.jsonl", "--review", "docs")):
        assert run(papers, "questions", "docs", *flags).returncode == 2
    assert (papers / "mine.jsonl").read_text() == "mine"
    assert not (papers / "new.jsonl").exists()
    assert "name one file" in run(papers, "questions", "docs", "--out", "a.md", "--review", "a.md").stderr


def test_a_chat_model_writes_them_when_it_is_named(papers):
    (papers / "docs" / "long.txt").write_text("The mill grinds rye on Tuesdays between eight and noon. " * 6)
    text = '{"questions": [{"question": "When does the mill grind rye?", "answer": "on Tuesdays"}]}'
    with OpenAIServer(default=wire.whole(text, usage=(50, 9))) as server:
        model = ("--generator", "stub", "--base-url", server.url)
        made = as_json(papers, "questions", "docs", "--out", "q.jsonl", *model, **KEYS)
    assert made["by_kind"] == {"llm": 1}
    assert made["usage"] == {"prompt_tokens": 50, "completion_tokens": 9}
    assert json.loads((papers / "q.jsonl").read_text())["answer"] == "on Tuesdays"


def test_pages_are_shown_as_pictures_when_that_is_asked_for(papers):
    text = '{"questions": [{"question": "How many litres does the kettle hold?", "answer": "two litres"}]}'
    model = ("--generator", "stub", "--count", 2, "--images")
    with OpenAIServer(default=wire.whole(text, usage=(50, 9))) as server:
        flags = ("questions", "docs", "--out", "q.jsonl", *model, "--base-url", server.url)
        made = as_json(papers, *flags, **KEYS)
        told = run(papers, *flags, "--force", **KEYS)
    assert (made["pictured"], made["by_kind"]) == (2, {"llm": 1})
    assert "pages shown as pictures: 2" in told.stdout
    row = json.loads((papers / "q.jsonl").read_text())
    assert (row["file"], row["page"], row["answer"]) == ("kettle.pdf", 1, "two litres")


def test_a_model_that_takes_no_pictures_is_a_wrong_call(papers):
    def blind(exchange):
        seen = not isinstance(exchange.body["messages"][-1]["content"], str)
        (wire.status(400, "no image input") if seen else wire.whole("{}"))(exchange)

    with OpenAIServer(default=blind) as server:
        model = ("--generator", "stub", "--base-url", server.url, "--images")
        done = run(papers, "questions", "docs", "--out", "q.jsonl", *model, **KEYS)
    assert (done.returncode, "leave out --images" in " ".join(done.stderr.split())) == (2, True)
    assert not (papers / "q.jsonl").exists()


def test_a_model_that_cannot_be_had_has_its_exit_code_and_writes_nothing(papers):
    (papers / "docs" / "long.txt").write_text("The mill grinds rye on Tuesdays between eight and noon. " * 6)
    with OpenAIServer(default=wire.status(401, "wrong key")) as server:  # one that is away is waited for
        model = ("--generator", "stub", "--base-url", server.url)
        done = run(papers, "questions", "docs", "--out", "q.jsonl", *model, **KEYS)
    assert done.returncode == 4
    assert not (papers / "q.jsonl").exists()


def test_wrong_use_is_said(papers):
    told = run(papers, "questions", "docs", "--out", "q.jsonl", "--base-url", "http://127.0.0.1:9/v1")
    assert (told.returncode, "--generator MODEL" in told.stderr) == (2, True)
    told = run(papers, "questions", "docs", "--out", "q.jsonl", "--images")
    assert (told.returncode, "--generator MODEL" in told.stderr) == (2, True)
    told = run(papers, "questions", "docs", "--out", "q.csv")
    assert (told.returncode, "--out writes JSONL, and 'q.csv' is none" in told.stderr) == (2, True)
    assert not (papers / "q.csv").exists()
    (papers / "empty").mkdir()
    failed = as_json(papers, "questions", "empty", "--out", "q.jsonl", code=2)
    assert "holds no text to ask about" in failed["error"]["message"]


def test_files_that_fail_are_named_without_their_control_characters(papers):
    (papers / "docs" / "bad\x1b[31m.pdf").write_bytes(b"%PDF-1.7 nothing")
    done = run(papers, "questions", "docs", "--out", "q.jsonl")
    assert done.returncode == 1
    assert "failed" in done.stderr
    assert "\x1b[31m" not in done.stderr + done.stdout
    assert (papers / "q.jsonl").exists()
