"""The shipped HttpRequest against who never stops to answer."""

import contextlib
import os
import shutil
import socket
import ssl
import threading
from pathlib import Path
from unittest import mock

import attrs

from tests.certificates import pair

from .ground import EVER, RunnerCase

FILE = Path(__file__).parents[2] / "tasks" / "httprequest.py"


class Endless(threading.Thread):
    """Answers one client with `first`, and then with `more` for as long as that is taken.

    A receiver of Twisted's would not do: it heeds that a client of TLS has had enough.
    """

    def __init__(self, first, more, context=None):
        super().__init__(daemon=True)
        self._first, self._more, self._context = first, more, context
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self._leave = False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_why):
        self._leave = True
        self._door.close()

    def run(self):
        with contextlib.suppress(OSError):
            client, _ = self._door.accept()
            with self._context.wrap_socket(client, server_side=True) if self._context else client as wire:
                wire.recv(1024)
                wire.sendall(b"HTTP/1.1 200 OK\r\n" + self._first)
                while not self._leave:
                    wire.sendall(self._more)


class EndlessTests(RunnerCase):
    limits = attrs.evolve(RunnerCase.limits, livetime=EVER, grace=0.2)

    async def get(self, url):
        """The run of a request."""
        shutil.copy(FILE, self.folder)
        return await self.run_of(self.add("request", FILE.name, "HttpRequest", {"url": url}))

    async def test_headers_without_an_end_fill_no_memory(self):
        with Endless(b"", b"X: " + b"x" * 10_000 + b"\r\n") as there:
            run = await self.get(f"http://127.0.0.1:{there.port}/")
            await self.until(lambda: not there.is_alive())
        words = f"http://127.0.0.1:{there.port}: the connection was closed before the whole answer was there"
        self.assert_outcome(run, "failed", words)

    async def test_no_listener_stays_once_the_run_is_over_nor_by_tls(self):
        pair("localhost").put(self.folder)
        context, file = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.folder / "cert.pem"
        context.load_cert_chain(file, self.folder / "key.pem")
        with Endless(b"\r\n", b"x" * 100_000, context) as there:
            with mock.patch.dict(os.environ, {"SSL_CERT_FILE": str(file)}):
                run = await self.get(f"https://localhost:{there.port}/")
            self.assert_outcome(run, "succeeded")
            await self.until(lambda: not there.is_alive())
