"""The HTTP side of a hub on this machine: what it is asked, what it answers, and its server."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(content: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(
        status, json.dumps(content).encode(), {"Content-Type": "application/json"} | headers
    )


def fault(status: int, message: str, **headers: str) -> Answer:
    return json_answer({"error": message}, status, **{"X-Error-Message": message} | headers)


Answers = Callable[[str, str, str | None, bytes], Answer]
"""Answers a method, a path, a token and a body."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, answers: Answers, *args: Any) -> None:
        self.answers = answers
        super().__init__(*args)

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET

    def _serve(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
        answer = self.answers(self.command, self.path, token, self._body())
        try:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.content)
        except ConnectionError:  # whoever asked was killed
            self.close_connection = True

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Nothing: stderr belongs to the tests."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing where whoever asked was killed."""


@contextmanager
def serving(answers: Answers) -> Iterator[str]:
    """The URL of a free port of this machine that answers so while the block runs."""
    server = _Server(("127.0.0.1", 0), partial(_Handler, answers))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
