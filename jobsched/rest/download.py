"""Sending what a run printed, without holding it in memory."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPullProducer
from twisted.web.http import Request
from zope.interface import implementer

CHUNK = 256 * 1024


@implementer(IPullProducer)
class FileSender:
    """Gives `left` bytes of an open file as fast as the client takes them. `done` fires at the end."""

    def __init__(self, request: Request, path: Path) -> None:
        self.done: Deferred[bytes] = Deferred(canceller=lambda _: self.stopProducing())
        self._request = request
        self._file = path.open("rb")
        self._left = path.stat().st_size

    def begin(self) -> None:
        """Start sending."""
        self._request.setHeader(b"content-length", str(self._left).encode())
        self._request.registerProducer(self, streaming=False)

    def resumeProducing(self) -> None:
        data = self._file.read(min(CHUNK, self._left))
        self._left -= len(data)
        if data:
            self._request.write(data)
        if not data or not self._left:
            self._request.unregisterProducer()
            self._close()

    def stopProducing(self) -> None:
        self._close()

    def _close(self) -> None:
        self._file.close()
        if not self.done.called:
            self.done.callback(b"")


async def send_file(request: Request, path: Path) -> bytes:
    """Answer 200 with the file's bytes as plain text; nothing, when there is no file."""
    request.setHeader(b"content-type", b"text/plain; charset=utf-8")
    request.setHeader(b"x-content-type-options", b"nosniff")
    try:
        sender = FileSender(request, path)
    except FileNotFoundError:
        return b""
    sender.begin()
    return await sender.done
