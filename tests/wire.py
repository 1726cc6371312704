"""The edge of a server that cannot be had here: it speaks PostgreSQL's protocol, and answers what was recorded."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Mapping
from typing import BinaryIO, Self

import attrs

ENCRYPTED = {80877103, 80877104}  # asks for TLS, or for GSS
TEXT = 25  # the type of every answer


@attrs.frozen
class Refusal:
    """An error as the answer."""

    sqlstate: str
    words: str


Answer = str | Refusal


class Recorded:
    """A server that tells `status` of itself at the start. Of a statement that holds one of the texts in `answers` the
    first such answer is given, one row of one column; of every other statement nothing comes."""

    def __init__(self, status: Mapping[str, str], answers: Mapping[str, Answer]) -> None:
        self._status = status
        self._answers = answers
        self.asked: list[str] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        self.url = f"postgresql+psycopg://jobsched:secret@127.0.0.1:{self.port}/jobs"
        self._threads = [threading.Thread(target=self._work, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        for thread in self._threads:
            thread.join(10)

    def _work(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._door.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), client, client.makefile("rb") as stream:
            while struct.unpack("!I", _body(stream)[:4])[0] in ENCRYPTED:
                client.sendall(b"N")
            told = [_message(b"S", _text(name) + _text(value)) for name, value in self._status.items()]
            client.sendall(_message(b"R", bytes(4)) + b"".join(told) + _message(b"K", bytes(8)) + _ready())
            statement = ""
            while (kind := stream.read(1)) and kind != b"X":
                body = _body(stream)
                if kind == b"Q":
                    client.sendall(self._answer(body[:-1].decode()) + _ready())
                elif kind == b"P":
                    statement = body.split(b"\0")[1].decode()
                    client.sendall(_message(b"1"))
                elif kind == b"B":
                    client.sendall(_message(b"2"))
                elif kind == b"E":
                    client.sendall(self._answer(statement))
                elif kind == b"S":
                    client.sendall(_ready())

    def _answer(self, statement: str) -> bytes:
        self.asked.append(statement)
        found = next((answer for words, answer in self._answers.items() if words in statement), None)
        if isinstance(found, Refusal):
            fields = b"SERROR\0" + b"VERROR\0" + b"C" + _text(found.sqlstate) + b"M" + _text(found.words) + b"\0"
            return _message(b"E", fields)
        column = _message(b"T", struct.pack("!H", 1) + _text("answer") + struct.pack("!IHIhih", 0, 0, TEXT, -1, -1, 0))
        word = statement.split(maxsplit=1)[0].upper()
        if found is None:
            return _message(b"C", _text(word)) if word != "SELECT" else column + _message(b"C", _text("SELECT 0"))
        value = found.encode()
        row = _message(b"D", struct.pack("!HI", 1, len(value)) + value)
        return column + row + _message(b"C", _text("SELECT 1"))


def _body(stream: BinaryIO) -> bytes:
    """What follows a length that counts itself."""
    head = stream.read(4)
    if len(head) < 4:
        raise EOFError
    body: bytes = stream.read(struct.unpack("!I", head)[0] - 4)
    return body


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _text(words: str) -> bytes:
    return words.encode() + b"\0"


def _ready() -> bytes:
    return _message(b"Z", b"I")
