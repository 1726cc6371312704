"""/ui/jobs: the list of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Final, Protocol, cast

import attrs
from markupsafe import Markup, escape
from twisted.web.http import Request

from ..http.pages import location
from ..http.route import Route
from ..model.errors import Invalid
from ..model.job import Job, JobView
from ..model.job_list import JobOrder, Outcome
from ..model.run import FAILING
from . import words
from .frame import Frame, asked, link
from .search import Search
from .view import View

PAGE: Final = 200
ROOM: Final = 4 * 1024 * 1024  # bytes of the jobs of one page
KEPT: Final = 1024  # rows of the list: about 4 MB
COLUMNS: Final = (  # by what each is sorted at first
    ("state", "State"), ("name", "Name"), ("when", "When"), ("next_due", "Next"), ("-last_ended", "Last runs"),
    ("-took", "Took"), ("task", "Task"),
)  # fmt: skip
ORDERS: Final = {
    "attention": "what needs attention first, then by next due", "name": "by name", "next_due": "by next due",
    "state": "by state", "last_ended": "by when they last ended", "created": "by creation", "task": "by task",
    "when": "by their rules", "took": "by how long the last run took",
}  # fmt: skip


@attrs.frozen(kw_only=True)
class Row:
    """One job in the list. Its cells are made already, but for those between and behind them: when it is due next is
    told by the clock, and a link to its task keeps what is looked for."""

    job: Job
    state: str
    named: Markup  # its state, its name, when it runs
    fares: Markup  # its last runs, and how long they took


class Cells(Protocol):
    """The macros of job_row.html."""

    def named(self, job: Job, state: str, why: Markup, when: str, rule: str) -> Markup:
        """The cells of its state, its name, and when it runs."""

    def fares(self, marks: Markup, took: float | None, median: float | None) -> Markup:
        """Those of its last runs, and how long they took."""


@attrs.define
class Made:
    """The cells of a row, and what they were made of."""

    of: tuple[object, ...]
    named: Markup
    fares: Markup


class Rows:
    """Makes rows. The cells of a page take longer to be made than its jobs to be read, and few jobs change from one
    look to the next: so cells are kept, of those that were looked at last."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._made: dict[tuple[str, str, str], Made] = {}  # by the job's id, and in whose time

    def row(self, news: JobView, view: View) -> Row:
        """What is shown of a job."""
        job, did, state, reason = news.job, news.activity, news.state, why(news)
        zone = view.shown_in(job.timezone)
        key = (job.id, view.times, zone.key)
        year = words.year_of(view.now, zone)
        of = (job.version, job.updated, job.created, state, reason, did.recent, did.median, year)
        made = self._made.pop(key, None)
        if made is None or made.of != of:
            made = self._make(news, view, state, reason, of)
        self._made[key] = made  # behind all others
        if len(self._made) > KEPT:
            del self._made[next(iter(self._made))]
        return Row(job=job, state=state, named=made.named, fares=made.fares)

    def _make(self, news: JobView, view: View, state: str, reason: str, of: tuple[object, ...]) -> Made:
        job, recent = news.job, news.activity.recent
        when, rule = words.schedule(job)
        took = next((run.duration for run in recent if run.duration is not None), None)
        return Made(
            of=of,
            named=self._cells.named(job, state, view.told(reason, job.timezone), when, rule),
            fares=self._cells.fares(marks(recent, view, job.timezone), took, news.activity.median),
        )


class Jobs:
    """The screen."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._rows = Rows(cast(Cells, frame.macros("job_row.html")))

    def routes(self) -> list[Route]:
        """What is served here."""
        return [Route("GET", "/ui/jobs", self.show, "The list of jobs")]

    async def show(self, request: Request) -> bytes:
        """200: up to 200 jobs."""
        find, sort, after = asked(request, "q").strip(), asked(request, "sort", "attention"), asked(request, "after")
        registry, view = self._frame.registry(request), self._frame.view(request)
        search = Search.of(find)
        only = search.filter(JobOrder.of(sort))
        if len(after) > 2000:
            raise Invalid("is no place in this list", "?after")
        found = await registry.jobs(PAGE, after, only, ROOM)
        following = link(request, after=found.values[-1].place) if found.more else None
        order = ORDERS[sort.removeprefix("-")] + (", the other way round" if sort.startswith("-") else "")
        return await self._frame.screen(
            request, "jobs.html", "Jobs",
            jobs=[self._rows.row(news, view) for news in found.values], next=following, sort=sort, order=order,
            find=find, chips=search.chips, columns=COLUMNS, url=cache(partial(link, request)), after=after,
            tasks=registry.task_names(), origin=location(request, "").decode("ascii"),
        )  # fmt: skip


def why(news: JobView) -> str:
    """The reason for which it needs somebody, or does nothing."""
    if news.job.paused:
        return news.job.why_paused
    if news.job.overdue is not None:
        return news.job.overdue_reason or "overdue"
    last = news.last_run
    return last.reason if last is not None and last.state in FAILING else ""


def marks(recent: Sequence[Outcome], view: View, zone: str) -> Markup:
    """The last outcomes, oldest first, each a link. Made by hand, and of one element each: a page has thousands."""
    parts, shown_in = [], view.shown_in(zone)
    for run in reversed(recent):
        look = words.STATES[run.state]
        text = f"{look.word}, {words.moment(run.due, shown_in, view.now)}"
        parts.append(
            f'<a class="mark {look.tone}" href="/ui/runs/{escape(run.id)}" title="{text}" aria-label="{text}">'
            f"{look.mark}</a>"
        )
    return Markup(f'<span class="marks">{"".join(parts)}</span>' if parts else "-")  # noqa: S704  # nosec B704
