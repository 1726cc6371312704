"""/ui/upcoming: what will be due, grouped by hour, with a lane a job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from markupsafe import Markup
from msgspec import UNSET
from twisted.web.http import Request

from ..http.instants import Times
from ..http.route import Route
from ..model.errors import Invalid
from ..model.preview import local
from ..model.upcoming import Place, PlannedFilter, UpcomingDue
from . import charts, words
from .frame import Frame, asked, link
from .search import Search
from .view import View

AHEAD: Final = timedelta(days=1)
PAGE: Final = 500
LANES: Final = 30
TICKS: Final = 8
APART: Final = tuple(timedelta(minutes=each) for each in (1, 5, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080))
ROOM: Final = 1 << 20


class Upcoming:
    """The screen."""

    def __init__(self, frame: Frame, times: Times) -> None:
        self._frame = frame
        self._times = times

    def routes(self) -> list[Route]:
        """What is served here."""
        return [Route("GET", "/ui/upcoming", self.show, "What will be due")]

    async def show(self, request: Request) -> bytes:
        """200: up to 500 dues of the next day, or of the time that is asked for."""
        registry, view = self._frame.registry(request), self._frame.view(request)
        begin, end = await self._window(request, view)
        find = asked(request, "q")
        search = Search.of(find)
        only = PlannedFilter(end=end, task=dict(search.keyed).get("task"), labels=search.labels)
        place = asked(request, "after")
        after = Place.of(place) if place else None
        found = await registry.upcoming(only, begin, asked(request, "held") == "yes", after, PAGE, ROOM)
        return await self._frame.screen(
            request, "upcoming.html", "Upcoming",
            hours=by_hour(found.values, view), chart=chart(found.values, begin, end, view), begin=begin, end=end,
            fields={"from": asked(request, "from"), "to": asked(request, "to"), "q": find,
                    "held": asked(request, "held")},
            count=len(found.values),
            next=link(request, after=str(found.values[-1].place)) if found.more else None, url=partial(link, request),
        )  # fmt: skip

    async def _window(self, request: Request, view: View) -> tuple[datetime, datetime]:
        """From when to when. Raises Invalid."""
        begin, end = self._times.window(
            asked(request, "from") or UNSET, asked(request, "to") or UNSET, view.shown_in().key, ahead=True
        )
        begin = max(begin or view.now, view.now)
        try:
            end = end or begin + AHEAD
        except OverflowError:
            raise Invalid("lies at the end of the calendar", "?from") from None
        return begin, end


def by_hour(dues: Sequence[UpcomingDue], view: View) -> list[tuple[datetime, list[UpcomingDue]]]:
    """The dues of each hour, as the viewer's clock shows it."""

    def hour(due: UpcomingDue) -> datetime:
        return local(due.utc, view.shown_in()).replace(minute=0, second=0, microsecond=0)

    return [(begin, list(some)) for begin, some in groupby(dues, hour)]


def chart(dues: Sequence[UpcomingDue], begin: datetime, end: datetime, view: View) -> Markup | None:
    """A lane a job, for up to 30 jobs; None: there is nothing to show, or too much."""
    names = {due.job.id: due.job.name for due in dues}
    whole = (end - begin).total_seconds()
    if not names or len(names) > LANES or whole <= 0:
        return None
    zone = view.shown_in()

    def part(instant: datetime) -> float:
        return (instant - begin).total_seconds() / whole

    lanes = []
    for job_id, name in names.items():
        its = [due for due in dues if due.job.id == job_id]
        said = [(part(due.utc), words.moment(due.utc, zone, view.now) + (f": {due.note}" if due.note else ""))
                for due in its]  # fmt: skip
        lanes.append(charts.Lane(name=name, link=f"/ui/jobs/{job_id}", dues=said))
    marks = [(part(each), f"{local(each, zone):%a %H:%M}") for each in round_times(begin, end, zone)]
    return charts.lanes(lanes, marks, "Dues of each job")


def round_times(begin: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """Up to eight instants between the two, as far apart as a clock has names for. Where clocks are set, those behind
    it may be less round."""
    apart = next((each for each in APART if (end - begin) / each < TICKS), (end - begin) / TICKS)
    shown = local(begin, zone)
    first = -timedelta(days=shown.toordinal(), hours=shown.hour, minutes=shown.minute, seconds=shown.second,
                       microseconds=shown.microsecond) % apart  # fmt: skip
    return [begin + first + number * apart for number in range(TICKS) if begin + first + number * apart < end]
