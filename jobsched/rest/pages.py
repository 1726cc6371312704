"""Answers with a page of a list: none is too large, and all that are under way together are not either.

A page that would be too large ends earlier, and its `Link` leads on: nothing is lost, and memory has a limit whatever
the list holds, however many ask for it at once, and however slowly they take it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import TypeVar

from twisted.internet.defer import DeferredSemaphore
from twisted.web.http import Request

from ..model.page import Page
from .download import FileSender
from .jsontext import encoded
from .location import link_next
from .route import whole

T = TypeVar("T")

ONE = 4 * 1024 * 1024  # bytes of one answer, unless a single record is larger
ALL = 32 * 1024 * 1024  # of those that are being sent
LEAST = 256 * 1024  # of one, however many there are
AT_ONCE = 2  # that are read and written; while they are, they take several times what is sent
SMALL = 64 * 1024  # is given to the connection as it is

JSON = b"application/json"


class Pages:
    """Makes them, and knows what is under way."""

    def __init__(self) -> None:
        self._turns = DeferredSemaphore(AT_ONCE)
        self._held = 0

    @property
    def room(self) -> int:
        """Bytes that the next answer may have."""
        return max(LEAST, min(ONE, (ALL - self._held) // 2))

    async def answer(
        self, request: Request, limit: int, ask: Callable[[int], Awaitable[Page[T]]], out: Callable[[T], object],
        key: Callable[[T], str],
    ) -> bytes:  # fmt: skip
        """200: as much of a page of up to `limit` as there is room for. `ask(room)` finds it, `out` shows a record."""
        await self._turns.acquire()
        try:
            room = self.room
            found = await ask(room)
            text, count = _text(found, room, out)
        finally:
            self._turns.release()
        if count < len(found.values) or found.more:
            link_next(request, limit, key(found.values[count - 1]))
        del found
        return await self._sent(request, text)

    async def _sent(self, request: Request, text: BytesIO) -> bytes:
        """Give it out as fast as the client takes it: the connection would keep a copy."""
        size = text.seek(0, 2)
        text.seek(0)
        if size <= SMALL:
            return whole(request, JSON, text.getvalue())
        whole(request, JSON, b"")
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


def _text(found: Page[T], room: int, out: Callable[[T], object]) -> tuple[BytesIO, int]:
    """The JSON of as many records as have room, but of one at least; and how many they are."""
    text, count = BytesIO(), 0
    text.write(b'{"values":[')
    for record in found.values:
        piece = encoded(out(record))
        if count and text.tell() + len(piece) > room:
            break
        text.write(b"," + piece if count else piece)
        count += 1
    text.write(b"]}")
    return text, count
