"""Instants as people write them: ISO 8601 with an offset, short or long."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import attrs
from msgspec import Meta, UnsetType

from ..model.errors import BadTrigger, Invalid
from ..model.time_text import EXAMPLE as TIMES
from ..model.time_text import Asked

EXAMPLE = "2030-01-31T12:00:00+01:00 or 2030-01-31T11:00Z"
LONGEST = 64

InstantText = Annotated[
    str, Meta(max_length=LONGEST, description="ISO 8601 with an offset", extra_json_schema={"format": "date-time"})
]

_SHAPE = re.compile(r"[0-9W-]+[T ][0-9:.,]+ ?(Z|[+-][0-9:]+)?", re.ASCII)
_LOST_PLUS = re.compile(r"([^T ]+[T ][^ ]+) ([0-9]{2}:?(?:[0-9]{2})?)", re.ASCII)


def instant(text: str | None, pointer: str) -> datetime | None:
    """The instant in UTC. The text needs an offset, or it could mean any of 38 instants. Raises Invalid."""
    if text is None:
        return None
    plain = text.strip().upper()
    found = _SHAPE.fullmatch(plain)
    try:
        if found is None:
            raise ValueError(text)
        moment = datetime.fromisoformat(plain)
    except ValueError:
        raise Invalid(f"is no instant in ISO 8601, as {EXAMPLE} is", pointer) from None
    if moment.tzinfo is None:
        raise Invalid(f"needs an offset, as in {EXAMPLE}", pointer)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Invalid("lies outside the years 1 to 9999", pointer) from None


def asked_instant(text: str | UnsetType, pointer: str) -> datetime | None:
    """An instant in a query, in UTC; a plus sign that was not escaped in the URL arrives as a blank."""
    if isinstance(text, UnsetType):
        return None
    lost = _LOST_PLUS.fullmatch(text.strip())
    return instant(f"{lost[1]}+{lost[2]}" if lost else text, pointer)


@attrs.frozen
class Times:
    """Reads the times of queries: `now()` says what time it is, and `timezone` is the zone of those that name none."""

    now: Callable[[], datetime]
    timezone: str

    def window(
        self, begin: str | UnsetType, end: str | UnsetType, zone: str | UnsetType, ahead: bool = False
    ) -> tuple[datetime | None, datetime | None]:
        """The instants of `?from` and `?to`. Raises Invalid.

        A time of day in `to` is the first after `from`; in `from` it is the last up to now or, with `ahead`, the first
        after now.
        """
        try:
            chosen = None if isinstance(zone, UnsetType) else zone
            asked = Asked.of(chosen or self.timezone, self.now(), chosen=chosen is not None)
        except BadTrigger as why:
            raise Invalid(why.detail, "?zone") from None
        since = _asked(asked, begin, "?from", asked.now if ahead else None)
        return since, _asked(asked, end, "?to", asked.now if since is None and ahead else since)


def _asked(asked: Asked, text: str | UnsetType, pointer: str, after: datetime | None) -> datetime | None:
    if isinstance(text, UnsetType):
        return None
    try:
        found = asked.instant(text, after)
    except (ValueError, OverflowError):
        raise Invalid(f"is no time, as {', '.join(TIMES)} are", pointer) from None
    return asked_instant(text, pointer) if found is None else found
