"""Asks the daemon, one request after the other, by the standard library alone: treq takes 0.3 s to import."""

from __future__ import annotations

import http.client
import json
import secrets
import shlex
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from .. import __version__
from .contexts import Server
from .errors import Changed, CommandError, NoAnswer, NotAllowed, NotThere, Printed, Refused

Json = dict[str, Any]  # an object of an answer: its fields are the API's
Query = Mapping[str, object]

PATIENCE: Final = 30.0  # seconds without a byte
LONG: Final = 300.0  # of what is made as a whole
PAGE: Final = 1000
MOST_FAULTS: Final = 5  # of one refusal, in a line
LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_BY_STATUS: Final[Mapping[int, type[CommandError]]] = {
    401: NotAllowed, 403: NotAllowed, 404: NotThere, 412: Changed,
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """A success. `last`: the last part of the path of what was made."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """What the body says."""
        return json.loads(self.content) if self.content else None

    @property
    def made(self) -> str:
        """The id of what was made."""
        return urlsplit(self.headers.get("location", "")).path.rpartition("/")[2]


class _Unix(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: str, patience: float) -> None:
        super().__init__("localhost", timeout=patience)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """Speaks to one server. `curl`: show what is asked for, instead of asking. `announce` is called before a write."""

    def __init__(
        self, server: Server, *, curl: Callable[[str], None] | None = None, announce: Callable[[], None] = lambda: None
    ) -> None:
        self.server = server
        self._curl = curl
        self._announce = announce
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str, query: Query | None = None, *, lookup: bool = False, patience: float = PATIENCE) -> Json:
        """The JSON of an answer. `lookup`: it is asked also with --curl, for the request to show depends on it."""
        found: Json = self.ask("GET", path, query=query, lookup=lookup, patience=patience).json
        return found

    def several(self, *asked: tuple[str, Query]) -> list[Json | None]:
        """What each of several paths gives; None for what this caller may not see, or what is not there."""
        if self._curl is not None:
            for path, query in asked:
                self._curl(self._line("GET", self._target(path, query), None, {}))
            raise Printed
        return [self.maybe(path, query) for path, query in asked]

    def maybe(self, path: str, query: Query | None = None) -> Json | None:
        """The JSON of an answer; None where there is none for this caller."""
        try:
            return self.get(path, query, lookup=True)
        except (NotThere, NotAllowed):
            return None

    def trouble(self) -> str | None:
        """What keeps the daemon from its work; None: nothing does."""
        try:
            self.get("/health/ready", lookup=True)
        except CommandError as why:
            return str(why)
        return None

    def pages(
        self, path: str, query: Query | None = None, *, most: int | None = None, lookup: bool = False, page: int = PAGE
    ) -> Iterator[Json]:
        """Each value of a list, page after page, up to `most`. `page`: of how many, where not all may be wanted."""
        wanted: Query | None = {**(query or {}), "limit": page if most is None else min(page, most)}
        left = most
        while wanted is not None:
            answer = self.ask("GET", path, query=wanted, lookup=lookup)
            values = answer.json["values"]
            yield from values if left is None else values[:left]
            left = None if left is None else left - len(values)
            wanted = None if left is not None and left <= 0 else _following(answer.headers.get("link", ""))

    def texts(self, path: str, query: Query) -> Iterator[str]:
        """The parts of a text that is a list, to be put behind one another."""
        wanted: Query | None = query
        while wanted is not None:
            answer = self.ask("GET", path, query=wanted, patience=LONG)
            yield answer.content.decode()
            wanted = _following(answer.headers.get("link", ""))

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        lookup: bool = False,
        writes: bool | None = None,
        patience: float = PATIENCE,
        keyed: bool = False,
    ) -> Answer:
        """One request. `keyed`: it makes something, and is safe to be sent again. Raises CommandError."""
        answer = self._open(method, path, body, query, headers, lookup, writes, patience, keyed)
        try:
            content = answer.read()
        except (OSError, http.client.HTTPException) as why:
            raise self._away(why) from why
        found = {name.lower(): value for name, value in answer.getheaders()}
        if answer.status >= 300 and answer.status != 304:
            raise problem(answer.status, content)
        return Answer(answer.status, found, content)

    def stream(self, path: str, query: Query | None = None, *, patience: float | None = None) -> Iterator[bytes]:
        """An answer as it comes. `patience`: seconds without a byte; None: for ever."""
        answer = self._open("GET", path, None, query, None, False, None, PATIENCE, False)
        if answer.status >= 300:
            raise problem(answer.status, answer.read())
        connection = self._connection
        if connection is not None and connection.sock is not None:
            connection.sock.settimeout(patience)
        try:
            while part := answer.read1(65536):
                yield part
        except (OSError, http.client.HTTPException) as why:
            raise self._away(why) from why
        finally:
            self.close()

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(
        self, method: str, path: str, body: object, query: Query | None, headers: Mapping[str, str] | None,
        lookup: bool, writes: bool | None, patience: float, keyed: bool,
    ) -> http.client.HTTPResponse:  # fmt: skip
        given = dict(headers or {})
        if body is not None:
            given.setdefault("Content-Type", "application/json")
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        target = self._target(path, query)
        if self._curl is not None and not lookup:
            self._curl(self._line(method, target, data, given))
            raise Printed
        if writes if writes is not None else method != "GET":
            self._announce()
        if keyed:
            given["Idempotency-Key"] = secrets.token_hex(16)
        given["User-Agent"] = f"jobsched/{__version__}"
        if self.server.token:
            given["Authorization"] = f"Bearer {self.server.token}"
        return self._sent(method, target, data, given, patience, again=keyed or method == "GET")

    def _sent(
        self, method: str, target: str, data: bytes | None, headers: Mapping[str, str], patience: float, again: bool
    ) -> http.client.HTTPResponse:
        fresh = self._connection is None
        try:
            connection = self._connected(patience)
            connection.request(method, target, data, dict(headers))
            return connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as why:
            self.close()
            # A server may hang up on a connection that was idle; what is safe to be sent again is, once.
            if again and not fresh and not isinstance(why, TimeoutError):
                return self._sent(method, target, data, headers, patience, again=False)
            raise self._away(why) from why

    def _connected(self, patience: float) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = self._made(patience)
        if self._connection.sock is not None:
            self._connection.sock.settimeout(patience)
        return self._connection

    def _made(self, patience: float) -> http.client.HTTPConnection:
        if self.server.url.startswith("unix:"):
            return _Unix(self.server.url.removeprefix("unix:"), patience)
        parts = urlsplit(self.server.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=patience)
        trust = ssl.create_default_context()
        if self.server.ca:
            trust.load_verify_locations(self.server.ca)
        return http.client.HTTPSConnection(host, parts.port, timeout=patience, context=trust)

    def _target(self, path: str, query: Query | None) -> str:
        prefix = "" if self.server.url.startswith("unix:") else urlsplit(self.server.url).path
        pairs = [
            (name, _text(each))
            for name, value in (query or {}).items()
            if value is not None
            for each in (value if isinstance(value, (list, tuple)) else [value])
        ]
        return f"{prefix}{path}" + (f"?{urlencode(pairs, quote_via=quote)}" if pairs else "")

    def _line(self, method: str, target: str, data: bytes | None, headers: Mapping[str, str]) -> str:
        """The request as a line for a shell. The token is not in it: the shell knows it by its name."""
        url = self.server.url
        words = ["curl", "-sS"]
        if url.startswith("unix:"):
            words += ["--unix-socket", shlex.quote(url.removeprefix("unix:"))]
            base = "http://localhost"
        else:
            base = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
        words += ["-X", method] if method != "GET" else []
        words.append(shlex.quote(base + target))
        if self.server.token:
            words += ["-H", '"Authorization: Bearer $JOBSCHED_TOKEN"']
        for name, value in headers.items():
            words += ["-H", shlex.quote(f"{name}: {value}")]
        return " ".join(words + (["-d", shlex.quote(data.decode())] if data is not None else []))

    def _away(self, why: Exception) -> NoAnswer:
        words = why.strerror if isinstance(why, OSError) and why.strerror else str(why) or type(why).__name__
        what = "it said nothing in time" if isinstance(why, TimeoutError) else words.lower()
        hint = ""
        if isinstance(why, (ConnectionRefusedError, FileNotFoundError)):
            local = self.server.url.startswith("unix:") or urlsplit(self.server.url).hostname in LOCAL
            hint = "; start it with: jobsched serve" if local else "; is it running?"
        return NoAnswer(f"no answer from {self.server.url}: {what}{hint}")


def problem(status: int, content: bytes) -> CommandError:
    """What a refusal says, in one line."""
    try:
        said = json.loads(content)
        faults = [(str(each["pointer"]), str(each["detail"])) for each in said.get("errors", [])]
        detail = str(said["detail"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return _BY_STATUS.get(status, Refused)(f"the server answered {status}, in no words of Jobsched")
    told = [f"{_place(pointer)}: {text}" if pointer else text for pointer, text in faults]
    also = said.get("candidates")
    more = f"; and {len(told) - MOST_FAULTS} more" if len(told) > MOST_FAULTS else ""
    line = "; ".join(told[:MOST_FAULTS]) + more or detail
    line = f"{line}; it may be {', '.join(map(str, also))}" if also else line
    kind = _BY_STATUS.get(status, Refused)
    return Refused(line, faults) if kind is Refused else kind(line)


def _place(pointer: str) -> str:
    return pointer.removeprefix("/").removeprefix("?").replace("/", ".").replace("~1", "/").replace("~0", "~")


def _following(link: str) -> Query | None:
    """The query of the next page, of which the header Link says the address."""
    address, _, rel = link.partition(">")
    return parse_qs(urlsplit(address.strip("<")).query, keep_blank_values=True) if 'rel="next"' in rel else None


def _text(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def one(kind: str, name: str, *rest: str) -> str:
    """The path of one job or run."""
    return "/".join(["", kind, quote(name, safe=""), *rest])
