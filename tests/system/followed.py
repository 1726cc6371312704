"""Follows what changes, as a browser does."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import attrs

from tests.system.daemon import GENEROUS, Daemon


@attrs.define
class Event:
    """One event, as a browser reads it."""

    kind: str
    data: Any
    number: str | None


class Stream:
    """Events as they come."""

    def __init__(self, answer: HTTPResponse) -> None:
        self.answer = answer
        self.last = ""  # the number that a browser would come back with

    def next(self) -> Event:
        """The next event; comments are left out, and numbers are kept."""
        kind = data = ""
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if name == "id":
                self.last = value
            elif name == "event":
                kind = value
            elif name == "data":
                data = value
            elif not line and data:
                return Event(kind, json.loads(data), self.last)
            elif not line and self.answer.closed:
                raise EOFError

    def begun(self) -> Stream:
        """Once the daemon follows."""
        while not self.last:
            line = self.answer.readline().decode()
            if line.startswith("id: "):
                self.last = line.removeprefix("id: ").strip()
        self.answer.readline()
        return self


@contextlib.contextmanager
def followed(daemon: Daemon, query: str = "", last: str | None = None, secret: str = "") -> Iterator[Stream]:
    client = HTTPConnection("127.0.0.1", daemon.port, timeout=GENEROUS)
    headers = {} if last is None else {"Last-Event-ID": last}
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    with contextlib.closing(client):
        client.request("GET", f"/events{query}", headers=headers)
        answer = client.getresponse()
        assert (answer.status, answer.getheader("content-type")) == (200, "text/event-stream")
        yield Stream(answer)
