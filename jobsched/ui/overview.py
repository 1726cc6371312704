"""/ui/: what needs somebody, what runs, what comes next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import attrs
from markupsafe import Markup
from twisted.internet.defer import Deferred, FirstError, gatherResults
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
from .frame import Frame, asked
from .jobs import PAGE, ROOM, why
from .looks import look_of
from .view import View

T = TypeVar("T")

SHOWN: Final = 30  # jobs that need somebody, and runs
NEXT: Final = 5  # dues
AHEAD: Final = timedelta(hours=1)
# How often what was counted is counted anew: as many times as long as it took, and no longer than that.
LOOKS, PERSONS = (100, timedelta(minutes=1)), (10, timedelta(seconds=10))
STRIPS: Final = 100  # that are kept
MARKS: Final = 4  # below a strip, before that at its end
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


@attrs.frozen
class Strip:
    """A chart that was there `at` an instant, and how long it took to count what it shows."""

    at: datetime
    took: timedelta
    chart: Markup | None


class Strips:
    """The charts of the last day, by whom and in which zone they are seen. To count takes long where much has run: so
    whoever asks again soon gets what was counted lately, scripts for a hundred times as long as that took, a person for
    ten times. An outcome of an hour that is over, which may come at any time and on any node, is counted like others.
    """

    def __init__(self, now: Callable[[], datetime], elapsed: Callable[[], float]) -> None:
        self._now = now
        self._elapsed = elapsed
        self._kept: dict[object, Strip] = {}

    async def find(self, key: object, script: bool, count: Callable[[], Awaitable[Markup | None]]) -> Markup | None:
        """The chart for those whom `key` stands for. `script`: one looks again, and no person."""
        times, longest = LOOKS if script else PERSONS
        kept = self._kept.get(key)
        if kept is not None and timedelta() <= self._now() - kept.at < min(times * kept.took, longest):
            return kept.chart
        begun = self._elapsed()
        found = await count()
        if len(self._kept) >= STRIPS:
            self._kept.clear()
        self._kept[key] = Strip(self._now(), timedelta(seconds=self._elapsed() - begun), found)
        return found


class Overview:
    """The screen."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._strips = Strips(frame.now, elapsed)

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
        view = self._frame.view(request)
        key, script = (view.shown_in().key, caller(request).tasks), look_of(request) is not None
        return await self._strips.find(key, script, partial(strip, registry, view))


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
    whole = borders[:-1]
    told = [*(whole[len(whole) * part // MARKS] for part in range(MARKS)), borders[-1]]
    marks = [f"{local(each, view.shown_in()):%a %H:%M}" for each in told]
    return charts.hours(hours, "What came due in the last 24 hours, by hour", marks)


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
    """The next five within an hour."""
    return (await registry.upcoming(PlannedFilter(end=now + AHEAD), now, False, None, NEXT, ROOM)).values


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


def begun(asking: Coroutine[Deferred[object], object, T]) -> Deferred[T]:
    """Ask, and do not wait; `all_of` waits."""
    return Deferred.fromCoroutine(asking)


async def all_of(*asked: Deferred[Any]) -> None:
    """Wait for the answers, of which each can be awaited then. Raises what the first raised that has failed; the others
    are cancelled, and what becomes of them is nobody's concern."""
    try:
        await gatherResults(asked, consumeErrors=True)
    except FirstError as first:
        for each in asked:  # those that wait for a thread must not take one for nobody
            each.cancel()
        first.subFailure.raiseException()
