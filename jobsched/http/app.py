"""The Klein app: the routes, each behind the checks that all routes share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from urllib.parse import parse_qs

from klein import Klein
from klein.interfaces import IKleinRequest
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.server import Request as ServerRequest
from werkzeug.exceptions import MethodNotAllowed

from ..model.caller import Caller
from ..model.errors import Forbidden, Invalid
from . import conditions, problems
from .route import FORMS, Admit, Route, content_type, has_body, query_of


class Nothing(Struct, forbid_unknown_fields=True):
    """The query of a call that takes none."""


def make_app(routes: list[Route], admit: Admit, handlers: problems.Handlers | None = None) -> Klein:
    """An app that serves the routes to the callers that `admit` lets in. `handlers` answer errors; without any,
    problems do."""
    app = Klein()
    app.url_map.merge_slashes = False  # or /jobs//runs would be answered with a redirect
    problems.install(app, handlers)
    # Klein's own way is a method of one class under `@app.route(...)`. Here each route is a record, for three reasons:
    # - `openapi` describes the API from the same record that is served, so the two cannot differ
    # - the rules for every route (callers, conditions, writes outlive their client) are applied here: none is forgotten
    # - the methods belong to objects by noun, which get their parts from `api` and share no class
    for route in routes:
        endpoint = f"{route.verb} {route.path}"
        answer = _started(route) if route.looks else _outliving(route)
        guarded = _guarded(answer, route, admit)
        app.route(route.path, methods=[route.verb], endpoint=endpoint, strict_slashes=False)(guarded)
    return app


def _guarded(answer: Callable[..., Deferred[bytes]], route: Route, admit: Admit) -> Callable[..., Deferred[bytes]]:
    """Find out the caller first: nothing else of a request is looked at before."""

    taken = route.verb, route.template
    methods = [b"GET", b"HEAD"] if route.verb == "GET" else [route.verb.encode("ascii")]

    @wraps(answer)
    def start(request: ServerRequest, *args: object, **kwargs: object) -> Deferred[bytes]:
        if request.method not in methods:  # werkzeug takes `get` for `GET`; other programs do not
            raise MethodNotAllowed(IKleinRequest(request).mapper.allowed_methods())
        request.taken = taken  # type: ignore[attr-defined]  # of LimitedRequest
        who = admit(request, route.scope)
        request.known = who.name is not None  # type: ignore[attr-defined]
        request.setComponent(Caller, who)
        return answer(request, *args, **kwargs)

    return start


def _started(route: Route) -> Callable[..., Deferred[bytes]]:
    """A read: given up when its client goes. An answer that the client has already is not sent again."""

    async def look(request: Request, *args: object, **kwargs: object) -> bytes:
        _check(request, route)
        data = await route.answer(request, *args, **kwargs)
        tags = request.responseHeaders.getRawHeaders(b"etag", [None])
        if request.code == 200 and not request.startedWriting and conditions.unchanged(request, tags[0]):
            return conditions.not_modified(request)
        return data

    @wraps(route.answer)
    def start(request: Request, *args: object, **kwargs: object) -> Deferred[bytes]:
        return Deferred.fromCoroutine(look(request, *args, **kwargs))

    return start


def _outliving(route: Route) -> Callable[..., Deferred[bytes]]:
    """A write outlives its client: Klein cancels the Deferred that it got, not the work."""

    async def write(request: Request, *args: object, **kwargs: object) -> bytes:
        _check(request, route)
        return await route.answer(request, *args, **kwargs)

    @wraps(route.answer)
    def start(request: Request, *args: object, **kwargs: object) -> Deferred[bytes]:
        outer: Deferred[bytes] = Deferred(lambda _: None)

        def heard(result: bytes | Failure) -> None:
            if outer.called:  # the client has gone
                problems.unheard(request, result)
            else:
                outer.callback(result)  # a result or a failure

        Deferred.fromCoroutine(write(request, *args, **kwargs)).addBoth(heard)
        return outer

    return start


def _check(request: Request, route: Route) -> None:
    """Refuse a form, and any condition, body or query that would silently be ignored. Raises Forbidden, Invalid."""
    if request.method not in conditions.READS:
        if not route.form and (route.takes is None or route.bare) and content_type(request) in FORMS:
            raise Forbidden("a form may not do this; send no content type, or application/json")
        conditions.must_be_none(request, matched=route.conditional, made=route.anew)
    if route.takes is None and not route.form and has_body(request):
        raise Invalid("this call takes no body")
    if not route.forgiving and b"?" in request.uri:
        # The arguments that Twisted found may be those of a body, too.
        query_of(parse_qs(request.uri.partition(b"?")[2], keep_blank_values=True), Nothing)
