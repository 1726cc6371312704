"""/ui/view: in whose time, and how light, a viewer wants the page."""

from __future__ import annotations

from typing import cast

import attrs
from twisted.web.http import Request

from ..http.route import Route
from . import form
from .errors import see
from .frame import Frame
from .view import COOKIE, THEMES, TIMES, Times

YEAR = 365 * 24 * 3600


class Preferences:
    """The form in the head of each screen."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def routes(self) -> list[Route]:
        """What is served here."""
        return [Route("POST", "/ui/view", self.keep, "Keep how it is shown", form=True, scope="open")]

    async def keep(self, request: Request) -> bytes:
        """303: as wanted from now on. A cookie of the viewer's, and nothing that the daemon keeps."""
        sent, view = form.fields(request), self._frame.view(request)
        times, theme = form.one(sent, "times"), form.one(sent, "theme")
        if times in TIMES:
            view = attrs.evolve(view, times=cast(Times, times))
        if theme in THEMES:
            view = attrs.evolve(view, theme=theme)
        secure = "; Secure" if request.isSecure() else ""
        text = f"{COOKIE.decode()}={view.cookie}; Path=/ui; Max-Age={YEAR}; SameSite=Strict{secure}"
        request.responseHeaders.addRawHeader(b"set-cookie", text.encode("ascii"))
        return see(request, form.back(form.one(sent, "back")))
