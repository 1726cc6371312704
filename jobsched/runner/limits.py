"""What runs on this node may take."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Limits:
    """What a run may take: seconds, seconds, runs at once, threads, bytes of output."""

    livetime: float
    grace: float
    max_running: int
    threads: int
    output: int
