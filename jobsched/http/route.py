"""A route as data, and helpers for its method to read a request and to answer. `app` gives the routes to Klein."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
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
    - `also`: other media types in which a 200 may come, and the record of each, or `str`
    - `tells`: where it gives a stream of events, the kinds of these, and the records that the data of each may be
    - `refuses`: the statuses of its problems
    - `keyed`: the route accepts Idempotency-Key; `conditional`: and If-Match; `anew`: and If-None-Match: *
    - `scope`: what a caller needs; "open": every caller is let in
    - `texts`: other media types in which the body may come, as text
    - `large`: bytes that its body may have, where these are more than those of any other
    - `form`: the route takes what an HTML form sends
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
    form: bool = False
    also: Mapping[str, type] = attrs.field(factory=dict)
    texts: Sequence[str] = ()
    large: int = 0
    tells: Mapping[str, tuple[type, ...]] = attrs.field(factory=dict)
    conditional: bool = attrs.field()
    anew: bool = attrs.field()
    looks: bool = attrs.field()
    scope: Need = attrs.field(validator=attrs.validators.in_(NEEDS))

    @conditional.default
    def _by_its_refusal(self) -> bool:
        return 412 in self.refuses

    @anew.default
    def _by_putting(self) -> bool:
        return self.verb == "PUT"

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

    @property
    def forgiving(self) -> bool:
        """Whether `app` lets any query pass: the call looks at it itself, or is one of browsers and probes, which may
        have something behind a question mark. No other may be carried out: `PATCH /jobs/x?plan=1` would change it.
        """
        return self.asks is not None or self.scope == "open" or not self.gives


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


def nothing(request: Request) -> bytes:
    """An answer without a body, and without a type of one."""
    request.setHeader(b"content-length", b"0")
    return b""


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
        raise problems.invalid(why, plain(given), kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        raise Invalid(f"the body is not JSON: {why}") from None
    if doubled is not None:
        raise Invalid("is given twice", doubled)
    return decoded


def plain(given: bytes | msgspec.Raw) -> object:
    """What is said in JSON, as Python has it; NOTHING if it is not JSON as far as its end, or cannot be held."""
    try:
        return msgspec.json.decode(given)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return problems.NOTHING


def content_type(request: Request) -> bytes:
    """The content type in the form in which it is compared."""
    return (request.getHeader(b"content-type") or b"").partition(b";")[0].strip().lower()


def query(request: Request, kind: type[T]) -> T:
    """The query string as a record of `kind`. Raises Invalid."""
    return query_of(request.args or {}, kind)


def query_of(args: Mapping[bytes, list[bytes]], kind: type[T]) -> T:
    """A query as a record of `kind`: each name once, but a list may be given several times, and with commas. Raises
    Invalid."""
    given: dict[str, str | list[str]] = {}
    lists = _lists(kind)  # type: ignore[arg-type]  # to mypy a type[T] is not Hashable
    for name, values in args.items():
        text = name.decode("utf-8", "replace")
        if len(values) > 1 and text not in lists:
            raise Invalid("is given twice", f"?{text}")
        try:
            texts = [value.decode("utf-8") for value in values]
        except UnicodeDecodeError:
            raise Invalid("is not UTF-8", f"?{text}") from None
        given[text] = [part for each in texts for part in each.split(",")] if text in lists else texts[0]
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as why:
        found = [_in_query(each) for each in problems.invalid(why, given, kind, strict=False).all]
        raise Invalid(found[0].detail, found[0].pointer, found[1:]) from None


def _in_query(fault: Invalid) -> Invalid:
    """A query has no places in its lists: a fault there is one of the name."""
    name, _, number = fault.pointer.removeprefix("/").partition("/")
    return Invalid(name + fault.detail.removeprefix(number) if number else fault.detail, f"?{name}")


@cache
def _lists(kind: type) -> frozenset[str]:
    """The names in a query that stand for lists."""
    record = msgspec.inspect.type_info(kind)
    assert isinstance(record, msgspec.inspect.StructType)
    return frozenset(field.encode_name for field in record.fields if _is_list(field.type))


def _is_list(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.Metadata):
        return _is_list(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(_is_list(each) for each in kind.types)
    return isinstance(kind, msgspec.inspect.ListType)
