"""`lateral ask` with a chat model behind a real server."""

import openai_server as wire
import pytest
from command_line import as_json, run
from openai_server import OpenAIServer, refusing_url

QUESTION = "At how many degrees is green tea brewed?"
KEYS = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}


def test_the_model_writes_the_answer(shared):
    with OpenAIServer(wire.stream("At 80 degrees [1].")) as server:
        told = run(shared, "ask", QUESTION, "--generator", "stub", "--base-url", server.url, **KEYS)
    assert told.returncode == 0
    assert told.stdout.startswith("At 80 degrees [1].\n")
    assert server.requests[0]["model"] == "stub"


def test_the_model_can_stand_in_the_users_settings_file(indexed):
    own = indexed / "config" / "lateral" / "config.toml"
    own.parent.mkdir(parents=True)
    with OpenAIServer(wire.stream("At 80 degrees [1].")) as server:
        own.write_text(f'generator = "stub"\nbase_url = "{server.url}"\napi_key_env = "MY_KEY"\n')
        answer = as_json(indexed, "ask", QUESTION, **KEYS, MY_KEY="sk-mine")
    assert answer["answer"] == "At 80 degrees [1]."
    assert server.headers[0]["authorization"] == "Bearer sk-mine"


@pytest.mark.parametrize("name", ["base_url", "api_key_env", "API_KEY_ENV"])
def test_a_folder_can_not_say_where_a_key_is_sent_nor_which_variable_is_one(indexed, name):
    with OpenAIServer(wire.stream("At 80 degrees [1].")) as server:
        settings = {"generator": "stub", "base_url": server.url, "api_key_env": "MY_SECRET"}
        flags = [f"--base-url={server.url}"] if name != "base_url" else ["--api-key-env=MY_SECRET"]
        kept = {key: value for key, value in settings.items() if key in ("generator", name.lower())}
        lines = [f'{name if key == name.lower() else key} = "{value}"\n' for key, value in kept.items()]
        (indexed / "lateral.toml").write_text("".join(lines))
        asked = run(indexed, "ask", QUESTION, *flags, **KEYS, MY_SECRET="sk-secret")
    assert server.requests == []
    assert asked.returncode == 2
    told = " ".join(asked.stderr.split())
    assert f"must not set {name.lower()}" in told
    assert f"set LATERAL_{name.upper()}, or write it to ~/.config/lateral/config.toml" in told


def test_a_configuration_folder_that_is_no_absolute_path_is_not_read(indexed):
    own = indexed / "config" / "lateral" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text("top_k = 'many'\n")
    assert run(indexed, "status").returncode == 2
    assert run(indexed, "status", XDG_CONFIG_HOME="config", HOME=str(indexed)).returncode == 0


def test_the_server_can_stand_in_the_environment(shared):
    with OpenAIServer(wire.stream("At 80 degrees [1].")) as server:
        named = {"LATERAL_BASE_URL": server.url, "LATERAL_API_KEY_ENV": "MY_KEY", "LATERAL_GENERATOR": "stub"}
        as_json(shared, "ask", QUESTION, **KEYS, **named, MY_KEY="sk-mine")
    assert server.headers[0]["authorization"] == "Bearer sk-mine"


@pytest.mark.parametrize("url", ["http://[bad", "http://localhost:abc/v1"])
def test_a_malformed_server_is_a_usage_error(shared, url):
    told = run(shared, "ask", QUESTION, "--generator", "stub", "--base-url", url, **KEYS)
    assert told.returncode == 2
    assert "base_url must be such as" in " ".join(told.stderr.split())


def test_searching_needs_no_key_for_a_model_in_the_settings_file(indexed):
    with open(indexed / "lateral.toml", "a") as settings:
        settings.write('generator = "gpt"\n')
    assert run(indexed, "search", "tea", **KEYS).returncode == 0
    asked = run(indexed, "ask", QUESTION, **KEYS)
    assert asked.returncode == 2
    assert "OPENAI_API_KEY" in asked.stderr


def test_without_the_model_the_passages_are_printed_and_stderr_says_why(shared):
    with refusing_url() as url:
        model = ("--generator", "stub", "--base-url", url)
        told = run(shared, "ask", QUESTION, *model, **KEYS)
        answer = as_json(shared, "ask", QUESTION, *model, **KEYS)
    assert told.returncode == 0
    assert told.stdout.startswith("“Green tea is brewed at 80 degrees for two minutes.” [1]")
    assert "the answer is the passages: stub" in told.stderr
    assert "stamina" not in told.stderr
    assert answer["degraded"] == ["generator"]


def test_strict_fails_with_a_code_of_its_own(shared):
    with refusing_url() as url:
        model = ("--generator", "stub", "--base-url", url, "--strict")
        told = run(shared, "ask", QUESTION, *model, **KEYS)
        failed = as_json(shared, "ask", QUESTION, *model, code=4, **KEYS)
    assert told.returncode == 4
    assert "stub" in told.stderr
    assert failed["error"]["type"] == "ChatModelUnreachableError"


def test_a_server_that_the_user_keeps_in_a_file_is_no_error_without_a_model(indexed):
    own = indexed / "config" / "lateral" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('base_url = "http://127.0.0.1:9/v1"\nstrict = true\n')
    asked = run(indexed, "ask", QUESTION, **KEYS)
    assert asked.returncode == 0, asked.stderr
    assert "[1] docs/tea.txt ✓" in asked.stdout


def test_a_server_without_a_model_is_a_usage_error(shared):
    told = run(shared, "ask", QUESTION, "--base-url", "http://127.0.0.1:9/v1", **KEYS)
    assert told.returncode == 2
    assert "--generator MODEL" in told.stderr


@pytest.mark.parametrize("flags", [(), ("--strict",)])
def test_what_is_wrong_with_an_answer_stands_on_a_line_of_its_own(shared, flags):
    with OpenAIServer(wire.reset("Green tea is ")) as server:
        model = ("--generator", "stub", "--base-url", server.url)
        done = run(shared, "ask", QUESTION, *model, *flags, as_on_a_terminal=True, **KEYS)
    assert done.returncode == (4 if flags else 0)
    lines = done.stdout.splitlines()
    assert lines[0] == "Green tea is "
    assert "the connection broke off" in lines[1]
