"""Which callers are let in: the token of a request, what it may do, and how often a wrong token may be sent.

A wrong token is answered with 401, and from the eleventh within a minute from one address with 429. A right token is
let in all the same: 256 random bits cannot be guessed at any pace, and a client that sends wrong tokens must not shut
out others behind the same address or proxy. The limit is against noise, also in the log.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import NoReturn

import attrs
from twisted.logger import Logger
from twisted.web.http import Request

from ..config.tokens import Token, Tokens, fingerprint, hashed
from ..model.address import neighbourhood
from ..model.caller import ANYBODY, NOBODY, Caller, Need
from ..model.errors import Slower, Unauthorized, Unavailable
from .log_limit import Lines, shown
from .sessions import Session, Sessions

WRONG = 10  # tokens from one address
WITHIN = 60.0  # seconds
ADDRESSES = 1000  # remembered at most; beyond that, the address whose last wrong token is oldest is forgotten

NODE = "(node)"  # no token can have this name
NEEDED = "a token is needed: as 'Authorization: Bearer TOKEN', or as the password of Basic, with any user name"


class Authenticator:
    """Checks each request before its route gets it; `cluster` is the token that other nodes send. `used` is told the
    fingerprint of each token that is let in."""

    log = Logger()

    def __init__(
        self, tokens: Callable[[], Tokens], now: Callable[[], datetime], seconds: Callable[[], float],
        cluster: str | None = None, lines: Lines | None = None, sessions: Sessions | None = None,
        used: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._used = used
        self.lines = lines
        self.sessions = sessions
        self._tokens = tokens
        self._now = now
        self._cluster = cluster.encode() if cluster else None
        self._failures = Failures(seconds)

    @property
    def asks(self) -> bool:
        """Whether a caller needs a token."""
        return self._tokens().asked

    def admit(self, request: Request, need: Need) -> Caller:
        """The caller, if it has the scope `need`. Raises Unauthorized, Slower, Forbidden."""
        address = shown(request.getClientAddress())
        if not self.asks:
            return _anybody(address)
        if need == "open":
            return self._recognised(request, address)
        if need == "key" and b"key" in (request.args or {}) and not _given(request):
            return attrs.evolve(NOBODY, address=address)  # sees nothing, until `by_key`
        caller = self._caller(request, address)
        if need != "token" and need != "any":  # noqa: PLR1714  # mypy narrows by these
            caller.must("read" if need == "key" else need)
        return caller

    def by_key(self, request: Request, right: bool) -> Caller:
        """A caller that was let in for the key in the address, if that is `right`. Raises Unauthorized, Slower."""
        address = shown(request.getClientAddress())
        if not right:
            self._refuse(request, address, "a key that opens nothing there", "this key does not open this")
        return Caller(scopes=frozenset({"read"}), address=address)

    def _recognised(self, request: Request, address: str) -> Caller:
        """The caller of a call that is open to all: a wrong token counts as none."""
        with suppress(Unavailable):  # a monitor is answered, whatever is sent along
            session = self._session(request)
            if session is not None:
                return self._let_in(session.token, session.token.hash, address)
        secret = _secret(_given(request))
        token = None if secret is None else self._tokens().find(secret)
        if secret is None or token is None or self._is_over(token):
            return attrs.evolve(NOBODY, address=address)
        return self._let_in(token, hashed(secret), address)

    def _caller(self, request: Request, address: str) -> Caller:
        given = _given(request)
        if not given:
            session = self._session(request)
            if session is None:
                raise Unauthorized(NEEDED)
            return self._let_in(session.token, session.token.hash, address)
        secret = _secret(given)
        if secret is None:
            self._refuse(request, address, "no token in the Authorization header", NEEDED)
        if self._cluster is not None and hmac.compare_digest(secret, self._cluster):
            return Caller(name=NODE, scopes=frozenset({"read"}), address=address)
        return self._let_in(self._token(request, address, secret), hashed(secret), address)

    def _let_in(self, token: Token, digest: str, address: str) -> Caller:
        """The caller with a token, of which this hash was sent, or stands in its session."""
        self._used(fingerprint(digest))
        return Caller(
            name=token.name, scopes=token.scopes, tasks=token.tasks, expires=token.expires, address=address
        )  # fmt: skip

    def token_of(self, request: Request, secret: bytes) -> Token:
        """The token that somebody signs in with. Raises Unauthorized, Slower."""
        return self._token(request, shown(request.getClientAddress()), secret)

    def _token(self, request: Request, address: str, secret: bytes) -> Token:
        token = self._tokens().find(secret)
        if token is None:
            self._refuse(request, address, "an unknown token", "this token is not known here")
        if self._is_over(token):
            self._refuse(request, address, f"the token {token.name!r}, which has expired", _expired(token))
        return token

    def _session(self, request: Request) -> Session | None:
        return None if self.sessions is None or _given(request) else self.sessions.find(request)

    def _is_over(self, token: Token) -> bool:
        return token.expires is not None and token.expires <= self._now()

    def _refuse(self, request: Request, address: str, what: str, detail: str) -> NoReturn:
        wait = self._failures.wait(address)
        if wait:
            raise Slower(f"too many wrong tokens came from {address}; try again in {wait} seconds", wait)
        if self.lines is None or self.lines.room(address):
            self.log.warn("{address} sent {what}", address=address, what=what)
            request.logged = True  # type: ignore[attr-defined]  # of LimitedRequest
        self._failures.add(address)
        raise Unauthorized(detail)


class Failures:
    """When the last `WRONG` wrong tokens came, for each of up to `ADDRESSES` addresses; `seconds` is a clock."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._times)

    def add(self, address: str) -> None:
        """One more wrong token came from `address`."""
        key = neighbourhood(address)
        times = self._times.setdefault(key, deque(maxlen=WRONG))
        times.append(self._seconds())
        self._times.move_to_end(key)
        if len(self._times) > ADDRESSES:
            self._times.popitem(last=False)

    def wait(self, address: str) -> int:
        """Whole seconds until one more wrong token may come from `address`; 0: now."""
        times = self._times.get(neighbourhood(address))
        if times is None or len(times) < WRONG:
            return 0
        passed = self._seconds() - times[0]
        return math.ceil(WITHIN - passed) if 0 <= passed < WITHIN else 0  # a clock set back forgives


@lru_cache(maxsize=64)  # many requests come from few addresses
def _anybody(address: str) -> Caller:
    return attrs.evolve(ANYBODY, address=address)


def _given(request: Request) -> Sequence[bytes]:
    return request.requestHeaders.getRawHeaders(b"authorization", [])


def _secret(given: Sequence[bytes]) -> bytes | None:
    """The token in the Authorization header, if there is just one header: all of Bearer, or the password of Basic."""
    if len(given) != 1:
        return None
    scheme, _, rest = given[0].strip().partition(b" ")
    kind, rest = scheme.lower(), rest.strip()
    if kind == b"basic":
        try:
            rest = base64.b64decode(rest, validate=True).partition(b":")[2]
        except binascii.Error:
            return None
    return rest if kind in {b"basic", b"bearer"} and rest else None


def _expired(token: Token) -> str:
    return f"this token has expired, at {token.expires:%Y-%m-%d %H:%M:%S} UTC"
