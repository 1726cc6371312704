"""A key for the badge and the calendar of one job, which stands in their addresses and opens nothing else."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import attrs

PREFIX: Final = "jobsched_key_"  # makes a key that was lost or published easy to recognise
_RANDOM: Final = 32  # bytes behind it
_FORM: Final = re.compile(PREFIX + "[A-Za-z0-9_-]{43}")  # as long as these are in base64
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


def new_secret() -> str:
    """A key that nobody has had before."""
    return PREFIX + secrets.token_urlsafe(_RANDOM)


def looks_like_one(text: str) -> bool:
    """Whether `text` can be a key: if not, it was never made."""
    return _FORM.fullmatch(text) is not None


def opens(keys: Iterable[JobKey], digest: str) -> bool:
    """Whether one of these keys has that hash. All are compared, in constant time, so that the time taken tells
    nothing."""
    found = False
    for key in keys:
        found |= hmac.compare_digest(key.hash, digest)
    return found
