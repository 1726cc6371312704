"""The last time in which no daemon ran, and what it cost: told above every screen for a day."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

import attrs

from ..model.downtime import NO_DAEMON
from ..model.run import Run, RunFilter
from ..model.times import utc_text
from ..registry.registry import Registry

TOLD: Final = timedelta(days=1)
KEPT: Final = timedelta(seconds=10)  # an answer, for those who see the same tasks
MOST: Final = 200  # runs that are looked at, and answers that are kept
_SAID: Final = re.compile(rf"{NO_DAEMON} from (\S+Z) until (\S+Z) ")


@attrs.frozen(kw_only=True)
class Outage:
    """A time without a daemon, and the dues that were missed in it; `more`: there are more than were counted."""

    begin: datetime
    end: datetime
    dues: int
    more: bool

    @property
    def query(self) -> str:
        """Which runs they are; their reasons tell whole seconds, so a due within the last of them is one of them."""
        times = {"from": utc_text(self.begin), "to": utc_text(self.end + timedelta(seconds=1))}
        return urlencode({"state": "missed"} | times)


class Outages:
    """Looks for it, not too often."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._known: dict[tuple[str, ...] | None, tuple[datetime, Outage | None]] = {}

    async def last(self, registry: Registry, tasks: tuple[str, ...] | None) -> Outage | None:
        """The last one of the last day, as a caller sees it who sees `tasks`."""
        now = self._now()
        at, found = self._known.get(tasks, (None, None))
        if at is None or not timedelta() <= now - at < KEPT:
            only = RunFilter(states=("missed",), begin=now - TOLD)
            found = newest(await registry.runs(MOST, None, only))
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[tasks] = now, found
        return found


def newest(runs: list[Run]) -> Outage | None:
    """What the reasons of missed runs tell of the last time without a daemon."""
    times = [found.groups() if (found := _SAID.match(run.reason)) else None for run in runs]
    last = max((each for each in times if each is not None), key=lambda each: each[1], default=None)
    if last is None:
        return None
    begin, end = map(datetime.fromisoformat, last)
    dues = sum(run.count for run, each in zip(runs, times, strict=True) if each == last)
    return Outage(begin=begin, end=end, dues=dues, more=len(runs) == MOST)
