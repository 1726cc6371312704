"""Whose turn it is to look for what is to be forgotten."""

from __future__ import annotations

from datetime import datetime

import attrs


@attrs.frozen(kw_only=True)
class RetentionPass:
    """To look at the jobs that have runs made `since` then; None: at all jobs."""

    since: datetime | None
    begun: datetime
