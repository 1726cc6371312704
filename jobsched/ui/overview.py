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
from ..model.errors import Invalid, NotFound
from ..model.job import JobFilter, JobView
from ..model.job_list import JobOrder, Outcome
from ..model.preview import local
from ..model.run import FAILING, Run, RunFilter, State
from ..model.run_counts import day_before, edges
from ..model.times import utc_text
from ..model.upcoming import PlannedFilter
from ..model.zone import Zone
from ..registry.registry import Registry
from . import charts, words
from .frame import Frame, asked
from .jobs import PAGE, ROOM, why
from .looks import look_of
from .view import View

SHOWN: Final = 30  # jobs that need somebody, and runs
NEXT: Final = 5  # dues
SPARED: Final = 20
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
        needy = await needing(registry)
        some = await registry.jobs(1, "", JobFilter(activity=False), ROOM)
        running = await registry.runs(PAGE + 1, None, RunFilter(states=RUNNING))
        waiting = await registry.runs(PAGE + 1, None, RunFilter(states=("waiting",)))
        paused = await registry.jobs(PAGE, "", JobFilter(state="paused", activity=False), ROOM)
        dues = await registry.upcoming(PlannedFilter(end=now + timedelta(hours=1)), now, False, None, NEXT, ROOM)
        wall = asked(request, "wall") == "1"
        return await self._frame.screen(
            request, "wall.html" if wall else "overview.html", "Overview", wall=wall,
            numbers=[
                ("Needs attention", "/ui/jobs?q=state:failing", len(needy), len(needy) == PAGE, "bad"),
                ("Running", "/ui/runs?state=running,stopping", min(len(running), PAGE), len(running) > PAGE, "run"),
                ("Waiting", "/ui/runs?state=waiting", min(len(waiting), PAGE), len(waiting) > PAGE, "wait"),
                ("Paused", "/ui/jobs?q=state:paused", len(paused.values), paused.more, "pause"),
            ],
            needy=[needs(each) for each in needy[:SHOWN]], more=len(needy) > SHOWN, any=bool(some.values),
            going=await going(registry, running[:SHOWN], now), dues=dues.values,
            strip=await self._strip(request, registry),
            last_failure=await last_failure(registry) if some.values and not needy else None,
            tasks=registry.task_names(), origin=location(request, "").decode("ascii"),
        )  # fmt: skip

    async def _strip(self, request: Request, registry: Registry) -> Markup | None:
        """The chart of the last day. To count takes long where much has run: a script that looks again gets what was
        counted lately, so that all looks together spend a twentieth of the time on it."""
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


async def needing(registry: Registry) -> list[JobView]:
    """Jobs that are overdue or came to nothing good last, in the order of what needs attention, up to a page."""
    order = JobOrder(sort="attention")
    overdue = await registry.jobs(PAGE, "", JobFilter(overdue=True, order=order), ROOM)
    failing = await registry.jobs(PAGE, "", JobFilter(overdue=False, failing=True, order=order), ROOM)
    return [*overdue.values, *failing.values][:PAGE]


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


async def going(registry: Registry, runs: Sequence[Run], now: datetime) -> list[Going]:
    """Each with what its job usually takes."""
    found = []
    for run in runs:
        try:
            usual = (await registry.job(run.job_id)).activity.median
        except NotFound:  # the job was deleted
            usual = None
        seconds = max((now - (run.started or now)).total_seconds(), 0)
        limit = registry.timeout(run.task, run.timeout).seconds
        found.append(Going(run=run, seconds=seconds, usual=usual, limit=limit, last_line=registry.last_line(run)))
    return found


async def last_failure(registry: Registry) -> Run | None:
    """The newest run that came to nothing good."""
    return next(iter(await registry.runs(1, None, RunFilter(states=FAILING))), None)
