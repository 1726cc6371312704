"""What runs on this node may take."""

from __future__ import annotations

from threading import Thread
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Limits:
    """What a run may take: seconds, seconds, runs at once, threads, bytes of output."""

    livetime: float
    grace: float
    max_running: int
    threads: int
    output: int


class DaemonThread(Thread):
    """Does not keep the interpreter alive: a task that never returns must not make the daemon immortal."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, daemon=True, **kwargs)
