"""Sends the output of a run: the file, a range of it, its last lines, or all that comes until the run ends.

Only the piece that is being sent is held in memory, and a slow client slows down no other.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPullProducer, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from zope.interface import implementer

from .. import files
from ..model.errors import NotFound, Stale, Unreachable
from ..registry.registry import Registry
from ..threads import Wanted
from . import conditions
from .problems import answer
from .route import whole

CHUNK = 256 * 1024
LOOK = 0.1  # seconds between looks at a file that grows
TEXT = b"text/plain; charset=utf-8"

log = Logger()


@implementer(IPullProducer)
class FileSender:
    """Gives `left` bytes of an open file as fast as the client takes them.

    `done` fires at the end. It fails if the file holds fewer bytes than `left`: the file was cut, or cannot be read.
    """

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
        try:
            data = self._file.read(min(CHUNK, self._left))
            if not data:
                raise EOFError(f"{self._left} bytes of it are gone")
        except (OSError, EOFError):
            no_more(self._request)
            self._close(Failure())
            return
        self._left -= len(data)
        self._request.write(data)
        if not self._left:
            no_more(self._request)
            self._close()

    def stopProducing(self) -> None:
        no_more(self._request)
        self._close()

    def _close(self, result: bytes | Failure = b"") -> None:
        self._file.close()
        if not self.done.called:
            self.done.callback(result)  # be it a failure


def no_more(request: Request) -> None:
    """Whoever gave the bytes of an answer gives no more: they have come to their end, or the client has gone. Without
    this a client that goes would be logged by Twisted as a fault of ours."""
    if getattr(request, "channel", None) is not None:
        request.unregisterProducer()


async def send_file(request: Request, path: Path) -> bytes:
    """200, 206 or 304: the file's bytes as plain text, or one range of them; nothing, when there is no file.

    The tag stands for the bytes that are there now. When the run prints more, the tag changes, so a client that resumes
    with If-Range gets the whole file as long as the run goes on.
    """
    file = _open(path)
    plain_text(request, b"bytes")
    if file is None:
        return whole(request, TEXT, b"")
    status = os.fstat(file.fileno())
    size, tag = status.st_size, b'"%d.%x"' % (status.st_size, status.st_mtime_ns)
    request.setHeader(b"etag", tag)
    try:
        if conditions.unchanged(request, tag):
            file.close()
            return conditions.not_modified(request)
        asked = conditions.asked_range(request, tag, size)
    except conditions.Unsatisfiable as none:
        file.close()
        request.setHeader(b"content-range", str(none).encode())
        return answer(request, 416, f"the output has {size} bytes")
    except Stale:
        file.close()
        raise
    if asked is None:
        return await _sent(request, file, size)
    request.setResponseCode(206)
    request.setHeader(b"content-range", str(asked).encode())
    begin, end = asked.start, asked.stop
    assert begin is not None, "werkzeug has a Content-Range of no bytes too"
    assert end is not None
    file.seek(begin)
    return await _sent(request, file, end - begin)


async def send_tail(request: Request, path: Path, lines: int, registry: Registry) -> bytes:
    """200: the last `lines` lines."""
    file = _open(path)
    plain_text(request)
    if file is None:
        return whole(request, TEXT, b"")
    size = os.fstat(file.fileno()).st_size
    try:
        file.seek(await _start_of_tail(path, lines, size, registry))
    except BaseException:
        file.close()
        raise
    return await _sent(request, file, size - file.tell())


def _start_of_tail(path: Path, lines: int, size: int, registry: Registry) -> Deferred[int]:
    """Where the last lines begin, looked for in a thread, since the file and its lines may be long. The thread opens
    the file for itself: the client may go meanwhile, and the client's open file is closed then."""

    def look(wanted: Wanted) -> int:
        file = _open(path)
        if file is None:
            raise NotFound("this output is not kept any more")
        with file:
            return start_of_tail(file, lines, size, wanted)

    return registry.in_thread(look)


def _open(path: Path) -> BinaryIO | None:
    """The open file of an output; None while there is none. Opening never blocks. Raises Unreachable."""
    try:
        return files.reading(path.parents[1], path.parent.name, path.name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as why:
        log.error("the output {path} cannot be read: {why}", path=str(why.filename or path), why=why.strerror)
        raise Unreachable("the file with what it printed cannot be read; the log of its node says why") from None


def start_of_tail(file: BinaryIO, lines: int, size: int, wanted: Wanted) -> int:
    """Where the last `lines` lines of the first `size` bytes begin. The file is read backwards, a piece at a time.

    `wanted` is called before each piece, and raises when no client waits for the result any more.
    """
    position, missing = size, lines
    if missing == 0:
        return size
    if size:
        file.seek(size - 1)
        missing += file.read(1) == b"\n"  # the last line end begins no new line
    while position > 0:
        wanted()
        step = min(CHUNK, position)
        position -= step
        file.seek(position)
        piece = file.read(step)
        breaks = piece.count(b"\n")
        if breaks >= missing:
            at = len(piece)
            for _ in range(missing):
                at = piece.rindex(b"\n", 0, at)
            return position + at + 1
        missing -= breaks
    return 0


@implementer(IPushProducer)
class Follower:
    """Sends a file as it grows, and stops reading it while the client is slow."""

    def __init__(self, request: Request, path: Path) -> None:
        self._request = request
        self._path = path
        self._file: BinaryIO | None = None
        self._room: Deferred[None] | None = None
        self.paused = False
        self.gone = False
        request.registerProducer(self, True)

    def begin(self) -> None:
        """Open the file, if there is one yet: an error must be reported before the answer begins."""
        self._file = _open(self._path)

    async def begin_at(self, lines: int, registry: Registry) -> None:
        """Open the file, and begin with the last `lines` lines that there are now."""
        self.begin()
        if self._file is not None:
            size = os.fstat(self._file.fileno()).st_size
            self._file.seek(await _start_of_tail(self._path, lines, size, registry))

    def send(self) -> bool:
        """Send one piece; false: there was no new piece, or the client takes none now."""
        if self.paused:
            return False
        if self._file is None:
            self.begin()
        if self._file is None:
            return False
        data = self._file.read(CHUNK)
        if data:
            self._request.write(data)
        return bool(data)

    def end(self) -> None:
        """All is sent."""
        if self._file is not None:
            self._file.close()
        no_more(self._request)

    def room(self) -> Deferred[None]:
        """Fires when a slow client takes more, or has gone. Looking every `LOOK` seconds would limit the speed."""
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


async def follow(request: Request, registry: Registry, over: Deferred[None], run_id: str, lines: int | None) -> bytes:
    """200: all output so far, and what the run prints then, until `over` has fired or the client has gone."""
    plain_text(request)
    if request.method == b"HEAD":
        return b""
    follower = Follower(request, registry.output_path(run_id))
    request.notifyFinish().addErrback(lambda _: follower.stopProducing())
    ended: list[object] = []
    over.addBoth(ended.append)  # the end of the run, or why it cannot be known
    try:
        if lines is None:
            follower.begin()
        else:
            await follower.begin_at(lines, registry)
        request.write(b"")  # the headers, at once
        while not follower.gone:
            last = bool(ended)  # asked before sending: if the run has ended, its whole output is in the file now
            sent = follower.send()
            if last and not sent and not follower.paused:
                break
            await (follower.room() if follower.paused else registry.moment(0 if sent else LOOK))
        if ended and isinstance(ended[0], Failure) and not follower.gone:
            ended[0].raiseException()
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


def plain_text(request: Request, ranges: bytes = b"none") -> None:
    """The headers of an output, and whether ranges of it may be asked for."""
    request.setHeader(b"content-type", TEXT)
    request.setHeader(b"accept-ranges", ranges)
    request.setHeader(b"cache-control", b"no-store")  # even with a tag: outputs are not for caches
