"""What a job wants done about lateness, overlap and failure, and where it wants to run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

import attrs

Overlap = Literal["skip", "queue", "replace", "allow"]
CatchUp = Literal["latest", "none", "all"]
Placement = Literal["any", "every"]

CATCH_UP_MOST = 1000  # runs that `catch_up: all` starts for one stretch of downtime


@attrs.frozen(kw_only=True)
class Policy:
    """The choices of one job; the defaults are the contract's."""

    overlap: Overlap = "skip"
    misfire_grace: timedelta | None = timedelta(seconds=60)  # None: no limit
    catch_up: CatchUp = "latest"
    retries: int = 0
    retry_delay: timedelta = timedelta(seconds=60)
    placement: Placement = "any"
    require: Mapping[str, str] = attrs.field(factory=dict)  # tags that a node must have
