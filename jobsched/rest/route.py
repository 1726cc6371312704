"""A route as data, and helpers for its method to read a request and to answer. `app` gives the routes to Klein."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from os import SEEK_END
from typing import TypeVar

import attrs
import msgspec
from twisted.web.http import Request
from twisted.web.server import Request as ServerRequest

from ..model.caller import NEEDS, Caller, Need
from ..model.errors import Invalid
from . import problems
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

    - `takes`: the record of the JSON body, which may be left out where `bare`; `asks`: the record of the query
    - `gives`: for each status of success the record, the media type or None
    - `refuses`: the statuses of its problems
    - `keyed`: the route accepts Idempotency-Key; `conditional`: and If-Match
    - `scope`: what a caller needs; "open": every caller is let in
    - `looks`: the route changes nothing, whatever its verb, and is given up when its client goes
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
    bare: bool = False
    conditional: bool = attrs.field()
    looks: bool = attrs.field()
    scope: Need = attrs.field(validator=attrs.validators.in_(NEEDS))

    @conditional.default
    def _by_its_refusal(self) -> bool:
        return 412 in self.refuses

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


def caller(request: Request) -> Caller:
    """The caller of a request that was let in."""
    assert isinstance(request, ServerRequest)
    found: Caller = request.getComponent(Caller)
    return found


def json(request: Request, value: object) -> bytes:
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
    """The body; it can be read more than once."""
    assert request.content is not None
    request.content.seek(0)
    return bytes(request.content.read())


def body(request: Request, kind: type[T], content_types: tuple[bytes, ...] = JSON) -> T:
    """The JSON body as a record of `kind`. Raises Invalid, pointing at what is wrong."""
    if content_type(request) not in content_types:
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


def content_type(request: Request) -> bytes:
    """The content type in the form in which it is compared."""
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
