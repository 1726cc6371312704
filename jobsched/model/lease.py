"""How long a node counts as living after its last heartbeat. No clock: which lease is asked for, which is in force."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

FIXED = timedelta(seconds=10)  # the lease in a release without the option LEASE
SHORTEST, LONGEST = FIXED, timedelta(hours=1)
USUAL = timedelta(seconds=30)

_GIVES_UP = 0.7  # the rest is for ending its runs before others may start them again
_PROMPT, _SLOW = 4, 20  # seconds


def gives_up(lease: timedelta) -> float:
    """Seconds without a heartbeat after which a node ends its own runs."""
    return lease.total_seconds() * _GIVES_UP


def answer(lease: timedelta) -> int:
    """Seconds to wait for the answer to one heartbeat: there is time for more before the node gives up."""
    return min(max(lease // timedelta(seconds=5), _PROMPT), _SLOW)


def within_limits(lease: timedelta) -> timedelta:
    """The lease that counts where this one is stored."""
    return min(max(lease, SHORTEST), LONGEST)


def agreed(kept: timedelta | None, asked: timedelta, others: Iterable[timedelta | None]) -> timedelta:
    """The lease that the store is to keep when a node starts.

    - `kept`: the lease in the store; None: there is none yet
    - `asked`: what this node asks for; it replaces `kept` if that is None, or if all `others` ask for the same
    - `others`: what the other living nodes ask for; None: a release without the option, which does not ask
    """
    return asked if kept is None or all(other == asked for other in others) else kept


def in_force(kept: timedelta, others: Iterable[timedelta | None]) -> timedelta:
    """The lease of a node: what the store keeps, or `FIXED` while one of `others` does not know the option (None)."""
    return FIXED if None in list(others) else kept
