"""What callers order, and the log of it."""

from __future__ import annotations

from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred

from ...model.audit import AuditFilter, Entry
from ...model.order import Issued, Order, Performed
from ...model.page import Page

T = TypeVar("T")


class Orders(Protocol):
    """The one way of every order of a caller."""

    def perform(self, order: Order[T], issued: Issued) -> Deferred[Performed[T]]:
        """Check that the caller sees what the order is about, do it, and write its entry: in one change.

        What each order does, answers and raises stands with its record in `model.order`. Raises NotFound, in the words
        of one that is not there, for a job or a run of a task that the caller does not see. The entry is what
        `issued.signature` makes of it, with the database's instant (and an id of that instant) where it has a clock;
        None, and nothing is written, where nothing was changed that an entry would show: it was done before under its
        key, the job or the run was so already, or the run is to end for another reason, which stays. An entry that
        cannot be written undoes the change. Runs are named in an entry only if they end for this order. The job is held
        from the look on.
        """


class AuditEntries(Protocol):
    """Who changed what."""

    def page(self, limit: int, before: str | None, only: AuditFilter, room: int) -> Deferred[Page[Entry]]:
        """Up to `limit` entries with ids before `before`, newest first, as `only` asks for; no more than have `room`
        together, in bytes of `before` and `after` and 512 for the rest of each, but one at least."""
