"""When a job counts as overdue, and which of its events are told to which receiver."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal, get_args

import attrs

Event = Literal["failed", "timed_out", "lost", "missed", "overdue", "recovered"]

EVENTS: Final[tuple[Event, ...]] = get_args(Event)


@attrs.frozen(kw_only=True)
class Notify:
    """Which events are told, and to whom; `url` None is the receiver that the operator set for all."""

    url: str | None = None
    on: tuple[Event, ...] = EVENTS


@attrs.frozen(kw_only=True)
class Watch:
    """When a job is overdue, and what is told. Without `notify` all events are told, to the receiver for all jobs."""

    max_late: timedelta | None = None  # from a due to its start
    must_succeed_every: timedelta | None = None
    notify: Notify | None = None

    @property
    def asked(self) -> bool:
        """Whether such a job can be overdue."""
        return self.max_late is not None or self.must_succeed_every is not None

    def same_terms(self, other: Watch) -> bool:
        """Whether both are overdue at the same time."""
        mine, theirs = (self.max_late, self.must_succeed_every), (other.max_late, other.must_succeed_every)
        return mine == theirs
