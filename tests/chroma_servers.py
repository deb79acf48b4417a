"""Real and false Chroma servers on loopback, for tests."""

import http.server
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from lateral.retrievers.chroma.collection import ChromaFailed
from lateral.retrievers.chroma.server import ChromaServer

START_SECONDS = 60


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(folder, port=None):
    """A `chroma run` over the folder; gives its address."""
    port = port or free_port()
    script = shutil.which("chroma", path=str(Path(sys.executable).parent)) or shutil.which("chroma")
    command = [script, "run", "--host", "127.0.0.1", "--port", str(port), "--path", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address, deadline = f"chroma://127.0.0.1:{port}", time.monotonic() + START_SECONDS
        while True:
            try:
                ChromaServer(address).max_rows()
                break
            except ChromaFailed:
                assert server.poll() is None, "chroma run has ended"
                assert time.monotonic() < deadline, "chroma run does not answer"
                time.sleep(0.05)
        yield address
    finally:
        server.kill()
        server.wait()


@contextmanager
def answering(status, body):
    """A server that gives everybody the same answer; gives its address."""
    with _false(status, (body,)) as address:
        yield address


@contextmanager
def dripping():
    """A server whose answer never ends, a byte at a time, each of them soon; gives its address."""

    def drops():
        while True:
            time.sleep(0.1)
            yield b" "

    with _false(200, drops()) as address:
        yield address


@contextmanager
def _false(status, pieces):
    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.end_headers()
            with suppress(OSError):  # the client has gone
                for piece in pieces:
                    self.wfile.write(piece)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"chroma://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
