"""What a hold has cost so far: the dues that it skipped, told beside it above every screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import attrs

from ..model.hold import Hold
from ..model.run import Run, RunFilter
from ..model.times import utc_text
from ..registry.registry import Registry
from .outages import KEPT, MOST

BEGINS: Final = "on hold"  # the reason of each


@attrs.frozen(kw_only=True)
class Skipped:
    """So many dues; `more`: there are more than were counted. `query`: which runs they are."""

    dues: int
    more: bool
    query: str


class HeldDues:
    """Counts them, not too often."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._known: dict[object, tuple[datetime, Skipped]] = {}

    async def count(self, registry: Registry, hold: Hold, tasks: tuple[str, ...] | None) -> Skipped:
        """Those that a caller sees who sees `tasks`."""
        now, key = self._now(), (hold.at, tasks)
        at, found = self._known.get(key, (None, None))
        if found is None or at is None or not now - KEPT < at <= now:
            only = RunFilter(states=("skipped",), begin=hold.at)
            found = counted(await registry.runs(MOST, None, only), hold)
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = now, found
        return found


def counted(runs: Sequence[Run], hold: Hold) -> Skipped:
    """What a hold has skipped among these runs."""
    dues = sum(run.count for run in runs if run.reason.startswith(BEGINS))
    query = urlencode({"state": "skipped", "from": utc_text(hold.at)})
    return Skipped(dues=dues, more=len(runs) == MOST, query=query)
