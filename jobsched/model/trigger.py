"""When a job is due: pure rules over instants. No clock, no I/O.

Instants are aware datetimes in UTC, to the microsecond.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

import attrs

from .errors import BadTrigger

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
SHORTEST = timedelta(seconds=0.1)
LONGEST = timedelta(days=36525)  # 100 years
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


class Trigger(Protocol):
    """A pure rule that names the next instant; `None` when there is none."""

    def next_after(self, instant: datetime) -> datetime | None:
        """The first instant strictly after `instant`."""

    def count(self, after: datetime, until: datetime) -> int:
        """How many instants there are in `after < instant <= until`, at a cost that does not grow with them."""


@attrs.frozen(kw_only=True)
class Interval:
    """Every `every` of elapsed time, on the grid through `start`; never before `start`."""

    start: datetime
    every: timedelta

    def __attrs_post_init__(self) -> None:
        if not SHORTEST <= self.every <= LONGEST:
            raise BadTrigger("an interval is at least 0.1 seconds and at most 100 years", "/interval")

    def next_after(self, instant: datetime) -> datetime | None:
        beats = max((instant - self.start) // self.every + 1, 0)
        try:
            return self.start + beats * self.every
        except OverflowError:  # past the year 9999
            return None

    def count(self, after: datetime, until: datetime) -> int:
        return max((until - self.start) // self.every, -1) - max((after - self.start) // self.every, -1)


@attrs.frozen(kw_only=True)
class At:
    """Once, at `instant`."""

    instant: datetime

    def next_after(self, instant: datetime) -> datetime | None:
        return self.instant if instant < self.instant else None

    def count(self, after: datetime, until: datetime) -> int:
        return int(after < self.instant <= until)


@attrs.frozen(kw_only=True)
class Schedule:
    """A trigger within its bounds: `start <= due <= end`, each due put off by a stable jitter."""

    trigger: Trigger
    start: datetime | None = None
    end: datetime | None = None
    jitter: timedelta = timedelta(0)
    salt: str = ""  # the job's id: two jobs of one trigger are put off differently

    def next_after(self, instant: datetime) -> datetime | None:
        """The first due strictly after `instant`, or None when no due is left."""
        following = self._next_beat(instant)
        if not self.jitter:
            return following
        after = None if following is None else self._next_beat(following)
        beat = self._last_beat(instant, following, after)
        if beat is not None and (due := self._put_off(beat, following)) > instant:
            return due
        return None if following is None else self._put_off(following, after)

    def first(self, now: datetime) -> datetime | None:
        """The first due of a schedule made at `now`: the due of the first beat after `now`, which may be `start`."""
        return next(self.dues(now), None)

    def dues(self, now: datetime) -> Iterator[datetime]:
        """All dues of a schedule made at `now`, in order. Repeated calls of `next_after` cost more."""
        beat = self._next_beat(now)
        while beat is not None:
            if not self.jitter:
                yield beat  # before the next one is looked for: most callers want no other
                beat = self._next_beat(beat)
                continue
            following = self._next_beat(beat)
            yield self._put_off(beat, following)
            beat = following

    def count(self, after: datetime, until: datetime) -> int:
        """How many dues there are in `after < due <= until`, at a cost that does not grow with them."""
        if until <= after:
            return 0
        begin = after if self.start is None or after >= self.start else self.start - TICK
        end = until if self.end is None else min(until, self.end)
        found = self.trigger.count(begin, end) if begin < end else 0
        if self.jitter:
            found += self._is_put_past(after) - self._is_put_past(until)
        return found

    def count_up_to(self, most: int, after: datetime, until: datetime) -> int:
        """How many dues there are in `after < due <= until`, or `most` where there are more: these are not looked
        for."""
        found, step = 0, DAY
        while after < until and found < most:
            begin, after = after, after + min(step, until - after)
            found, step = found + self.count(begin, after), step * 2
        return min(found, most)

    def newest(self, after: datetime, until: datetime, most: int) -> list[datetime]:
        """The last dues, up to `most` of them, in `after < due <= until`, oldest first."""
        begin = late = until
        count, back = 0, SHORTEST
        while begin > after and count < most:  # the dues that are wanted come after `begin`
            late, begin = begin, until - min(back, until - after)
            count, back = self.count(begin, until), back * 2
        while count > most:  # from `begin` there are too many, from `late` too few
            middle = begin + (late - begin) / 2
            fewer = self.count(middle, until)
            if fewer < most:
                late = middle
            else:
                begin, count = middle, fewer
        found, due = list[datetime](), self.next_after(begin)
        while due is not None and due <= until:
            found.append(due)
            due = self.next_after(due)
        return found

    def _is_put_past(self, instant: datetime) -> bool:
        """Whether the last beat up to `instant` is put off past it."""
        due, beat = self.next_after(instant), self._next_beat(instant)
        return due is not None and (beat is None or due < beat)

    def _next_beat(self, instant: datetime) -> datetime | None:
        if self.start is not None and instant < self.start:
            instant = self.start - TICK
        beat = self.trigger.next_after(instant)
        return None if beat is None or (self.end is not None and beat > self.end) else beat

    def _last_beat(self, instant: datetime, following: datetime | None, after: datetime | None) -> datetime | None:
        """The last beat up to `instant`; None: no beat is near enough to be put off past it.

        The next two beats, `following` and `after`, tell how far back to begin; even for very uneven beats, some
        dozens of looks find the last one.
        """
        back = SHORTEST if following is None or after is None else after - following
        clear = instant  # no beat lies between it and `instant`
        while True:
            early = _earlier(instant, min(back, self.jitter))
            beat = self._next_beat(early)
            if beat is not None and beat <= clear:
                break
            if back >= self.jitter:
                return None
            clear, back = early, 4 * back
        while (later := self._next_beat(beat)) is not None and later <= clear:
            middle = later + (clear - later) / 2
            probe = self._next_beat(middle)
            beat, clear = (later, middle) if probe is None or probe > clear else (probe, clear)
        return beat

    def _put_off(self, beat: datetime, following: datetime | None) -> datetime:
        """`beat` plus its share of the jitter: the same at every asking, before `following` and not past `end`."""
        room = min(self.jitter, LAST - beat)
        if following is not None:
            room = min(room, following - beat - TICK)
        if self.end is not None:
            room = min(room, self.end - beat)
        if room <= timedelta(0):
            return beat
        print_ = hashlib.blake2b(f"{self.salt} {beat.isoformat()}".encode(), digest_size=8).digest()
        return beat + (room // TICK * int.from_bytes(print_, "big") >> 64) * TICK


def _earlier(instant: datetime, by: timedelta) -> datetime:
    return FIRST + max(instant - FIRST - by, timedelta(0))
