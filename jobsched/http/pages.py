"""Answers with a page of a list, and where what was made is to be found.

A page that would be too large ends earlier, and its `Link` leads on: nothing is lost, and the memory used is limited,
however long the list, however many clients ask at once, and however slowly they read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from twisted.internet.defer import DeferredSemaphore
from twisted.web.http import Request

from ..model.page import Page
from .download import FileSender
from .jsontext import encoded
from .route import whole


def location(request: Request, path: str) -> bytes:
    """The absolute URL of `path` on the host that was asked."""
    host = request.getHeader(b"host")
    if not host:
        here = request.getHost()
        name = getattr(here, "host", "localhost")
        host = f"{f'[{name}]' if ':' in name else name}:{getattr(here, 'port', 80)}".encode()
    return (b"https://" if request.isSecure() else b"http://") + host + path.encode("ascii")


def link_next(request: Request, limit: int, last: str) -> None:
    """Set the header Link to the page after `last`."""
    url = urlsplit(request.uri.decode("ascii", "replace"))
    kept = [(name, value) for name, value in parse_qsl(url.query) if name not in ("limit", "after")]
    target = location(request, f"{url.path}?{urlencode([*kept, ('limit', str(limit)), ('after', last)])}")
    request.setHeader(b"link", b"<" + target + b'>; rel="next"')


T = TypeVar("T")

ONE = 4 * 1024 * 1024  # bytes of one answer, unless a single record is larger
ALL = 32 * 1024 * 1024  # bytes of all answers that are being sent
LEAST = 256 * 1024  # bytes of one answer, however many are being sent
AT_ONCE = 2  # pages that are read and encoded: that takes several times the memory of the answer
SMALL = 64 * 1024  # bytes: an answer up to this size is given to the connection at once

JSON = b"application/json"


class Pages:
    """Makes pages, and counts the bytes of those that are being sent."""

    def __init__(self) -> None:
        self._turns = DeferredSemaphore(AT_ONCE)
        self._whole = DeferredSemaphore(1)
        self._held = 0

    @property
    def room(self) -> int:
        """Bytes that the next answer may have."""
        return max(LEAST, min(ONE, (ALL - self._held) // 2))

    async def answer(
        self, request: Request, limit: int, ask: Callable[[int], Awaitable[Page[T]]], out: Callable[[T], object],
        key: Callable[[T], str], content_type: bytes = JSON, more: Callable[[int], bytes] = lambda _: b"",
    ) -> bytes:  # fmt: skip
        """200: up to `limit` records, as many as have room. `ask(room)` finds them, `out` turns one into its schema.
        `more(count)` is JSON that stands behind the records."""
        await self._turns.acquire()
        try:
            room = self.room
            found = await ask(room)
            text, count = _text(found, room, out, more)
        finally:
            self._turns.release()
        if count < len(found.values) or found.more:
            link_next(request, limit, key(found.values[count - 1]))
        del found
        return await self.sent(request, text, content_type)

    async def text(
        self,
        request: Request,
        limit: int,
        made: Callable[[int], Awaitable[tuple[bytes, str | None]]],
        content_type: bytes,
    ) -> bytes:
        """200: the text that `made(room)` makes of a whole list, one after the other, and behind which place the list
        goes on; None: nowhere."""
        await self._whole.acquire()
        try:
            text, last = await made(self.room)
        finally:
            self._whole.release()
        if last is not None:
            link_next(request, limit, last)
        return await self.sent(request, BytesIO(text), content_type)

    async def sent(self, request: Request, text: BytesIO, content_type: bytes = JSON) -> bytes:
        """Send the text as fast as the client takes it: given at once, the connection would keep a copy."""
        size = text.seek(0, 2)
        text.seek(0)
        if size <= SMALL:
            return whole(request, content_type, text.getvalue())
        whole(request, content_type, b"")
        request.setHeader(b"content-length", b"%d" % size)
        if request.method == b"HEAD" or request.channel is None:
            return b""
        self._held += size
        try:
            sender = FileSender(request, text, size)
            sender.begin()
            return await sender.done
        finally:
            self._held -= size


def _text(
    found: Page[T], room: int, out: Callable[[T], object], more: Callable[[int], bytes]
) -> tuple[BytesIO, int]:  # fmt: skip
    """The JSON of as many records as have room, but at least one, and their number."""
    text, count = BytesIO(), 0
    text.write(b'{"values":[')
    for record in found.values:
        piece = encoded(out(record))
        if count and text.tell() + len(piece) > room:
            break
        text.write(b"," + piece if count else piece)
        count += 1
    text.write(b"]" + more(count) + b"}")
    return text, count
