"""Pages shown to a chat model as pictures: against a real server, drawn by the real parser."""

import base64
import io
import json

import openai_server as wire
import pytest
from chat_clients import QUICK, SHORT
from lateral.errors import ChatModelError, InvalidArgumentError
from lateral.llm import ChatClient
from lateral.rag.evaluation import llm_questions, read_pages
from lateral.rag.evaluation.page_asking import PageAsker
from lateral.rag.evaluation.page_pictures import PagePictures
from openai_server import OpenAIServer
from pdfs import make_pdf
from PIL import Image

LINES = [f"Line {at}: the pump of the village well was repaired in spring." for at in range(8)]
SEEN = {"question": "How many litres does the village well give a day?", "answer": "Chart: 4200 litres"}


@pytest.fixture
def ask(tmp_path):
    """Has the model behind a server ask about a PDF's page, with its picture, and about a text file."""

    def run(server, files=None, **more):
        for name, raw in (files or {"well.pdf": make_pdf([LINES])}).items():
            (tmp_path / name).write_bytes(raw)
        read = read_pages(tmp_path)
        client = ChatClient("stub", base_url=server.url, deadlines=SHORT, retries=QUICK)
        with PagePictures(read.files) as pictures:
            asker = PageAsker(client, pictures)
            return llm_questions(read.pages, asker, count=more.pop("count", 5), **more), asker

    return run


def reply(**row):
    return wire.whole(json.dumps({"questions": [row]}), usage=(900, 20))


def has_picture(body):
    return not isinstance(body["messages"][-1]["content"], str)


def refusing_pictures(answer, *, code=400):
    """Answers text, and refuses what holds a picture, as servers of models without eyes do."""

    def step(exchange):
        refused = wire.status(code, "image_url is not supported by this model")
        (refused if has_picture(exchange.body) else answer)(exchange)

    return step


def test_a_page_is_shown_beside_its_text(ask):
    with OpenAIServer(default=reply(**SEEN)) as server:
        made, asker = ask(server)
    system, user = server.requests[0]["messages"]
    assert "such as a figure, a chart or a table, ask about that" in system["content"]
    text, picture = user["content"]
    assert text["text"].startswith('<passage n="1" source="well.pdf" page="1">\nLine 0')
    sent = base64.b64decode(picture["image_url"]["url"].partition(",")[2])
    assert Image.open(io.BytesIO(sent)).size == (827, 1170)
    assert (asker.pictured, asker.usage.prompt_tokens) == (1, 900)
    assert [(it.question, it.file, it.page) for it in made.questions] == [(SEEN["question"], "well.pdf", 1)]


def test_an_answer_that_only_the_picture_bears_out_is_left_out(ask):
    with OpenAIServer(default=reply(**SEEN)) as server:
        made, _ = ask(server)
    (found,) = made.questions
    assert found.answer == ""
    assert "answer" not in found.as_dict()
    assert "Line 0" in found.passage


def test_an_answer_that_stands_in_the_text_stays(ask):
    with OpenAIServer(default=reply(question="When was the village pump repaired?", answer="in  SPRING")) as server:
        made, _ = ask(server)
    (found,) = made.questions
    assert (found.answer, found.passage) == ("in SPRING", LINES[0])


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("How many litres does the picture show for the well?", "speaks of the picture"),
        ("How many litres does this document give for the well?", "speaks of the passage"),
        ("Who won the cup?", "does not find its page"),
    ],
)
def test_a_question_must_still_stand_alone_and_find_its_page(ask, question, reason):
    with OpenAIServer(default=reply(question=question, answer="4200")) as server:
        made, _ = ask(server)
    assert (made.questions, made.dropped) == ((), {reason: 1})


def test_a_page_with_little_text_is_asked_about_when_it_is_seen(ask):
    with OpenAIServer(default=reply(**SEEN)) as server:
        made, _ = ask(server, {"chart.pdf": make_pdf([["Village well, litres a day"]])})
    assert len(made.questions) == 1


def test_files_without_pages_are_shown_as_text(ask):
    text = reply(question="What was repaired in spring?", answer="pump of the village well")
    with OpenAIServer(default=text) as server:
        made, asker = ask(server, {"well.txt": "\n".join(LINES).encode()})
    assert (len(made.questions), asker.pictured) == (1, 0)
    assert not has_picture(server.requests[0])
    assert "picture" not in server.requests[0]["messages"][0]["content"]


@pytest.mark.parametrize("code", [400, 404, 415, 500])
def test_a_model_that_takes_no_pictures_is_told_from_one_that_is_not_there(ask, code):
    answer = reply(**SEEN)
    with OpenAIServer(default=refusing_pictures(answer, code=code)) as server:
        with pytest.raises(InvalidArgumentError, match=r"replies to a page's text, and not.*leave out --images"):
            ask(server)
        with pytest.raises(InvalidArgumentError, match=f"answered {code}: image_url is not supported"):
            ask(server)
    assert [has_picture(it) for it in server.requests[-2:]] == [True, False]


def test_a_server_that_refuses_text_too_has_its_own_error(ask):
    with (
        OpenAIServer(default=wire.status(401, "wrong key")) as server,
        pytest.raises(ChatModelError, match="wrong key"),
    ):
        ask(server)


def test_one_picture_that_is_refused_after_others_is_one_question_less(ask):
    pages = {"a.pdf": make_pdf([LINES]), "b.pdf": make_pdf([[line.replace("pump", "bucket") for line in LINES]])}
    with OpenAIServer(reply(**SEEN), wire.status(400, "image too large"), default=reply(**SEEN)) as server:
        made, asker = ask(server, pages)
    assert (len(made.questions), made.dropped, asker.pictured) == (1, {"no reply": 1}, 1)
    assert all(map(has_picture, server.requests))
