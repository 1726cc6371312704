"""Sessions of the page: a cookie that stands for a token, signed with a key that all nodes have from the store.

Nothing of a session is kept by the daemon. It ends with its token, after 12 hours without a screen, or when its viewer
signs out.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from hashlib import sha256
from typing import Final

import attrs
from twisted.logger import Logger
from twisted.web.http import Request

from ..config.tokens import Token, Tokens
from ..model.errors import Unavailable

COOKIE: Final = b"jobsched_session"
IDLE: Final = 12 * 3600  # seconds
RENEWED: Final = 600  # seconds after which a screen renews the cookie
READS: Final = (b"GET", b"HEAD")


@attrs.frozen(kw_only=True)
class Session:
    """One that is good."""

    token: Token
    nonce: str
    seen: int  # seconds since 1970
    csrf: str  # what a form of this session has to send


class Sessions:
    """Makes sessions and finds them again. `ask(proposed)` gives the key that all nodes agreed on."""

    log = Logger()

    def __init__(
        self, ask: Callable[[str], Awaitable[str]], tokens: Callable[[], Tokens], now: Callable[[], datetime]
    ) -> None:
        self._ask = ask
        self._tokens = tokens
        self._now = now
        self._key: bytes | None = None

    async def ready(self) -> None:
        """Returns once the key is known. Raises Unavailable, Busy."""
        if self._key is None:
            self._key = (await self._ask(secrets.token_hex(32))).encode()

    def make(self, token: Token) -> str:
        """The cookie of a new session."""
        return self._cookie(token, secrets.token_urlsafe(16))

    def renewed(self, session: Session) -> str | None:
        """The cookie of a session that goes on; None: the one that there is will do."""
        old = self._seconds() - session.seen >= RENEWED
        return self._cookie(session.token, session.nonce) if old else None

    def find(self, request: Request) -> Session | None:
        """The session of a request; None: there is none that is good. On the API it counts for what only reads: no
        other site's page can send it at all (SameSite), and ours writes by forms. Raises Unavailable."""
        given = request.getCookie(COOKIE)
        if not given or not (request.method in READS or request.path.startswith(b"/ui/")):
            return None
        if self._key is None:
            raise Unavailable("the key of sessions was not read from the store yet; try again")
        return self._read(given.decode("ascii", "replace"))

    def _read(self, text: str) -> Session | None:
        parts = text.split(".")
        if len(parts) != 4:
            return None
        mark, nonce, seen, signature = parts
        if not hmac.compare_digest(self._sign("session", mark, nonce, seen).encode(), signature.encode()):
            return None
        if not 0 <= self._seconds() - int(seen) + 60 <= IDLE + 60:  # nodes' clocks differ a little
            return None
        for token in self._tokens().known:
            if hmac.compare_digest(_mark(token), mark):
                if token.expires is not None and token.expires <= self._now():
                    return None
                return Session(token=token, nonce=nonce, seen=int(seen), csrf=self._sign("csrf", mark, nonce))
        return None

    def _cookie(self, token: Token, nonce: str) -> str:
        parts = (_mark(token), nonce, str(self._seconds()))
        return ".".join([*parts, self._sign("session", *parts)])

    def _sign(self, *parts: str) -> str:
        assert self._key is not None
        return hmac.new(self._key, ".".join(parts).encode(), sha256).hexdigest()

    def _seconds(self) -> int:
        return int(self._now().timestamp())


def header(request: Request, cookie: str, age: int = IDLE) -> bytes:
    """The header that sets the cookie, or with the age 0 takes it away."""
    secure = "; Secure" if request.isSecure() else ""
    text = f"{COOKIE.decode()}={cookie}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"
    return text.encode("ascii")


def _mark(token: Token) -> str:
    """Stands for a token in a cookie, and tells nothing of it."""
    return sha256(f"session of {token.hash}".encode()).hexdigest()[:32]
