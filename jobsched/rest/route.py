"""A route as data: what Klein binds, and what the description of the API is made from."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from os import SEEK_END
from typing import Any, TypeVar

import attrs
import msgspec
from klein import Klein
from klein.interfaces import IKleinRequest
from twisted.internet.defer import Deferred
from twisted.web.http import Request
from twisted.web.server import Request as ServerRequest
from werkzeug.exceptions import MethodNotAllowed

from ..model.caller import NEEDS, Caller, Need
from ..model.errors import Forbidden, Invalid
from . import conditions, problems
from .jsontext import duplicate, encoded

T = TypeVar("T")
Answer = Callable[..., Awaitable[bytes]]
Admit = Callable[[Request, Need], Caller]  # raises Unauthorized, Forbidden

READS = ("GET", "HEAD")

JSON = (b"application/json",)
MERGE_PATCH = (b"application/merge-patch+json", b"application/json")
FORMS = (b"application/x-www-form-urlencoded", b"multipart/form-data", b"text/plain")  # what an HTML form can send


@attrs.frozen
class Route:
    """One method on one path; `answer(request, **path variables)` gives the body.

    `takes` is the record of the JSON body, `asks` that of the query, `gives` the record, media type or nothing behind
    each status of success, `refuses` the statuses of its problems; `keyed` routes know Idempotency-Key. `scope` is
    what a caller needs; "open" lets anybody in. A route that only `looks` changes nothing, whatever its verb, and is
    given up when its client goes.
    """

    verb: str
    path: str
    answer: Answer
    summary: str
    takes: type | None = None
    asks: type | None = None
    gives: Mapping[int, type | str | None] = attrs.field(factory=dict)
    refuses: tuple[int, ...] = ()
    keyed: bool = False
    looks: bool = attrs.field()
    scope: Need = attrs.field(validator=attrs.validators.in_(NEEDS))

    @looks.default
    def _unless_it_writes(self) -> bool:
        return self.verb in READS

    @scope.default
    def _by_verb(self) -> Need:
        return "read" if self.verb in READS else "write"

    @property
    def template(self) -> str:
        """The path with its variables as OpenAPI has them: /jobs/{job_id}."""
        return re.sub("<(.*?)>", r"{\1}", self.path)


def bind(app: Klein, routes: list[Route], admit: Admit) -> None:
    """Let Klein serve the routes, to those callers that `admit` lets in."""
    for route in routes:
        endpoint = f"{route.verb} {route.path}"
        answer = _started(route) if route.looks else _outliving(route)
        guarded = _guarded(answer, route, admit)
        app.route(route.path, methods=[route.verb], endpoint=endpoint, strict_slashes=False)(guarded)


def _guarded(answer: Callable[..., Deferred[bytes]], route: Route, admit: Admit) -> Callable[..., Deferred[bytes]]:
    """Nothing of a request is looked at before it is known who sent it."""

    taken = route.verb, route.template
    methods = [b"GET", b"HEAD"] if route.verb == "GET" else [route.verb.encode("ascii")]

    @wraps(answer)
    def start(request: ServerRequest, *args: Any, **kwargs: Any) -> Deferred[bytes]:
        if request.method not in methods:  # werkzeug takes `get` for it, which nobody else would
            raise MethodNotAllowed(IKleinRequest(request).mapper.allowed_methods())
        request.taken = taken  # type: ignore[attr-defined]  # of LimitedRequest
        who = admit(request, route.scope)
        request.known = who.name is not None  # type: ignore[attr-defined]
        request.setComponent(Caller, who)
        return answer(request, *args, **kwargs)

    return start


def caller(request: Request) -> Caller:
    """Who sent a request that was let in."""
    assert isinstance(request, ServerRequest)
    found: Caller = request.getComponent(Caller)
    return found


def _started(route: Route) -> Callable[..., Deferred[bytes]]:
    """A look: it is given up when its client goes. What the client has already is not sent again."""

    async def look(request: Request, *args: Any, **kwargs: Any) -> bytes:
        _check(request, route)
        data = await route.answer(request, *args, **kwargs)
        tags = request.responseHeaders.getRawHeaders(b"etag", [None])
        if request.code == 200 and not request.startedWriting and conditions.unchanged(request, tags[0]):
            return conditions.not_modified(request)
        return data

    @wraps(route.answer)
    def start(*args: Any, **kwargs: Any) -> Deferred[bytes]:
        return Deferred.fromCoroutine(look(*args, **kwargs))

    return start


def _outliving(route: Route) -> Callable[..., Deferred[bytes]]:
    """A write outlives its client: Klein cancels the Deferred it was given, not the work."""

    async def write(request: Request, *args: Any, **kwargs: Any) -> bytes:
        _check(request, route)
        return await route.answer(request, *args, **kwargs)

    @wraps(route.answer)
    def start(request: Request, *args: Any, **kwargs: Any) -> Deferred[bytes]:
        outer: Deferred[bytes] = Deferred(lambda _: None)

        def heard(result: Any) -> None:
            if outer.called:  # its client has gone
                problems.unheard(request, result)
            else:
                outer.callback(result)  # be it a failure

        Deferred.fromCoroutine(write(request, *args, **kwargs)).addBoth(heard)
        return outer

    return start


def _check(request: Request, route: Route) -> None:
    """Refuse what the route would not look at, and who sent it would think it did. Raises Forbidden, Invalid."""
    if request.method not in conditions.READS:
        if route.takes is None and _content_type(request) in FORMS:
            raise Forbidden("a form may not do this; send no content type, or application/json")
        conditions.must_be_none(request, matched=412 in route.refuses)
    if route.takes is None and has_body(request):
        raise Invalid("this call takes no body")


def json(request: Request, value: Any) -> bytes:
    """Answer 200 with JSON."""
    return whole(request, b"application/json", encoded(value))


def whole(request: Request, content_type: bytes, data: bytes) -> bytes:
    """An answer whose length is known."""
    request.setHeader(b"content-type", content_type)
    request.setHeader(b"content-length", str(len(data)).encode())
    return data


def has_body(request: Request) -> bool:
    """Whether anything was sent behind the headers."""
    assert request.content is not None
    return bool(request.content.seek(0, SEEK_END))


def raw(request: Request) -> bytes:
    """The body, as often as it is asked for."""
    assert request.content is not None
    request.content.seek(0)
    return bytes(request.content.read())


def body(request: Request, kind: type[T], content_types: tuple[bytes, ...] = JSON) -> T:
    """The JSON body as a record of `kind`. Raises Invalid, pointing at what is wrong."""
    if _content_type(request) not in content_types:
        raise Invalid(f"the content type must be {content_types[0].decode('ascii')}")
    given = raw(request)
    try:
        decoded = msgspec.json.decode(given, type=kind)
        doubled = duplicate(given)
    except msgspec.ValidationError as why:
        raise problems.invalid(why) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        raise Invalid(f"the body is not JSON: {why}") from None
    if doubled is not None:
        raise Invalid("is given twice", doubled)
    return decoded


def _content_type(request: Request) -> bytes:
    """As it is compared."""
    return (request.getHeader(b"content-type") or b"").partition(b";")[0].strip().lower()


def query(request: Request, kind: type[T]) -> T:
    """The query string as a record of `kind`; each name once. Raises Invalid."""
    given: dict[str, str] = {}
    for name, values in (request.args or {}).items():
        text = name.decode("utf-8", "replace")
        if len(values) > 1:
            raise Invalid("is given twice", f"?{text}")
        try:
            given[text] = values[0].decode("utf-8")
        except UnicodeDecodeError:
            raise Invalid("is not UTF-8", f"?{text}") from None
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as why:
        found = problems.invalid(why)
        raise Invalid(found.detail, "?" + found.pointer.removeprefix("/")) from None
