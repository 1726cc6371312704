"""/calendar.ics: what will be due, for the calendars of people (RFC 5545)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import UnsetType
from twisted.web.http import Request

from ..http.from_json import given, labels_asked
from ..http.instants import Times
from ..http.pages import Pages, location
from ..http.route import Route, caller, query
from ..http.schemas import queries
from ..model.page import Page
from ..model.upcoming import PlannedFilter, UpcomingDue
from ..registry.registry import Registry

KIND: Final = "text/calendar"
AHEAD: Final = timedelta(days=31)
OCTETS: Final = 75  # of a line, says RFC 5545; the next one goes on behind a blank
_SPECIAL = re.compile(r"[\\;,]")


class Calendar:
    """The call for it."""

    def __init__(self, registry: Registry, pages: Pages, times: Times) -> None:
        self._registry = registry
        self._pages = pages
        self._times = times

    def routes(self) -> list[Route]:
        """What is served here."""
        return [Route("GET", "/calendar.ics", self.show, "What will be due, as a calendar", asks=queries.CalendarAsked,
                      gives={200: KIND}, refuses=(400, 404))]  # fmt: skip

    async def show(self, request: Request) -> bytes:
        """200: up to `limit` dues of the next 31 days, soonest first, of one job or of all."""
        asked, registry = query(request, queries.CalendarAsked), self._registry.seen_by(caller(request))
        job_id = None if isinstance(asked.job, UnsetType) else await registry.named(asked.job)
        only = PlannedFilter(
            end=self._end, job_id=job_id, task=given(asked.task, None), labels=labels_asked(asked.label)
        )
        return await self._of(request, registry, only, asked)

    async def of_job(
        self, request: Request, registry: Registry, job_id: str, asked: queries.JobCalendarAsked
    ) -> bytes:  # fmt: skip
        """200: up to `limit` dues of the next 31 days of one job."""
        await registry.job(job_id)
        return await self._of(request, registry, PlannedFilter(end=self._end, job_id=job_id), asked)

    @property
    def _end(self) -> datetime:
        return self._times.now() + AHEAD

    async def _of(
        self, request: Request, registry: Registry, only: PlannedFilter,
        asked: queries.CalendarAsked | queries.JobCalendarAsked,
    ) -> bytes:  # fmt: skip
        now = self._times.now()

        async def made(room: int) -> tuple[bytes, None]:
            found = await registry.upcoming(only, now, asked.held, None, asked.limit, room)
            link = location(request, "/ui/jobs/").decode("ascii")
            return await registry.in_thread(lambda _: calendar(found, now, link)), None

        return await self._pages.text(request, asked.limit, made, f"{KIND}; charset=utf-8".encode())


def calendar(dues: Page[UpcomingDue], now: datetime, link: str) -> bytes:
    """The text: an event a due. `link` is the address below which the screens of jobs stand."""
    more = [f"X-WR-CALDESC:The next {len(dues.values)} dues: there are more"] if dues.more else []
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Jobsched//Dues//EN", "METHOD:PUBLISH",
        "X-WR-CALNAME:Jobsched", "REFRESH-INTERVAL;VALUE=DURATION:PT1H", "X-PUBLISHED-TTL:PT1H",
        *more,
        *(line for due in dues.values for line in _event(due, now, link)),
        "END:VCALENDAR",
    ]  # fmt: skip
    return b"".join(folded(line) for line in lines)


def _event(due: UpcomingDue, now: datetime, link: str) -> Iterator[str]:
    job = due.job
    local = f"{due.at:%Y-%m-%d %H:%M:%S} in {job.timezone}"
    said = f"Task {job.task}, due {local}" + (f". {due.note}" if due.note else "")
    yield "BEGIN:VEVENT"
    yield f"UID:{due.place}@jobsched"
    yield f"DTSTAMP:{_stamp(now)}"
    yield f"DTSTART:{_stamp(due.utc)}"
    yield f"SUMMARY:{escaped(job.name)}"
    yield f"DESCRIPTION:{escaped(said)}"
    yield f"URL:{link}{job.id}"
    yield f"STATUS:{'TENTATIVE' if due.held else 'CONFIRMED'}"
    yield "TRANSP:TRANSPARENT"  # it takes none of anybody's time
    yield "END:VEVENT"


def escaped(text: str) -> str:
    """As a value of type TEXT."""
    return _SPECIAL.sub(r"\\\g<0>", text).replace("\n", "\\n")


def folded(line: str) -> bytes:
    """A line, in parts of 75 octets at most that divide no character."""
    parts, part = [], b""
    for char in line:
        octets = char.encode()
        if len(part) + len(octets) > OCTETS:
            parts.append(part)
            part = b" "
        part += octets
    return b"\r\n".join([*parts, part]) + b"\r\n"


def _stamp(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}"
