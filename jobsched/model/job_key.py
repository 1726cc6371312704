"""A key for the badge and the calendar of one job, which stands in their addresses and opens nothing else."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import attrs

PREFIX: Final = "jobsched_key_"  # makes a key that was lost or published easy to recognise
FORM: Final = re.compile(PREFIX + "[A-Za-z0-9_-]{43}")  # 256 random bits behind it
SHOWN: Final = 4  # of its last characters
MOST: Final = 20  # keys of one job


@attrs.frozen(kw_only=True)
class JobKey:
    """What is kept of a key: never the key itself."""

    id: str
    job_id: str
    by: str | None  # the name of a token; None: no token was needed
    at: datetime
    last: str  # its last characters
    hash: str = attrs.field(repr=False)  # SHA-256 of it, in hex


def opens(keys: Iterable[JobKey], digest: str) -> bool:
    """Whether one of these keys has that hash. All are compared, in constant time, so that the time taken tells
    nothing."""
    found = False
    for key in keys:
        found |= hmac.compare_digest(key.hash, digest)
    return found
