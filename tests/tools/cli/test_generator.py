"""`lateral ask` with a chat model behind a real server."""

import openai_server as wire
import pytest
from command_line import as_json, run
from openai_server import OpenAIServer, refusing_url

QUESTION = "At how many degrees is green tea brewed?"
KEYS = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}


@pytest.fixture
def indexed(home):
    assert run(home, "add", "docs").returncode == 0
    return home


def test_the_model_writes_the_answer(indexed):
    with OpenAIServer(wire.stream("At 80 degrees [1].")) as server:
        told = run(indexed, "ask", QUESTION, "--generator", "stub", "--base-url", server.url, **KEYS)
    assert told.returncode == 0
    assert told.stdout.startswith("At 80 degrees [1].\n")
    assert server.requests[0]["model"] == "stub"


def test_the_model_can_stand_in_the_settings_file(indexed):
    with OpenAIServer(wire.stream("At 80 degrees [1].")) as server, open(indexed / "lateral.toml", "a") as settings:
        settings.write(f'generator = "stub"\nbase_url = "{server.url}"\napi_key_env = "MY_KEY"\n')
        settings.flush()
        answer = as_json(indexed, "ask", QUESTION, **KEYS, MY_KEY="sk-mine")
    assert answer["answer"] == "At 80 degrees [1]."
    assert server.headers[0]["authorization"] == "Bearer sk-mine"


def test_searching_needs_no_key_for_a_model_in_the_settings_file(indexed):
    with open(indexed / "lateral.toml", "a") as settings:
        settings.write('generator = "gpt"\n')
    assert run(indexed, "search", "tea", **KEYS).returncode == 0
    asked = run(indexed, "ask", QUESTION, **KEYS)
    assert asked.returncode == 2
    assert "OPENAI_API_KEY" in asked.stderr


def test_without_the_model_the_passages_are_printed_and_stderr_says_why(indexed):
    with refusing_url() as url:
        model = ("--generator", "stub", "--base-url", url)
        told = run(indexed, "ask", QUESTION, *model, **KEYS)
        answer = as_json(indexed, "ask", QUESTION, *model, **KEYS)
    assert told.returncode == 0
    assert told.stdout.startswith("“Green tea is brewed at 80 degrees for two minutes.” [1]")
    assert "the answer is the passages: stub" in told.stderr
    assert "stamina" not in told.stderr
    assert answer["degraded"] == ["generator"]


def test_strict_fails_with_a_code_of_its_own(indexed):
    with refusing_url() as url:
        model = ("--generator", "stub", "--base-url", url, "--strict")
        told = run(indexed, "ask", QUESTION, *model, **KEYS)
        failed = as_json(indexed, "ask", QUESTION, *model, code=4, **KEYS)
    assert told.returncode == 4
    assert "stub" in told.stderr
    assert failed["error"]["type"] == "ChatModelUnavailableError"


def test_a_server_without_a_model_is_a_usage_error(indexed):
    told = run(indexed, "ask", QUESTION, "--base-url", "http://127.0.0.1:9/v1", **KEYS)
    assert told.returncode == 2
    assert "--generator MODEL" in told.stderr
