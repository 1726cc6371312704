"""What a node among others asks of its daemon."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

from ..model.membership import Heartbeat


@attrs.frozen(kw_only=True)
class Life:
    """What membership needs of the rest of this node."""

    heartbeat: Callable[[], Heartbeat]  # `id` and all; membership puts its own id in
    end_all: Callable[[str], object]  # end every run here, quickly, as lost
    stored: Callable[[], Awaitable[object]]  # fires when outcomes that wait are stored, or after a while
    end: Callable[[str, str], object]  # one run, for a reason
    keep_id: Callable[[str], object]  # remember this id for the daemon that comes after this one
