"""What a node says when it claims dues, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs

from .downtime import Downtime
from .ids import Ids
from .node import Node
from .run import Run

# What runs say of themselves, on whichever store.
IS_RUNNING: Final = "is running"
NO_SLOT: Final = "no free slot: max_running runs are active"
DELETED: Final = "its job was deleted"
TOOK_PLACE: Final = "a later run took its place while it waited"
SPENT: Final = "max_runs was reached, until a run that waited came to nothing"


@attrs.frozen(kw_only=True)
class Claimant:
    """Who claims, when, and how much it can take.

    `peers` are the living nodes as it was told last, itself among them; without any, whatever comes is for it. One
    that is `alone` has a database of its own.
    """

    node: str
    node_id: str
    now: datetime  # where the database has a clock, that one is asked
    able_since: datetime
    slots: int  # runs it can start at once
    ids: Ids
    peers: Sequence[Node] = ()
    alone: bool = True
    downtimes: Sequence[Downtime] = ()  # in which nothing could be run here; of several nodes the store tells


@attrs.frozen(kw_only=True)
class Claimed:
    """What a claim came to."""

    started: tuple[Run, ...] = ()  # recorded as running here; their processes are to be started now
    replaced: tuple[Run, ...] = ()  # active runs that are to end, each for its `stop`: a newer one takes their place
    dues: tuple[tuple[str, datetime | None], ...] = ()  # (job, its next due) for each job that was decided, or not due
    waiting: bool = False  # some run waits, for a slot or for another
    held_up: bool = False  # more might have been decided or started, but for a transaction under way
    won: int = 0  # jobs that were decided
    now: datetime | None = None  # when
