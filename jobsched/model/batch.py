"""One order on many jobs: what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import attrs

from .audit import Facts
from .run import Run

BatchAction = Literal["pause", "resume", "run", "change", "delete"]
PartResult = Literal["done", "unchanged", "stale", "refused"]

MOST: Final = 200  # jobs of one batch


@attrs.frozen(kw_only=True)
class Part:
    """What became of one job: `stale` is not at the version that was seen, `refused` says why in `detail`. `before` and
    `after` hold the values that differ, as the audit log has them."""

    job_id: str
    name: str
    result: PartResult
    detail: str = ""
    version: int | None = None  # after it
    next_due: datetime | None = None  # after it
    run_id: str | None = None  # that was made
    before: Facts | None = None
    after: Facts | None = None


@attrs.frozen(kw_only=True)
class Batch:
    """What became of all; `ended` and `replaced` are runs that are to end now, each for its `stop`."""

    parts: Sequence[Part] = ()
    ended: Sequence[Run] = ()
    replaced: Sequence[Run] = ()
