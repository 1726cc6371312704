"""Errors as answers: RFC 9457 problem details. The only place that knows HTTP codes for what went wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Protocol, cast

import attrs
import msgspec
from klein import Klein
from msgspec import UNSET, Meta, UnsetType
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.iweb import IRequest
from twisted.web.server import Request
from werkzeug.exceptions import HTTPException

from ..formats import Unsayable
from ..model import errors
from ..model.printable import quoted
from .error_kinds import BY_STATUS, KINDS, kind_of, uri
from .faults import faults
from .jsontext import encoded
from .log_limit import masked
from .log_limit import shown as place

log = Logger()

Answer = bytes | Deferred[bytes]

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

RETRY_AFTER = 5  # seconds
WHO = b'Bearer realm="jobsched", Basic realm="jobsched"'
LONGEST_POINTER: Final = 1000  # characters that are told of a place: a name in it may have 32 MiB
LONGEST_DETAIL: Final = 5000  # of what is wrong there; the section of a task may have 4000
LONGEST: Final = 100_000  # of all that is wrong, in one text
OF_SUCCESS = (b"accept-ranges", b"cache-control", b"etag", b"jobsched-output")
OURS = "Jobsched failed to answer; its log says why"

DETAIL = Meta(description="What is wrong, for a person")


class Fault(msgspec.Struct):
    """One thing that is wrong; `pointer` (RFC 6901) names the place in the body, or `?name` in the query."""

    pointer: Annotated[
        str,
        Meta(
            description="The place in the body (RFC 6901), or ?name in the query; in a text of another format, its line"
        ),
    ]
    detail: Annotated[str, DETAIL]


class Problem(msgspec.Struct):
    """The body of every answer that is no success."""

    type: Annotated[str, Meta(description="Which kind of problem it is: a reference to what `GET /errors` says of it")]
    title: Annotated[str, Meta(description="The status in words")]
    status: Annotated[int, Meta(description="The status of the answer")]
    detail: Annotated[str, DETAIL]
    errors: Annotated[list[Fault], Meta(description="What is wrong, field by field")] = []
    candidates: Annotated[list[str] | UnsetType, Meta(description="Ids of the jobs that share the name")] = UNSET


def body(
    status: int, detail: str, found: list[Fault] | None = None, kind: str | None = None, candidates: Sequence[str] = ()
) -> bytes:
    """A problem as JSON; `kind` is that of the status if not given."""
    return encoded(
        Problem(
            type=uri(kind or BY_STATUS.get(status, "failed")),
            title=TITLES.get(status, "Error"),
            status=status,
            detail=detail,
            errors=found or [],
            candidates=list(candidates) or UNSET,
        )
    )  # fmt: skip


def answer(
    request: http.Request,
    status: int,
    detail: str,
    found: list[Fault] | None = None,
    kind: str | None = None,
    candidates: Sequence[str] = (),
) -> bytes:
    """Set status and type of a problem, and return its body. Headers of another answer are removed."""
    request.setResponseCode(status, TITLES.get(status, "Error").encode("ascii"))
    for name in OF_SUCCESS if status == 416 else (*OF_SUCCESS, b"content-range"):
        request.responseHeaders.removeHeader(name)
    request.setHeader(b"content-type", b"application/problem+json")
    if status == 503:
        request.setHeader(b"retry-after", str(RETRY_AFTER).encode())
    if status == 401:
        request.setHeader(b"www-authenticate", WHO)
    text = body(status, _cut(detail, LONGEST), found, kind, candidates)
    request.setHeader(b"content-length", str(len(text)).encode())
    return text


@attrs.frozen
class Handlers:
    """Answer what went wrong: an error of ours, a path or a method that is not served (the failure has the `code` of
    the answer), anything else."""

    known: Callable[[Request, Failure], Answer]
    unserved: Callable[[Request, Failure], Answer]
    unknown: Callable[[Request, Failure], Answer]


def install(app: Klein, handlers: Handlers | None = None) -> None:
    """Have errors answered: with problems, if not otherwise. Klein asks in the order of definition: the most specific
    first."""
    found = handlers or Handlers(_known, _http, _unknown)
    kinds = ((errors.JobschedError, found.known), (HTTPException, found.unserved), (Exception, found.unknown))
    for kind, handle in kinds:
        app.handle_errors(kind)(_for_klein(handle))


class _Handler(Protocol):
    def __call__(self, request: IRequest, failure: Failure) -> Answer: ...


def _for_klein(handle: Callable[[Request, Failure], Answer]) -> _Handler:
    def handled(request: IRequest, failure: Failure) -> Answer:
        assert isinstance(request, Request)
        return handle(request, failure)

    return handled


def status_of(why: BaseException | None) -> int:
    """The status that stands for what went wrong."""
    return KINDS[kind_of(why)].status


def _known(request: Request, failure: Failure) -> bytes | Deferred[bytes]:
    why: Any = failure.value
    if request.startedWriting:
        log.error("{uri} was cut off: {why}", uri=shown(request), why=str(why))
        return Deferred.fromCoroutine(break_off(request))
    status = status_of(why)
    if status >= 500 and not isinstance(why, errors.Busy) and not errors.is_logged(why):
        log.error("{uri} could not be answered: {why}", uri=shown(request), why=str(why))
    if isinstance(why, errors.Slower):
        request.setHeader(b"retry-after", str(why.seconds).encode())
    wrong = why.all if isinstance(why, (errors.Invalid, Unsayable)) else ()
    found = [
        Fault(pointer=_cut(each.pointer, LONGEST_POINTER), detail=_cut(each.detail, LONGEST_DETAIL)) for each in wrong
    ]
    candidates = why.ids if isinstance(why, errors.Ambiguous) else ()
    text = answer(request, status, str(why), found, kind_of(why), candidates)
    errors.let_go(why)
    return text


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most].removesuffix('~')}..."  # half of an escape is no pointer


def _http(request: Request, failure: Failure) -> bytes:
    why: Any = failure.value
    for name, value in why.get_headers():
        if name.lower() == "allow":
            request.setHeader(b"allow", ", ".join(sorted(value.split(", "))).encode("ascii"))
    words = {404: "there is nothing at this path", 405: "this method is not for this path"}
    return answer(request, why.code or 500, words.get(why.code or 0, why.description or "refused"))


def _unknown(request: Request, failure: Failure) -> bytes | Deferred[bytes]:
    if request.startedWriting:
        log.failure("{uri} was cut off", failure, uri=shown(request))
        return Deferred.fromCoroutine(break_off(request))
    log.failure("{uri} failed", failure, uri=shown(request))
    return answer(request, 500, OURS)


async def break_off(request: http.Request) -> bytes:
    """Close the connection before the end of the answer, so that the client sees that the answer is not whole, and gets
    no problem in the middle of it. Bytes already written still go out if the client can see that (HTTP/1.1)."""
    channel = request.channel
    if channel is None:
        return b""
    closed: Deferred[None] = Deferred()
    request.notifyFinish().addBoth(lambda _: closed.callback(None))
    if request.clientproto == b"HTTP/1.1":
        channel.loseConnection()
    else:
        wire: Any = channel.transport
        wire.abortConnection()
    await closed
    return b""


def unheard(request: Any, result: bytes | Failure) -> None:  # of LimitedRequest, whose module imports this one
    """Count the result of a write whose client has hung up, and log a failure, which nobody would know of otherwise.
    Without a failure, a client that went while it followed a run is not counted: it knows that the run was made."""
    if request.startedWriting and not isinstance(result, Failure):
        return
    status = status_of(result.value) if isinstance(result, Failure) else request.code
    request.site.events.answer_unheard(*request.taken, status)
    if not isinstance(result, Failure):
        return
    what = {"method": request.method.decode("ascii", "backslashreplace"), "uri": shown(request)}
    if result.check(errors.JobschedError):
        if request.site.lines.line(place(request.getClientAddress()), status, request.known):
            why = quoted(result.getErrorMessage())
            log.warn("{method} {uri} is refused, and its client has hung up: {why}", why=why, **what)
    else:
        log.failure("{method} {uri} failed, and its client has hung up", result, **what)


def shown(request: IRequest) -> str:
    """The URI of a request, as text for a log: without a key."""
    return quoted(masked(bytes(request.uri)).decode("ascii", "backslashreplace"))


_AT = re.compile(r" - at `\$(.*)`$")
NOTHING: Final = object()  # in place of what was given: it cannot be looked at field by field


def invalid(why: msgspec.ValidationError, given: object, record: type[object], strict: bool = True) -> errors.Invalid:
    """All that is wrong with `given` in our words, since msgspec has found a fault in it."""
    found = [] if given is NOTHING else faults(given, cast(type[msgspec.Struct], record), strict)
    if found:
        return errors.Invalid(found[0].detail, found[0].pointer, found[1:])
    text = str(why)  # a fault that only msgspec sees: its `$.interval.seconds` becomes the pointer `/interval/seconds`
    at = _AT.search(text)
    pointer = ""
    if at is not None:
        text = text[: at.start()]
        known = at.group(1).replace("[...]", "")  # a value of a dict: msgspec does not say which one
        pointer = re.sub(r"\[(\d+)\]", r"/\1", known).replace(".", "/")
    return errors.Invalid(text[:1].lower() + text[1:], pointer)
