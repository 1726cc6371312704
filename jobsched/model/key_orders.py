"""What callers order about the keys of jobs: records as in `order`."""

from __future__ import annotations

import attrs

from .job_key import JobKey
from .order import Order


@attrs.frozen(kw_only=True)
class MakeKey(Order[JobKey]):
    """Add a key for the badge and the calendar of a job, of which this is the SHA-256, in hex, and these the last
    characters. Answers what is kept of it. Raises Conflict when the job has `job_key.MOST`."""

    job_id: str
    hash: str = attrs.field(repr=False)
    last: str


@attrs.frozen(kw_only=True)
class RevokeKey(Order[JobKey]):
    """Remove a key of a job. Answers what was kept of it. Raises NotFound if the job has no such key."""

    job_id: str
    key_id: str
