"""Keys for the badge and the calendar of a job, as they are shown."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ...model.job_key import JobKey
from . import FOUND, ID, Moment


class KeyOut(Struct):
    """A key of a job, without the key."""

    id: Annotated[str, ID]
    by: Annotated[str | None, Meta(description="The token that made it; null: no token was needed")]
    at: Annotated[Moment, Meta(description="When it was made")]
    last: Annotated[str, Meta(description="Its last characters")]


class KeyMade(KeyOut):
    """A key that was just made, and the addresses that it opens. It is shown this once."""

    key: Annotated[str, Meta(description="The key: whoever has it may see the badge and the calendar of the job")]
    badge: Annotated[
        str, Meta(description="The address of the badge, with the key", extra_json_schema={"format": "uri"})
    ]
    calendar: Annotated[
        str, Meta(description="The address of the calendar, with the key", extra_json_schema={"format": "uri"})
    ]


class Keys(Struct):
    """The keys of a job; those made first come first."""

    values: Annotated[list[KeyOut], FOUND]


def key_out(key: JobKey) -> KeyOut:
    """A key as it is shown."""
    return KeyOut(id=key.id, by=key.by, at=key.at, last=key.last)


def key_made(key: JobKey, secret: str, badge: str, calendar: str) -> KeyMade:
    """The same, with what is shown once."""
    return KeyMade(id=key.id, by=key.by, at=key.at, last=key.last, key=secret, badge=badge, calendar=calendar)
