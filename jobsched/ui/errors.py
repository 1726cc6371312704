"""Errors as screens: what went wrong in words, and a way on."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.server import Request as ServerRequest

from ..http import problems
from ..model import errors
from .frame import Frame, here

Answer = bytes | Deferred[bytes]


class ErrorScreens:
    """Answers errors with screens."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    @property
    def handlers(self) -> problems.Handlers:
        """As an app takes them."""
        return problems.Handlers(self._known, self._unserved, self._unknown)

    def _known(self, asked: ServerRequest, failure: Failure) -> Answer:
        why: Any = failure.value
        if asked.startedWriting:
            return Deferred.fromCoroutine(problems.break_off(asked))
        if isinstance(why, errors.Unauthorized):
            return to_sign_in(asked)
        if isinstance(why, errors.Slower):
            asked.setHeader(b"retry-after", str(why.seconds).encode())
        status = problems.status_of(why)
        if status >= 500 and not isinstance(why, errors.Busy) and not errors.is_logged(why):
            problems.log.error("{uri} could not be answered: {why}", uri=problems.shown(asked), why=str(why))
        return said(self._frame, asked, status, str(why))

    def _unserved(self, asked: ServerRequest, failure: Failure) -> Answer:
        why: Any = failure.value
        words = {404: "There is nothing at this address.", 405: "This is not done at this address."}
        return said(self._frame, asked, why.code or 500, words.get(why.code, "Refused."))

    def _unknown(self, asked: ServerRequest, failure: Failure) -> Answer:
        problems.log.failure("{uri} failed", failure, uri=problems.shown(asked))
        if asked.startedWriting:
            return Deferred.fromCoroutine(problems.break_off(asked))
        return said(self._frame, asked, 500, problems.OURS)


def said(frame: Frame, request: Request, status: int, detail: str) -> bytes:
    """A screen that says what went wrong."""
    title = problems.TITLES.get(status, "Error")
    request.setResponseCode(status, title.encode("ascii"))
    for name in problems.OF_SUCCESS:
        request.responseHeaders.removeHeader(name)
    if status == 503:
        request.setHeader(b"retry-after", str(problems.RETRY_AFTER).encode())
    return frame.bare(request, "error.html", title, status=status, detail=detail[:1].upper() + detail[1:])


def to_sign_in(request: Request) -> bytes:
    """303: somebody who is not signed in is asked to be, and comes back to what was asked for."""
    back = here(request) if request.method in (b"GET", b"HEAD") else "/ui/"
    return see(request, f"/ui/sign-in?next={quote(back, safe='')}")


def see(request: Request, path: str) -> bytes:
    """303: look there, by GET."""
    request.setResponseCode(303)
    request.setHeader(b"location", path.encode("ascii"))
    request.setHeader(b"content-length", b"0")
    return b""
