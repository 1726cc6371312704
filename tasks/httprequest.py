"""Sends an HTTP request. Not called http.py: that would stand before Python's own `http` in what runs from here."""

import codecs
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from OpenSSL import SSL
from service_identity import VerificationError
from treq.client import HTTPClient
from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import ParseError  # it has no public place
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer

from jobsched.config import template
from jobsched.notifications.endpoint import HeaderLimit
from jobsched.task import Info

MOST = 1024 * 1024  # bytes of an answer that are read
SHOWN = 1024  # bytes of it that are printed
SHORTEST = 6  # characters of a header's word that is looked for in what is printed

WORD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
URL = re.compile(r"(https?)://([^/?]+)(/[^?]*)?(\?.*)?", re.IGNORECASE)
URL_SIGNS = re.compile(r"(?:[A-Za-z0-9._~:/?\[\]!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
OURS = ("host", "connection", "content-length", "transfer-encoding", "accept-encoding", "upgrade", "te", "expect")
NO_SECRET = ("accept", "content-type", "user-agent")


class HttpRequest:
    """Sends an HTTP request; fails unless the answer has an expected status.

    url         where to; a {name} in its path or query is a parameter, percent-encoded
    method      GET unless it says otherwise
    headers     one a line, `Name: value`; what they say is never printed
    body        what is sent; needs a Content-Type among the headers, which says how a {name} in it is written
    expected    statuses such as 200-299, 304; 200-299 unless it says otherwise. A redirect is not followed
    timeout     seconds until the whole answer must be there (optional; at most what the run may take)
    """

    def __init__(
        self,
        url: str,
        method: str = "GET",
        headers: str = "",
        body: str | None = None,
        expected: str = "200-299",
        timeout: str | None = None,
        parameters: str = "",
    ) -> None:
        names = [name.strip() for name in parameters.split(",")]
        self._method = _method(method)
        self._headers = _headers(headers)
        self._secrets = _secrets(self._headers)
        self._host, self._path, self._query = _url(url.strip(), names)
        self._body = None if body is None else _body(body, self._headers, names)
        self._expected = " ".join(expected.split())
        self._statuses = list(_statuses(expected))
        self._timeout = None if timeout is None else _seconds(timeout)

    async def __call__(self, info: Info) -> None:
        # Not at the top of the file: that is read before twistd has chosen its reactor.
        from twisted.internet import reactor

        try:
            url = self._host + template.path(self._path, info.parameters) + template.query(self._query, info.parameters)
            body = None if self._body is None else self._body(info.parameters).encode()
        except ValueError as why:
            raise SystemExit(str(why)) from None  # its reason, and no traceback
        asking = Deferred.fromCoroutine(self._ask(reactor, url, body))
        if self._timeout is not None:
            asking.addTimeout(self._timeout, reactor, self._too_late)
        await asking

    async def _ask(self, reactor: object, url: str, body: bytes | None) -> None:
        begun, pool, read = time.monotonic(), _OneConnection(reactor, persistent=False), _Reading()
        client = HTTPClient(_Plain(Agent(reactor, pool=pool)))
        try:
            answer = await client.request(
                self._method, url, headers=self._headers.copy(), data=body, allow_redirects=False, unbuffered=True
            )
            pool.head.over()
            answer.deliverBody(read)
            await read.done
        except Exception as why:
            if any(isinstance(cause, CancelledError) for cause in _causes(why)):
                raise CancelledError from None
            raise SystemExit(f"{self._host}: {_words(why)}") from None
        finally:
            pool.end()
        phrase = "".join(filter(str.isprintable, answer.phrase.decode("latin-1")[:200]))
        status = self._hushed(f"{answer.code} {phrase}".strip())
        print(f"{status}, {read.size} in {time.monotonic() - begun:.3f} s")
        print(self._hushed(read.text()))
        if not any(first <= answer.code <= last for first, last in self._statuses):
            raise SystemExit(f"{self._host}: status {status}, expected {self._expected}")

    def _too_late(self, _given_up: object, seconds: float) -> None:
        raise SystemExit(f"{self._host}: no whole answer within {seconds:.12g} s")

    def _hushed(self, text: str) -> str:
        """Without what our headers said, should the other side say it back."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


# What the catalog says. Each raises ValueError, in words that hold nothing secret.


def _method(text: str) -> str:
    if not WORD.fullmatch(text) or text.upper() in {"CONNECT", "TRACE"}:
        raise ValueError(f"method: must be a word such as GET, not {text!r}")
    return text.upper()


def _headers(text: str) -> Headers:
    found = Headers()
    for number, line in enumerate(filter(None, map(str.strip, text.splitlines())), 1):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not WORD.fullmatch(name):
            raise ValueError(f"headers: number {number} is not of the form Name: value")
        if name.lower() in OURS:
            raise ValueError(f"headers: {name} cannot be set")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"headers: the value of {name} has a character that cannot be sent")
        found.addRawHeader(name, value)
    return found


def _secrets(headers: Headers) -> list[str]:
    """What is not to be printed, longest first: a value as a whole, and each longer word of it."""
    values = [
        value.decode()
        for name, values in headers.getAllRawHeaders()
        if name.decode().lower() not in NO_SECRET
        for value in values
    ]
    words = {word for value in values for word in (value, *value.split()) if len(word) >= SHORTEST}
    return sorted(words, key=len, reverse=True)


def _url(text: str, names: list[str]) -> tuple[str, str, str]:
    """Scheme and host, the path, the query with its question mark; the last two may have places to fill."""
    parts = URL.fullmatch(text)
    if parts is None:
        raise ValueError("url: must begin with http:// or https:// and a host")
    host, path, query = f"{parts[1].lower()}://{parts[2]}", parts[3] or "/", parts[4] or ""
    if "{" in host or "@" in host:
        what = "a parameter cannot stand before the path" if "{" in host else "a password belongs into the headers"
        raise ValueError(f"url: {what}")
    try:
        _ = urlsplit(host).port
    except ValueError as why:
        raise ValueError(f"url: {why}") from None
    for name in template.PLACE.findall(path + query):
        if name not in names:
            raise ValueError(f"url: {{{name}}} is not among the parameters that the catalog names")
    if not URL_SIGNS.fullmatch(template.PLACE.sub("", host + path + query)):
        raise ValueError("url: has a character that must be percent-encoded, or a fragment")
    if {".", ".."} & {*path.split("/")}:
        raise ValueError("url: . and .. cannot be a part of the path")
    return host, path, query


def _body(text: str, headers: Headers, names: list[str]) -> template.Filled:
    kind = (headers.getRawHeaders("content-type") or [""])[0].partition(";")[0].strip().lower()
    if not kind:
        raise ValueError("body: needs a Content-Type among the headers, such as application/json")
    try:
        return template.body(text, kind, names)
    except ValueError as why:
        raise ValueError(f"body: {why}") from None


def _statuses(text: str) -> Iterator[tuple[int, int]]:
    for part in text.split(","):
        match = re.fullmatch(r"\s*([1-5]\d\d)\s*(?:-\s*([1-5]\d\d)\s*)?", part, re.ASCII)
        if match is None or int(match[1]) > int(match[2] or match[1]):
            raise ValueError(f"expected: must be statuses such as 200-299, 304, not {text!r}")
        yield int(match[1]), int(match[2] or match[1])


def _seconds(text: str) -> float:
    seconds = float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text.strip()) else 0
    if not 0 < seconds <= 1e9:
        raise ValueError(f"timeout: must be a number of seconds above 0, not {text!r}")
    return seconds


# What goes out, and what comes back.


class _OneConnection(HTTPConnectionPool):
    """Knows its connection, so that it can be ended in the middle of an answer too."""

    _connection: Any = None

    def getConnection(self, key: object, endpoint: Any) -> Deferred[Any]:
        return super().getConnection(key, endpoint).addCallback(self._made)

    def _made(self, connection: Any) -> Any:
        self._connection, self.head = connection, HeaderLimit(connection)
        return connection

    def end(self) -> None:
        """At once, whether the other side answers or not."""
        if self._connection is not None:
            self._connection.transport.abortConnection()  # its own abort() would wait for the end of TLS


@implementer(IAgent)
class _Plain:
    """Asks for an answer that is not packed: a small one could be unpacked to gigabytes."""

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[Any]:
        headers = headers or Headers()
        headers.setRawHeaders("Accept-Encoding", ["identity"])
        return self._agent.request(method, uri, headers, bodyProducer).addCallback(self._as_it_comes)

    def _as_it_comes(self, answer: Any) -> Any:
        answer.headers.removeHeader("Content-Encoding")
        return answer


class _Reading(Protocol):
    """Takes the body of an answer, up to MOST; keeps its beginning."""

    def __init__(self) -> None:
        self.done: Deferred[None] = Deferred()
        self._first = b""
        self._count = 0

    def dataReceived(self, data: bytes) -> None:
        self._first += data[: SHOWN - len(self._first)]
        self._count += len(data)
        if self._count > MOST and not self.done.called:
            self.done.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.done.callback(None)
        else:
            self.done.errback(reason)

    @property
    def size(self) -> str:
        """How much came, in words."""
        return f"{self._count} bytes" if self._count <= MOST else f"more than {MOST} bytes, the rest was not read,"

    def text(self) -> str:
        """The beginning; a character that is cut at its end is left out."""
        return codecs.getincrementaldecoder("utf-8")("replace").decode(self._first, final=self._count <= SHOWN)


TOLD = {
    error.DNSLookupError: "there is no such host",
    error.ConnectionRefusedError: "nobody listens there",
    error.TimeoutError: "no connection came about",
    VerificationError: "TLS: its certificate is for another host",
    ParseError: "it does not speak HTTP",
    error.ConnectionClosed: "the connection was closed before the whole answer was there",
}


def _words(why: BaseException) -> str:
    """What went wrong, as plain as it is known."""
    for cause in _causes(why):
        for kind, told in TOLD.items():
            if isinstance(cause, kind):
                return told
        if isinstance(cause, SSL.Error):
            return f"TLS: {_tls(cause)}"
        if isinstance(cause, error.ConnectError):
            return f"it cannot be reached: {cause.osError or cause}"
    return f"the request failed: {type(why).__name__}"


def _causes(why: BaseException) -> Iterator[BaseException]:
    """What Twisted has wrapped, and what it wrapped it in."""
    for reason in getattr(why, "reasons", ()):
        yield from _causes(reason.value)
    yield why


def _tls(why: SSL.Error) -> str:
    known = [each[-1] for each in why.args[0]] if why.args and isinstance(why.args[0], list) else []
    return ", ".join(known) or "it failed"
