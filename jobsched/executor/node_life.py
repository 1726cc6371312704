"""What executors have to know of the life of their node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs


@attrs.frozen(kw_only=True)
class NodeLife:
    """How the daemon is told of it."""

    patience: float  # seconds that an executor may be silent
    until: Callable[[], float | None]  # others believe that this node lives; elapsed seconds, None: there are no others
    leaves: Callable[[], bool]  # whether the end of the daemon leaves runs to executors
    hand_over: Callable[[], Awaitable[None]]  # have others wait for the daemon that comes after this one
