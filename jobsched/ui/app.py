"""All screens of the page, as one resource below /ui."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from klein.resource import KleinResource

from ..config.options import Config
from ..model.redaction import Redaction
from ..registry.registry import Registry
from ..rest.app import make_app
from ..rest.auth import Authenticator
from ..rest.from_json import Defaults
from ..rest.instants import Times
from ..rest.route import Route
from .errors import ErrorScreens
from .files import Files
from .frame import Frame, Healthy
from .job import OneJob
from .jobs import Jobs
from .nodes import Nodes
from .overview import Overview
from .preferences import Preferences
from .run import OneRun
from .runs import Runs
from .upcoming import Upcoming


def live_page(
    registry: Registry, config: Config, now: Callable[[], datetime], health: Healthy, authenticator: Authenticator
) -> KleinResource:
    """The page for those whom `authenticator` lets in."""
    files = Files()
    frame = Frame(registry, files, health, now, config.timezone, lambda: authenticator.asks)
    redaction = Redaction(config.secret_parameters)
    defaults = Defaults(policy=config.policy, timezone=config.timezone, redaction=redaction, receivers=config.receivers)
    every = screens(frame, files, defaults, Times(now, config.timezone))
    return make_app(every, authenticator.admit, ErrorScreens(frame).install).resource()


def screens(frame: Frame, files: Files, defaults: Defaults, times: Times) -> list[Route]:
    """All routes below /ui."""
    return [
        *Overview(frame).routes(),
        *Jobs(frame).routes(),
        *OneJob(frame, defaults).routes(),
        *Runs(frame, times).routes(),
        *OneRun(frame, defaults.redaction).routes(),
        *Upcoming(frame, times).routes(),
        *Nodes(frame).routes(),
        *Preferences(frame).routes(),
        *files.routes(),
    ]
