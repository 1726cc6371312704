"""Whether this daemon can do its work, looked at while anybody follows it: once for all who do."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import attrs
from twisted.internet.interfaces import IReactorTime

from ..http.jsontext import encoded
from ..http.schemas.notifications import ReadyOut
from ..loops import Loop
from ..model.health import HealthProblem
from .event_text import event

EVERY: Final = 1.0  # seconds between looks


@attrs.frozen
class Seen:
    """What was seen: `key` is another one if something else keeps the daemon from its work; `text` is the event."""

    key: str
    text: bytes


class Readiness:
    """Looks what keeps the daemon from its work. It does not ask the store for changes, since the store may be what is
    away; so its events have no number, and are of this daemon alone."""

    def __init__(
        self, reactor: IReactorTime, problems: Callable[[], Awaitable[Sequence[HealthProblem]]],
        node: Callable[[], str],
    ) -> None:  # fmt: skip
        self._problems = problems
        self._node = node
        self._loop = Loop(reactor, EVERY, self._look, "the look whether this daemon is ready, for those who follow")
        self._hearers: list[Callable[[Seen], object]] = []

    def follow(self, hear: Callable[[Seen], object]) -> None:
        """Have `hear` called with what is seen, each second."""
        self._hearers.append(hear)
        if len(self._hearers) == 1:
            self._loop.start()

    def leave(self, hear: Callable[[Seen], object]) -> None:
        """Do not call `hear` any more."""
        self._hearers = [each for each in self._hearers if each != hear]
        if not self._hearers:
            self._loop.stop()

    async def _look(self) -> None:
        found = [str(problem) for problem in await self._problems()]
        key = re.sub(r"\d+", "#", "; ".join(found))  # "3 s ago" and "4 s ago" are the same
        seen = Seen(key, event("ready", encoded(ReadyOut(node=self._node(), ready=not found, problems=found))))
        for hear in list(self._hearers):
            hear(seen)
