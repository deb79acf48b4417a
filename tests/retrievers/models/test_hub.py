"""Downloads against a hub on this machine. In processes of their own: the client reads its settings at import."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

FILES = ["config.json", "model.safetensors", "pytorch_model.bin", "run.py", "onnx/config.json", "openvino/vocab.txt"]
COMMIT = "c" * 40
DOWNLOAD = """
from lateral.errors import ModelNotFoundError
from lateral.retrievers.models.hub import download_snapshot
try:
    folder = download_snapshot("some/model")
    print(*sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()))
except ModelNotFoundError as err:
    print(err)
"""


class Hub(BaseHTTPRequestHandler):
    """Has the one model some/model, or refuses it with the server's `refusal`: a status and an error code."""

    def do_GET(self):
        status, code = self.server.refusal
        if status != 200:
            self.reply(status, b"", {"X-Error-Code": code})
        elif self.path.startswith("/api/models/"):
            siblings = [{"rfilename": name} for name in FILES]
            self.reply(200, json.dumps({"id": "some/model", "sha": COMMIT, "siblings": siblings}).encode(), {})
        else:
            name = self.path.partition(f"/resolve/{COMMIT}/")[2]
            self.reply(200, name.encode(), {"X-Repo-Commit": COMMIT, "ETag": f'"{name.replace("/", "-")}"'})

    do_HEAD = do_GET

    def reply(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(body), "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def download(tmp_path):
    """What a fresh process says of a download from a hub that answers so."""

    def ask(status=200, code=""):
        with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
            server.refusal = (status, code)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            endpoint = f"http://127.0.0.1:{server.server_port}"
            settings = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", "NO_PROXY": "*"}
            command = [sys.executable, "-c", DOWNLOAD]
            result = subprocess.run(
                command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60, check=False
            )
            server.shutdown()
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    return ask


def test_no_pickles_no_code_and_no_files_of_other_backends_are_downloaded(download):
    assert download() == "config.json model.safetensors"


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "GatedRepo", "the model is gated: accept its licence on the hub and log in"),
        (404, "RepoNotFound", "no public model of this name (check the spelling; log in for a private one)"),
    ],
)
def test_a_refusal_is_told_in_one_line(download, status, code, message):
    assert download(status, code) == message


def test_another_failure_names_its_kind(download):
    assert download(400, "").startswith("failed (")
