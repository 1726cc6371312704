"""All screens of the page, as one resource below /ui."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from twisted.internet.defer import Deferred
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ..config.options import Config
from ..http.app import make_app
from ..http.auth import Authenticator
from ..http.from_json import Defaults
from ..http.instants import Times
from ..http.route import Route
from ..http.sessions import COOKIE, Sessions
from ..model.errors import Busy, Unavailable
from ..model.redaction import Redaction
from ..registry.registry import Registry
from .actions import Actions
from .edit import Edit
from .errors import ErrorScreens
from .files import Files
from .frame import Frame, Healthy
from .job import OneJob
from .jobs import Jobs
from .many import Many
from .nodes import Nodes
from .overview import Overview
from .preferences import Preferences
from .run import OneRun
from .runs import Runs
from .sign_in import SignIn
from .upcoming import Upcoming


def live_page(
    registry: Registry, config: Config, now: Callable[[], datetime], health: Healthy, authenticator: Authenticator
) -> Resource:
    """The page for those whom `authenticator` lets in."""
    files = Files()
    sessions = authenticator.sessions
    assert sessions is not None
    frame = Frame(registry, files, health, now, config.timezone, lambda: authenticator.asks, sessions)
    redaction = Redaction(config.secret_parameters)
    defaults = Defaults(policy=config.policy, timezone=config.timezone, redaction=redaction, receivers=config.receivers)
    every = screens(frame, files, defaults, Times(now, config.timezone), config.kill_grace)
    sign_in = SignIn(frame, authenticator, sessions).routes()
    app = make_app([*every, *sign_in], authenticator.admit, ErrorScreens(frame).handlers)
    return Page(app.resource(), sessions)


class Page(Resource):
    """Everything below /ui, once the key of sessions is known."""

    isLeaf = True

    def __init__(self, inner: Resource, sessions: Sessions) -> None:
        super().__init__()
        self._inner = inner
        self._sessions = sessions

    def render(self, request: Request) -> int:
        if request.getCookie(COOKIE) is None:
            self._inner.render(request)
            return NOT_DONE_YET
        ready = Deferred.fromCoroutine(self._sessions.ready())
        ready.addErrback(lambda why: why.trap(Unavailable, Busy))  # whoever needs the key says so
        ready.addCallback(lambda _: self._inner.render(request))
        return NOT_DONE_YET


def screens(frame: Frame, files: Files, defaults: Defaults, times: Times, grace: float) -> list[Route]:
    """All routes below /ui."""
    actions = Actions(frame, defaults, times)
    return [
        *Overview(frame).routes(),
        *Jobs(frame).routes(),
        *OneJob(frame, defaults).routes(),
        *Runs(frame, times).routes(),
        *OneRun(frame, defaults.redaction, grace).routes(),
        *Edit(frame, defaults).routes(),
        *actions.routes(),
        *Many(frame, actions, defaults).routes(),
        *Upcoming(frame, times).routes(),
        *Nodes(frame).routes(),
        *Preferences(frame).routes(),
        *files.routes(),
    ]
