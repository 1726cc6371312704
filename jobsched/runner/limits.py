"""The limits of runs on this node."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Limits:
    """How much runs may take."""

    livetime: float  # seconds of a run whose job and task set no timeout
    grace: float  # seconds from TERM to KILL
    max_running: int  # runs at once
    threads: int  # for tasks that run in threads
    output: int  # bytes of output of one run
