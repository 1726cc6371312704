"""/ui/: what needs somebody, what runs, what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final
from urllib.parse import urlencode

import attrs
from markupsafe import Markup
from twisted.web.http import Request

from ..clock import elapsed
from ..http.pages import location
from ..http.route import Route, caller
from ..model.errors import Invalid
from ..model.job import JobFilter, JobView
from ..model.job_list import JobOrder, Outcome
from ..model.preview import local
from ..model.run import FAILING, Run, RunFilter, State
from ..model.run_counts import day_before, edges
from ..model.times import utc_text
from ..model.upcoming import PlannedFilter, UpcomingDue
from ..model.zone import Zone
from ..registry.registry import Registry
from . import charts, words
from .at_once import all_of, begun
from .frame import Frame, asked
from .jobs import PAGE, ROOM, why
from .looks import look_of
from .view import View

SHOWN: Final = 30  # jobs that need somebody, and runs
NEXT: Final = 5  # dues
AHEAD: Final = (timedelta(minutes=1), timedelta(hours=1))
SPARED: Final = 100
LONGEST: Final = timedelta(minutes=1)
STRIPS: Final = 100  # that are kept
KINDS: Final[dict[str, tuple[State, ...]]] = {
    "succeeded": ("succeeded",), "failed": ("failed", "timed_out", "lost"), "missed": ("missed",),
    "skipped": ("skipped", "cancelled"),
}  # fmt: skip
RUNNING: Final[tuple[State, ...]] = ("running", "stopping")


@attrs.frozen(kw_only=True)
class Needy:
    """A job that needs somebody."""

    news: JobView
    state: str
    failures: int
    since: datetime | None
    reason: str
    run_id: str | None  # the one to look at


@attrs.frozen(kw_only=True)
class Going:
    """A run that goes on, beside what its job usually takes."""

    run: Run
    seconds: float
    usual: float | None
    limit: float | None
    last_line: str | None

    @property
    def words(self) -> str:
        """How long it has taken, and what is known of its end."""
        text = words.span(self.seconds)
        if self.usual is not None:
            text += f" of usually {words.span(self.usual)}"
        if self.limit is not None:
            text += f", ends at {words.span(self.limit)}"
        return text

    @property
    def most(self) -> float:
        """The end of its bar."""
        return max(self.seconds, self.usual or self.limit or self.seconds, 0.001)


class Overview:
    """The screen."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._strips: dict[object, tuple[datetime, Markup | None]] = {}  # charts, and until when they are good

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route("GET", "/ui/", self.show, "What needs somebody"),
            Route("GET", "/ui", self.show, "What needs somebody"),
        ]

    async def show(self, request: Request) -> bytes:
        """200: the state of things."""
        registry, now = self._frame.registry(request), self._frame.now()
        needy, running = begun(needing(registry)), begun(registry.runs(PAGE + 1, None, RunFilter(states=RUNNING)))
        waiting = begun(registry.runs(PAGE + 1, None, RunFilter(states=("waiting",))))
        paused = begun(registry.jobs(PAGE, "", JobFilter(state="paused", activity=False), ROOM))
        dues, strip = begun(next_dues(registry, now)), begun(self._strip(request, registry))
        await all_of(needy, running, waiting, paused, dues, strip)
        count, needed = await needy
        going, last = begun(goes_on(registry, (await running)[:SHOWN], now)), begun(last_failure(registry, not count))
        some = begun(any_job(registry, bool(count or await dues)))
        await all_of(going, last, some)
        wall = asked(request, "wall") == "1"
        return await self._frame.screen(
            request, "wall.html" if wall else "overview.html", "Overview", wall=wall,
            numbers=[
                ("Needs attention", "/ui/jobs?q=state:attention", count, count == PAGE, "bad"),
                number("Running", "/ui/runs?state=running,stopping", len(await running), "run"),
                number("Waiting", "/ui/runs?state=waiting", len(await waiting), "wait"),
                ("Paused", "/ui/jobs?q=state:paused", len((await paused).values), (await paused).more, "pause"),
            ],
            needy=[needs(each) for each in needed], more=count > SHOWN, any=await some, going=await going,
            dues=await dues, strip=await strip, last_failure=await last if await some else None,
            tasks=registry.task_names(), origin=location(request, "").decode("ascii"),
        )  # fmt: skip

    async def _strip(self, request: Request, registry: Registry) -> Markup | None:
        """The chart of the last day. To count takes long where much has run: a script that looks again gets what was
        counted lately, and all looks together spend a hundredth of the time on it."""
        view, who = self._frame.view(request), caller(request)
        key = (view.shown_in().key, who.tasks)
        kept = self._strips.get(key)
        if kept is not None and look_of(request) is not None and self._frame.now() < kept[0]:
            return kept[1]
        begun = elapsed()
        found = await strip(registry, view)
        good = self._frame.now() + min(SPARED * timedelta(seconds=elapsed() - begun), LONGEST)
        if len(self._strips) >= STRIPS:
            self._strips.clear()
        self._strips[key] = good, found
        return found


async def strip(registry: Registry, view: View) -> Markup | None:
    """What came due in each hour of the last day, as a chart; None: that is too much to be counted."""
    zone = Zone(view.shown_in().key)
    borders = edges(day_before(view.now, zone), view.now, zone)
    try:
        counts = await registry.run_counts(RunFilter(), borders)
    except Invalid:
        return None
    hours = []
    for (begin, end), found in zip(pairwise(borders), counts, strict=True):
        kinds = {kind: sum(found.get(state, 0) for state in states) for kind, states in KINDS.items()}
        said = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count) or "nothing"
        since = local(begin, view.shown_in())
        times = urlencode({"from": utc_text(begin), "to": utc_text(end)})
        hours.append(charts.Hour(link=f"/ui/runs?{times}", text=f"{since:%a %H:%M}: {said}", counts=kinds))
    first, last = (f"{local(each, view.shown_in()):%a %H:%M}" for each in (borders[0], borders[-1]))
    return charts.hours(hours, "What came due in the last 24 hours, by hour", first, last)


def number(name: str, to: str, found: int, tone: str) -> tuple[str, str, int, bool, str]:
    """One of the four, of runs of which one more than a page was asked for."""
    return name, to, min(found, PAGE), found > PAGE, tone


async def needing(registry: Registry) -> tuple[int, list[JobView]]:
    """How many jobs are overdue or came to nothing good last, up to a page, and the first of them, in the order of what
    needs attention."""
    only = JobFilter(needy=True, order=JobOrder(sort="attention"), activity=False)
    ids = [news.job.id for news in (await registry.jobs(PAGE, "", only, ROOM)).values]
    found = {news.job.id: news for news in await registry.some(ids[:SHOWN])} if ids else {}
    return len(ids), [found[each] for each in ids[:SHOWN] if each in found]  # one may be deleted by now


async def next_dues(registry: Registry, now: datetime) -> Sequence[UpcomingDue]:
    """The next five within an hour. Where much is due they are those of a minute, and the rest is not looked at."""
    found: Sequence[UpcomingDue] = ()
    for ahead in AHEAD:
        found = (await registry.upcoming(PlannedFilter(end=now + ahead), now, False, None, NEXT, ROOM)).values
        if len(found) == NEXT:
            break
    return found


async def any_job(registry: Registry, known: bool) -> bool:
    """Whether there is a job; `known`: there is."""
    return known or bool((await registry.jobs(1, "", JobFilter(activity=False), ROOM)).values)


def needs(news: JobView) -> Needy:
    """What is wrong with it, and for how long."""
    streak = failures(news.activity.recent)
    last = news.last_run
    return Needy(
        news=news,
        state="overdue" if news.job.overdue is not None else streak[0].state if streak else news.state,
        failures=len(streak),
        since=news.job.overdue or (streak[-1].due if streak else None),
        reason=(last.reason if last is not None and last.state in FAILING else "") or why(news),
        run_id=streak[0].id if streak else last.id if last is not None else None,
    )


def failures(recent: Sequence[Outcome]) -> list[Outcome]:
    """The newest outcomes, as far as none is a success; what was skipped or cancelled counts for neither."""
    found = []
    for run in recent:
        if run.state == "succeeded":
            break
        if run.state in FAILING:
            found.append(run)
    return found


async def goes_on(registry: Registry, runs: Sequence[Run], now: datetime) -> list[Going]:
    """Each with what its job usually takes."""
    jobs = await registry.some(sorted({run.job_id for run in runs})) if runs else ()
    usual = {news.job.id: news.activity.median for news in jobs}  # without those that were deleted
    found = []
    for run in runs:
        seconds = max((now - (run.started or now)).total_seconds(), 0)
        limit = registry.timeout(run.task, run.timeout).seconds
        found.append(
            Going(run=run, seconds=seconds, usual=usual.get(run.job_id), limit=limit, last_line=registry.last_line(run))
        )
    return found


async def last_failure(registry: Registry, wanted: bool) -> Run | None:
    """The newest run that came to nothing good."""
    return next(iter(await registry.runs(1, None, RunFilter(states=FAILING)) if wanted else ()), None)
