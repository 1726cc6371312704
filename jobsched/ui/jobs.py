"""/ui/jobs: the list of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Final

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
COLUMNS: Final = (
    ("state", "State"), ("name", "Name"), ("", "When"), ("next_due", "Next"), ("last_ended", "Last runs"), ("", "Took"),
    ("", "Task"),
)  # fmt: skip
ORDERS: Final = {
    "attention": "what needs attention first, then by next due", "name": "by name", "next_due": "by next due",
    "state": "by state", "last_ended": "by when they last ended", "created": "by creation",
}  # fmt: skip


@attrs.frozen(kw_only=True)
class Row:
    """One job in the list."""

    job: Job
    state: str
    when: str
    rule: str
    marks: Markup
    took: float | None
    median: float | None
    why: str


class Jobs:
    """The screen."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

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
            jobs=[row(news, view) for news in found.values], next=following, sort=sort, order=order, find=find,
            chips=search.chips, columns=COLUMNS, url=cache(partial(link, request)), after=after,
            tasks=registry.task_names(), origin=location(request, "").decode("ascii"),
        )  # fmt: skip


def row(news: JobView, view: View) -> Row:
    """What is shown of a job."""
    recent = news.activity.recent
    when, rule = words.schedule(news.job)
    return Row(
        job=news.job,
        state=news.state,
        when=when,
        rule=rule,
        marks=marks(recent, view, news.job.timezone),
        took=next((run.duration for run in recent if run.duration is not None), None),
        median=news.activity.median,
        why=why(news),
    )


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
