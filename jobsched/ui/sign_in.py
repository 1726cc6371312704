"""/ui/sign-in: a token is exchanged for a session."""

from __future__ import annotations

from twisted.web.http import Request

from ..http.auth import Authenticator
from ..http.route import Route
from ..http.sessions import Sessions, header
from ..model.errors import Slower, Unauthorized
from . import form
from .errors import see
from .frame import Frame, asked


class SignIn:
    """The screen, and the way out."""

    def __init__(self, frame: Frame, authenticator: Authenticator, sessions: Sessions) -> None:
        self._frame = frame
        self._authenticator = authenticator
        self._sessions = sessions

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route("GET", "/ui/sign-in", self.show, "Sign in", scope="open"),
            Route("POST", "/ui/sign-in", self.enter, "Sign in", form=True, scope="open"),
            Route("POST", "/ui/sign-out", self.leave, "Sign out", form=True, scope="any"),
        ]

    async def show(self, request: Request) -> bytes:
        """200: the form."""
        if not self._authenticator.asks:
            return see(request, "/ui/")
        return self._screen(request, form.back(asked(request, "next")))

    async def enter(self, request: Request) -> bytes:
        """303: signed in. 401: no such token. 429: too many wrong ones came from there."""
        sent = form.fields(request)
        back = form.back(form.one(sent, "next"))
        if not self._authenticator.asks:
            return see(request, back)
        try:
            token = self._authenticator.token_of(request, form.one(sent, "token").encode())
        except (Unauthorized, Slower) as why:
            request.setResponseCode(429 if isinstance(why, Slower) else 401)
            return self._screen(request, back, str(why))
        await self._sessions.ready()
        request.responseHeaders.addRawHeader(b"set-cookie", header(request, self._sessions.make(token)))
        return see(request, back)

    async def leave(self, request: Request) -> bytes:
        """303: signed out."""
        self._frame.form(request)
        request.responseHeaders.addRawHeader(b"set-cookie", header(request, "", 0))
        return see(request, "/ui/sign-in")

    def _screen(self, request: Request, back: str, fault: str = "") -> bytes:
        return self._frame.bare(request, "sign_in.html", "Sign in", back=back, fault=fault)
