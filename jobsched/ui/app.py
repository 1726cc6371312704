"""All screens of the page, as one resource below /ui."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from klein.resource import KleinResource

from ..config.options import Config
from ..registry.registry import Registry
from ..rest.app import make_app
from ..rest.auth import Authenticator
from ..rest.route import Route
from .errors import ErrorScreens
from .files import Files
from .frame import Frame, Healthy
from .jobs import Jobs
from .preferences import Preferences


def live_page(
    registry: Registry, config: Config, now: Callable[[], datetime], health: Healthy, authenticator: Authenticator
) -> KleinResource:
    """The page for those whom `authenticator` lets in."""
    files = Files()
    frame = Frame(registry, files, health, now, config.timezone, lambda: authenticator.asks)
    return make_app(screens(frame, files), authenticator.admit, ErrorScreens(frame).install).resource()


def screens(frame: Frame, files: Files) -> list[Route]:
    """All routes below /ui."""
    return [
        *Jobs(frame).routes(),
        *Preferences(frame).routes(),
        *files.routes(),
    ]
