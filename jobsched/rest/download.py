"""Sending what a run printed: a file, a range of it, its last lines, or all that comes until the run ends.

Nothing is held in memory but the piece under way, and a slow client slows down nobody else.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPullProducer, IPushProducer
from twisted.web.http import Request
from zope.interface import implementer

from ..model.run import Run
from ..registry import Registry
from .problems import answer
from .route import whole

CHUNK = 256 * 1024
LOOK = 0.1  # seconds between looks at a file that grows
TEXT = b"text/plain; charset=utf-8"
RANGE = re.compile(rb"bytes=(\d*)-(\d*)")


@implementer(IPullProducer)
class FileSender:
    """Gives `left` bytes of an open file as fast as the client takes them. `done` fires at the end."""

    def __init__(self, request: Request, file: BinaryIO, left: int) -> None:
        self.done: Deferred[bytes] = Deferred(canceller=lambda _: self.stopProducing())
        self._request = request
        self._file = file
        self._left = left

    def begin(self) -> None:
        """Start sending."""
        self._request.setHeader(b"content-length", str(self._left).encode())
        self._request.registerProducer(self, False)

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
    """200 or 206: the file's bytes as plain text, or one range of them; nothing, when there is no file."""
    plain_text(request)
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return whole(request, TEXT, b"")
    size = os.fstat(file.fileno()).st_size
    first, last = 0, size - 1
    asked = RANGE.fullmatch(request.getHeader(b"range") or b"")
    begin, end = asked.groups() if asked is not None else (b"", b"")
    backwards = begin and end and int(end) < int(begin)  # is no range (RFC 9110), and ignored as other nonsense is
    if (begin or end) and not backwards:
        if begin:
            first, last = int(begin), min(int(end), size - 1) if end else size - 1
        else:
            first = max(size - int(end), 0)
        if first > last:
            file.close()
            request.setHeader(b"content-range", b"bytes */%d" % size)
            return answer(request, 416, f"the output has {size} bytes")
        request.setResponseCode(206)
        request.setHeader(b"content-range", b"bytes %d-%d/%d" % (first, last, size))
    file.seek(first)
    return await _sent(request, file, last - first + 1)


async def send_tail(request: Request, path: Path, lines: int) -> bytes:
    """200: the last `lines` lines."""
    plain_text(request)
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return whole(request, TEXT, b"")
    size = os.fstat(file.fileno()).st_size
    file.seek(start_of_tail(file, lines, size))
    return await _sent(request, file, size - file.tell())


def start_of_tail(file: BinaryIO, lines: int, size: int) -> int:
    """Where the last `lines` lines of the first `size` bytes begin; read backwards, a piece at a time."""
    position, wanted = size, lines
    if wanted == 0:
        return size
    if size:
        file.seek(size - 1)
        wanted += file.read(1) == b"\n"  # the end of the last line begins no other
    while position > 0:
        step = min(CHUNK, position)
        position -= step
        file.seek(position)
        piece = file.read(step)
        breaks = piece.count(b"\n")
        if breaks >= wanted:
            at = len(piece)
            for _ in range(wanted):
                at = piece.rindex(b"\n", 0, at)
            return position + at + 1
        wanted -= breaks
    return 0


@implementer(IPushProducer)
class Follower:
    """Sends a file as it grows, and stops reading it while the client is slow."""

    def __init__(self, request: Request, path: Path, lines: int | None) -> None:
        self._request = request
        self._path = path
        self._lines = lines
        self._file: BinaryIO | None = None
        self._room: Deferred[None] | None = None
        self.paused = False
        self.gone = False
        request.registerProducer(self, True)

    def send(self) -> bool:
        """Send one piece; false when there was none, or the client takes none now."""
        if self.paused or not self._open():
            return False
        assert self._file is not None
        data = self._file.read(CHUNK)
        if data:
            self._request.write(data)
        return bool(data)

    def end(self) -> None:
        """All is sent."""
        if self._file is not None:
            self._file.close()
        if not self.gone:
            self._request.unregisterProducer()

    def room(self) -> Deferred[None]:
        """Fires when a client that is slow takes more, or has gone. To look again later would set the speed."""
        self._room = Deferred()
        return self._room

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False
        self._wake()

    def stopProducing(self) -> None:
        self.gone = True
        self._wake()

    def _wake(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.called:
            room.callback(None)

    def _open(self) -> bool:
        if self._file is None and self._path.exists():
            self._file = self._path.open("rb")
            if self._lines is not None:
                size = os.fstat(self._file.fileno()).st_size
                self._file.seek(start_of_tail(self._file, self._lines, size))
        return self._file is not None


async def follow(request: Request, registry: Registry, over: Deferred[Run], run_id: str, lines: int | None) -> bytes:
    """200: what the run has printed, and what it prints, until `over` has fired or the client has gone."""
    plain_text(request)
    request.write(b"")  # the headers, at once
    follower = Follower(request, registry.output_path(run_id), lines)
    request.notifyFinish().addErrback(lambda _: follower.stopProducing())
    ended: list[Run] = []
    over.addCallback(ended.append)
    try:
        while not follower.gone:
            last = bool(ended)  # asked before sending: what was printed before the end is in the file by now
            sent = follower.send()
            if last and not sent and not follower.paused:
                break
            await (follower.room() if follower.paused else registry.moment(0 if sent else LOOK))
    finally:
        follower.end()
    return b""


async def _sent(request: Request, file: BinaryIO, size: int) -> bytes:
    if size <= 0 or request.method == b"HEAD":
        file.close()
        request.setHeader(b"content-length", str(max(size, 0)).encode())
        return b""
    sender = FileSender(request, file, size)
    sender.begin()
    return await sender.done


def plain_text(request: Request) -> None:
    """The headers of an output."""
    request.setHeader(b"content-type", TEXT)
    request.setHeader(b"accept-ranges", b"bytes")
    request.setHeader(b"x-content-type-options", b"nosniff")
