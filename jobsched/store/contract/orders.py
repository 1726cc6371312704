"""The orders of callers, the log of these orders, and when the tokens of callers were used last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

from twisted.internet.defer import Deferred

from ...model.audit import AuditFilter, Entry
from ...model.order import Issued, Order, Performed
from ...model.page import Page

T = TypeVar("T")

USES_APART: Final = timedelta(minutes=1)
USES_FORGOTTEN: Final = timedelta(days=730)


class Orders(Protocol):
    """The one way of every order of a caller."""

    def perform(self, order: Order[T], issued: Issued) -> Deferred[Performed[T]]:
        """In one change: check that the caller sees what the order is about, carry the order out, and write its entry.

        What each order does, answers and raises is written at its record in `model.order`. If the job or the run is of
        a task that the caller does not see, raises NotFound with the words for one that does not exist.

        The entry is what `issued.signature` makes of the order. Where the database has a clock, the entry has the
        database's instant, and an id of that instant. The entry is None, and none is written, if nothing was changed
        that an entry would show: the order was carried out before under its key, the job or the run was in that state
        already, or the run is to end for another reason, which stays. If the entry cannot be written, the change is
        undone. Orders that come at once may share a transaction; each is answered after its commit, and one that is
        refused leaves the others as they are. An entry names only those runs that end for this order. The job is held
        from the check on.
        """


class AuditEntries(Protocol):
    """The audit log: who changed what."""

    def page(self, limit: int, before: str | None, only: AuditFilter, room: int) -> Deferred[Page[Entry]]:
        """Up to `limit` entries with ids before `before`, newest first, as `only` asks for. Together they have no more
        than `room` bytes, but at least one entry is returned. The size of an entry is that of `before` and `after`, and
        512 bytes for the rest."""


class TokenUses(Protocol):
    """The last use of each token, by its fingerprint (`config.tokens`). All nodes write here."""

    def note(self, uses: Mapping[str, datetime]) -> Deferred[None]:
        """These tokens were used at these instants. An instant is written if the one that is stored lies a minute or
        more before it, or there is none: so a token is written once a minute, however many nodes it is used on. With
        the first use of a token, those that were not used for two years are forgotten."""

    def every(self) -> Deferred[dict[str, datetime]]:
        """The last use of each token."""
