"""Servers with a client each."""

import pytest
from chat_clients import KEY, QUICK, SHORT
from lateral.llm import ChatClient
from openai_server import OpenAIServer


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def serve():
    """A factory of servers, with a client each."""
    opened = []

    def make(*script, default=None, deadlines=SHORT, retries=QUICK, **options):
        server = OpenAIServer(*script, default=default)
        client = ChatClient("stub", base_url=server.url, deadlines=deadlines, retries=retries, **options)
        opened.extend([client, server])
        client._connected()  # importing openai is not what these tests time
        return server, client

    yield make
    for it in opened:
        it.close()
