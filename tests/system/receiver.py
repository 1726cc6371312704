"""Somebody who is told: a real HTTP server beside the test, which keeps what comes."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs

from tests.system.caller import Caller
from tests.system.daemon import Daemon, until

SECRET = "a secret of some length"
FAILS = "#!/bin/sh\nexit 3\n"
WORKS = "#!/bin/sh\n"


@attrs.frozen
class Told:
    """One request; names of headers in lower case."""

    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Receiver:
    """Answers with `answers`, the last of them for ever: a status; a status, headers and a body, after which it goes on
    for ever if that is None; or None to say nothing until `close`."""

    def __init__(self, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.came: list[Told] = []
        self.answers: list[Any] = [204]
        self.silence = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._requests())
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/hook", scheme: str = "http") -> str:
        return f"{scheme}://{self.place}{path}"

    def events(self) -> list[str]:
        return [told.json["event"] for told in self.came]

    def told(self, number: int = 1) -> Told:
        """The request that made them `number`, when it has come."""
        return until(lambda: len(self.came) >= number and self.came)[number - 1]

    def close(self) -> None:
        self.silence.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _requests(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Request(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.came.append(Told(self.path, headers, content))
                answer = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                if answer is None:
                    receiver.silence.wait()
                    return
                status, more, body = answer if isinstance(answer, tuple) else (answer, {}, b"")
                self.send_response(status)
                length = {} if body is None else {"Content-Length": str(len(body))}
                for name, value in {**length, **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                if body is None:
                    receiver.silence.wait()
                else:
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        return Request


@contextlib.contextmanager
def receiver_at(port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """One that is gone afterwards."""
    receiver = Receiver(port, context)
    try:
        yield receiver
    finally:
        receiver.close()


def allow(daemon: Daemon, *receivers: Receiver) -> None:
    daemon.options(f"NOTIFY_SECRET = {SECRET!r}\nNOTIFY_PRIVATE = True")
    daemon.options(f"NOTIFY_HOSTS = {[receiver.place for receiver in receivers]!r}")
    daemon.script("fails", FAILS)
    daemon.script("works", WORKS)


def deliveries(ask: Caller, path: str, state: str = "") -> list[Any]:
    return [each for each in ask.get(f"{path}/deliveries")["values"] if state in ("", each["state"])]


def delivery(ask: Caller, path: str, state: str) -> Any:
    """The one that came into that state."""
    [found] = until(lambda: deliveries(ask, path, state))
    return found


def failed(ask: Caller, task: str = "fails", **more: Any) -> str:
    """The path of a run that failed."""
    run = ask.run(ask.make(task, **more))
    assert ask.ended(run)["state"] == "failed"
    return run
