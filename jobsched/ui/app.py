"""All screens of the page, as one resource below /ui."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ..config.options import Config
from ..http.app import make_app
from ..http.auth import Authenticator
from ..http.from_json import Defaults
from ..http.instants import Times
from ..http.route import Route, caller
from ..http.sessions import COOKIE, Sessions
from ..model.errors import Busy, JobschedError, Unavailable
from ..model.redaction import Redaction
from ..registry.registry import Registry
from .actions import Actions
from .edit import Edit
from .errors import ErrorScreens
from .files import Files
from .frame import Frame, Healthy
from .job import OneJob
from .jobs import Jobs
from .keys import Keys
from .looks import Look, Looks, gathered
from .many import Many
from .nodes import Nodes
from .overview import Overview
from .preferences import Preferences
from .run import OneRun
from .runs import Runs
from .sign_in import SignIn
from .upcoming import Upcoming


def live_page(
    reactor: IReactorTime, registry: Registry, config: Config, now: Callable[[], datetime], health: Healthy,
    authenticator: Authenticator,
) -> Resource:  # fmt: skip
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
    return Page(app.resource(), frame, authenticator, reactor)


class Page(Resource):
    """Everything below /ui, once the key of sessions is known."""

    isLeaf = True

    def __init__(self, inner: Resource, frame: Frame, authenticator: Authenticator, reactor: IReactorTime) -> None:
        super().__init__()
        assert authenticator.sessions is not None
        self._inner = inner
        self._frame = frame
        self._authenticator = authenticator
        self._sessions: Sessions = authenticator.sessions
        self._looks = Looks(reactor, inner.render, self._share)

    def render(self, request: Request) -> int:
        if request.getCookie(COOKIE) is None:
            self._render(request)
            return NOT_DONE_YET
        ready = Deferred.fromCoroutine(self._sessions.ready())
        ready.addErrback(lambda why: why.trap(Unavailable, Busy))  # whoever needs the key says so
        ready.addCallback(lambda _: self._render(request))
        return NOT_DONE_YET

    def _render(self, request: Request) -> None:
        may_wait = gathered(request)
        if may_wait is not None:
            try:
                who = self._authenticator.admit(request, "read")
            except JobschedError:  # the screen itself says what is missing
                may_wait = None
            else:
                self._looks.add(request, who, self._frame.differs(request), may_wait)
        if may_wait is None:
            self._inner.render(request)

    def _share(self, request: Request, look: Look, first: Request) -> None:
        """Answer with a screen that was made for another viewer, if this one still has the rights of that one."""
        try:
            who, other = self._authenticator.admit(request, "read"), caller(first)
        except JobschedError:
            self._inner.render(request)
            return
        if (who.name, who.scopes, who.tasks) == (other.name, other.scopes, other.tasks):
            self._frame.share(request, look, first)
        else:
            self._inner.render(request)


def screens(frame: Frame, files: Files, defaults: Defaults, times: Times, grace: float) -> list[Route]:
    """All routes below /ui."""
    actions, one_job = Actions(frame, defaults, times), OneJob(frame, defaults)
    return [
        *Overview(frame).routes(),
        *Jobs(frame).routes(),
        *one_job.routes(),
        *Keys(frame, one_job).routes(),
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
