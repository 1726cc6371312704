"""For how long a node counts as living after it was heard last. No clock: what nodes ask for, and what is in force."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

FIXED = timedelta(seconds=10)  # that of a release without the option LEASE
SHORTEST, LONGEST = FIXED, timedelta(hours=1)
USUAL = timedelta(seconds=30)

_GIVES_UP = 0.7  # the rest is for ending its runs before others may start them again
_PROMPT, _SLOW = 4, 20  # seconds


def gives_up(lease: timedelta) -> float:
    """Seconds without a heartbeat after which a node ends its own runs."""
    return lease.total_seconds() * _GIVES_UP


def answer(lease: timedelta) -> int:
    """Seconds to wait for the answer to a heartbeat, so that there is time for others before the node gives up."""
    return min(max(lease // timedelta(seconds=5), _PROMPT), _SLOW)


def agreed(kept: timedelta | None, asked: timedelta, others: Iterable[timedelta | None]) -> timedelta:
    """What the store is to keep when a node starts that asks for a lease: what it keeps, unless every other living node
    asks for the same as this one. Of `others` None: is of a release without the option, and does not ask."""
    return asked if kept is None or all(other == asked for other in others) else kept


def in_force(kept: timedelta, others: Iterable[timedelta | None]) -> timedelta:
    """The lease of a node: what the store keeps, but never more than each of the `others` knows of."""
    return FIXED if None in list(others) else kept
