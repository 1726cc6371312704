"""A time in which nothing could be run, and the words for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import attrs

from .node import Node
from .overdue import spoken

NO_DAEMON: Final = "no daemon ran"
NO_NODE: Final = "no node that could run it lived"
HELD_UP: Final = "nothing could be scheduled"


@attrs.frozen
class Downtime:
    """The time from a last sign of life, `begin`, to the next one, `end`; `what` happened, as in "no daemon ran"."""

    begin: datetime
    end: datetime
    what: str

    def holds(self, due: datetime) -> bool:
        """Whether `due` passed in this time."""
        return self.begin <= due < self.end

    def __str__(self) -> str:
        begin, end = (instant.replace(microsecond=0) for instant in (self.begin, self.end))
        return f"{self.what} from {begin:%FT%TZ} until {end:%FT%TZ} ({spoken(end - begin)})"


def without_nodes(known: Iterable[Node], living: Iterable[Node]) -> Downtime | None:
    """The downtime from the last sign of life of the nodes `known` to the start of the first of the nodes `living`.

    None: one node lived all the time, or no node lived before.
    """
    began = {node.id: node.since for node in living}
    last = max((node.seen for node in known if node.id not in began), default=None)
    first = min(began.values(), default=None)
    return None if last is None or first is None or last >= first else Downtime(last, first, NO_NODE)


def downtime_before(known: Sequence[Node], node_id: str) -> Downtime | None:
    """The downtime that ended when that node began. None: another node lived then, or there was no node before."""
    began = next((node.since for node in known if node.id == node_id), None)
    if began is None:
        return None
    return without_nodes(known, [node for node in known if node.id == node_id or node.since > began])


@attrs.frozen(kw_only=True)
class DowntimeCost:
    """The dues that were missed, of how many jobs; `whole` when every due of that time has been decided."""

    jobs: int
    dues: int
    whole: bool
