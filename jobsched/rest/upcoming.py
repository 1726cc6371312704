"""/upcoming: what will be due, of all jobs."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

from twisted.web.http import Request

from ..http.from_json import given, labels_asked
from ..http.instants import Times
from ..http.pages import Pages
from ..http.route import Route, caller, query
from ..http.schemas import queries
from ..http.schemas import why as wire
from ..model.errors import Invalid
from ..model.upcoming import Place, PlannedFilter, UpcomingDue
from ..registry.registry import Registry

AHEAD: Final = timedelta(days=1)  # unless `to` is given


class Upcoming:
    """The call for it."""

    def __init__(self, registry: Registry, pages: Pages, times: Times) -> None:
        self._registry = registry
        self._pages = pages
        self._times = times

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route("GET", "/upcoming", self.page, "What will be due, of all jobs", asks=queries.UpcomingPage,
                  gives={200: wire.Dues}, refuses=(400,)),
        ]  # fmt: skip

    async def page(self, request: Request) -> bytes:
        """200: up to `limit` dues, soonest first."""
        asked = query(request, queries.UpcomingPage)
        now = self._times.now()
        begin, end = self._times.window(asked.from_, asked.to, asked.zone, ahead=True)
        begin = max(begin or now, now)
        try:
            end = end or begin + AHEAD
        except OverflowError:
            raise Invalid("lies at the end of the calendar", "?from") from None
        after = None if given(asked.after, None) is None else Place.of(given(asked.after, ""))
        only = PlannedFilter(end=end, task=given(asked.task, None), labels=labels_asked(asked.label))
        registry = self._registry.seen_by(caller(request))
        dues = partial(registry.upcoming, only, begin, asked.held, after, asked.limit)
        return await self._pages.answer(request, asked.limit, dues, _out, lambda found: str(found.place))


def _out(found: UpcomingDue) -> wire.DueOut:
    job = found.job
    return wire.DueOut(
        job_id=job.id,
        job_name=job.name,
        task=job.task,
        due=found.utc,
        local=found.at,
        timezone=job.timezone,
        note=found.note,
        held=found.held,
    )
