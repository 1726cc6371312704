"""/ui/jobs/ID: one job, with its runs, dues, definition, history and notifications."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import attrs
from markupsafe import Markup
from twisted.web.http import Request

from .. import why as whys
from ..http.from_json import Defaults
from ..http.pages import location
from ..http.route import Route, caller
from ..http.to_json import request_out
from ..model.audit import AuditFilter, Entry, Facts
from ..model.definition import definition
from ..model.errors import Invalid, NotFound
from ..model.job import Job, JobView
from ..model.printable import many
from ..model.run import ENDED, Run, RunFilter
from ..model.stats import Stats, duration, stats
from ..model.times import utc_text
from ..model.trigger import LAST
from ..model.upcoming import Planned, UpcomingDue, upcoming
from ..model.verdict import Step
from ..registry.registry import Registry
from . import charts, words
from .frame import Frame, asked, link
from .jobs import why
from .runs import PAGE, grouped
from .view import View

SHOWN: Final = 50  # runs of the tab, and of its chart
DUES: Final = 20
ROOM: Final = 1 << 20
TABS: Final = (
    ("", "Runs"), ("/upcoming", "Upcoming"), ("/definition", "Definition"), ("/history", "History"),
    ("/deliveries", "Deliveries"), ("/why", "Why"), ("/keys", "Keys"),
)  # fmt: skip


class OneJob:
    """The screens of a job, a tab each."""

    def __init__(self, frame: Frame, defaults: Defaults) -> None:
        self._frame = frame
        self._defaults = defaults

    def routes(self) -> list[Route]:
        """What is served here."""
        one = "/ui/jobs/<job_id>"
        return [
            Route("GET", one, self.runs, "The runs of a job"),
            Route("GET", f"{one}/upcoming", self.upcoming, "What will be due of a job"),
            Route("GET", f"{one}/definition", self.definition, "What a job is"),
            Route("GET", f"{one}/history", self.history, "Who changed a job", scope="admin"),
            Route("GET", f"{one}/deliveries", self.deliveries, "What was told of a job"),
            Route("GET", f"{one}/why", self.why, "Why a job did, or did not, run at a time"),
        ]

    async def runs(self, request: Request, job_id: str) -> bytes:
        """200: its newest runs, and a chart of them; 404: it is not there, or not any more."""
        registry = self._frame.registry(request)
        try:
            news = await registry.job(job_id)
        except NotFound as gone:
            return await self._deleted(request, registry, job_id, gone)
        after = asked(request, "after") or None
        found = await registry.runs(SHOWN + 1, after, RunFilter(job_id=job_id))
        more = len(found) > SHOWN
        found = found[:SHOWN]
        timeout = registry.timeout(news.job.task, news.job.timeout).seconds
        return await self.tab(
            request, registry, news, "",
            groups=grouped(found), count=len(found), next=link(request, after=found[-1].id) if more else None,
            chart=chart(found, timeout, self._frame.view(request), news.job) if found else None,
        )  # fmt: skip

    async def _deleted(self, request: Request, registry: Registry, job_id: str, gone: NotFound) -> bytes:
        """404: what is still known of a job that was deleted. Raises NotFound where that is nothing."""
        runs = await registry.runs(1, None, RunFilter(job_id=job_id))
        if not runs:
            raise gone
        entry = None
        if caller(request).may("admin"):
            only = AuditFilter(target=job_id, action="job.delete")
            entry = next(iter((await registry.entries(1, None, only, ROOM)).values), None)
        request.setResponseCode(404)
        return await self._frame.screen(request, "deleted.html", runs[0].job_name, last=runs[0], entry=entry)

    async def upcoming(self, request: Request, job_id: str) -> bytes:
        """200: its next dues."""
        registry = self._frame.registry(request)
        news = await registry.job(job_id)
        return await self.tab(request, registry, news, "/upcoming", dues=await dues(registry, news.job, DUES))

    async def definition(self, request: Request, job_id: str) -> bytes:
        """200: what differs from the defaults, then all of it."""
        registry = self._frame.registry(request)
        news = await registry.job(job_id)
        policy, zone, redaction = self._defaults.policy, self._defaults.timezone, self._defaults.redaction
        short = request_out(news.job, policy, zone, redaction)
        whole = definition(news.job) | {"parameters": redaction.shown(news.job.parameters)}
        body = json.dumps(short, ensure_ascii=False, default=str)
        return await self.tab(
            request, registry, news, "/definition",
            different=shown(short), every=shown(whole),
            timeout=registry.timeout(news.job.task, news.job.timeout),
            as_file=json.dumps(short, indent=2, ensure_ascii=False, default=str),
            as_curl=curl(location(request, f"/jobs/{job_id}").decode("ascii"), body, self._frame.asks()),
        )  # fmt: skip

    async def history(self, request: Request, job_id: str) -> bytes:
        """200: who changed what of it, and what was done to its runs."""
        registry = self._frame.registry(request)
        news = await registry.job(job_id)
        page = await registry.entries(PAGE, asked(request, "after") or None, AuditFilter(target=job_id), ROOM)
        following = link(request, after=page.values[-1].id) if page.more else None
        return await self.tab(
            request, registry, news, "/history", entries=[Change.of(each) for each in page.values], next=following
        )

    async def deliveries(self, request: Request, job_id: str) -> bytes:
        """200: the notifications about it."""
        registry = self._frame.registry(request)
        news = await registry.job(job_id)
        found = await registry.job_deliveries(job_id, PAGE + 1, asked(request, "after") or None)
        following = link(request, after=found[PAGE - 1].id) if len(found) > PAGE else None
        return await self.tab(request, registry, news, "/deliveries", deliveries=found[:PAGE], next=following)

    async def why(self, request: Request, job_id: str) -> bytes:
        """200: why it did, or did not, run `?at` a time, or at its last due; 400: that is no time."""
        registry, view, at = self._frame.registry(request), self._frame.view(request), asked(request, "at")
        news = await registry.job(job_id)
        verdict, fault = None, ""
        try:
            zone = view.shown_in(news.job.timezone).key
            verdict = await whys.why(registry, job_id, at or None, zone, self._defaults.timezone, view.now)
        except Invalid as wrong:
            request.setResponseCode(400)
            fault = str(wrong)
        return await self.tab(request, registry, news, "/why", verdict=verdict, fault=fault, at_time=at, leads=leads)

    async def tab(self, request: Request, registry: Registry, news: JobView, tab: str, **values: object) -> bytes:
        """200, or what was set before: the screen of a job with that tab."""
        view, job = self._frame.view(request), news.job
        ended = await registry.runs(100, None, RunFilter(job_id=job.id, states=ENDED))
        when, rule = words.schedule(job)
        return await self._frame.screen(
            request, "job.html", job.name,
            job=job, news=news, state=news.state, why=why(news), when=when, rule=rule, tab=tab, tabs=TABS,
            stats=stats(ended), note=await _note(registry, job), beside=view.beside(job.next_due, job.timezone),
            known=registry.task_known(job.task), url=partial(link, request), **values,
        )  # fmt: skip


async def dues(registry: Registry, job: Job, count: int) -> Sequence[UpcomingDue]:
    """Its next dues, as far as they are known now."""
    if job.next_due is None:
        return []
    left = None if job.max_runs is None else job.max_runs - job.starts
    planned = Planned(
        id=job.id, name=job.name, task=job.task, schedule=job.schedule, timezone=job.timezone, next_due=job.next_due,
        left=left,
    )  # fmt: skip
    found: Sequence[UpcomingDue] = await registry.in_thread(
        lambda wanted: upcoming([planned], planned.next_due, LAST, None, count, wanted)
    )
    return found


async def _note(registry: Registry, job: Job) -> UpcomingDue | None:
    """The first of its next dues to which a change of clocks does something."""
    return next((due for due in await dues(registry, job, DUES) if due.note), None)


def chart(runs: Sequence[Run], timeout: float | None, view: View, job: Job) -> Markup:
    """Its runs, newest last: what each was due, how late, how long."""
    zone = view.shown_in(job.timezone)
    bars = []
    for run in reversed(runs):
        look, took = words.STATES[run.state], duration(run)
        text = f"{look.word}, due {words.moment(run.due, zone, view.now)}"
        if took is not None:
            text += f", took {words.span(took)}"
        late = 0.0 if run.started is None else max((run.started - run.due).total_seconds(), 0)
        tone = "pause" if run.state == "missed" else look.tone
        bars.append(charts.Bar(link=f"/ui/runs/{run.id}", text=text, tone=tone, late=late, took=took))
    scale = {
        "top": words.span(charts.tallest(bars, timeout)),
        "first": words.moment(runs[-1].due, zone, view.now),
        "last": words.moment(runs[0].due, zone, view.now),
    }
    return charts.timeline(bars, timeout, scale, f"How long the last {many(len(runs), 'run')} took")


@attrs.frozen(kw_only=True)
class Change:
    """An entry of the audit log, field by field."""

    entry: Entry
    fields: Sequence[tuple[str, str | None, str | None]]  # name, before, after

    @classmethod
    def of(cls, entry: Entry) -> Change:
        """What differs."""
        return cls(entry=entry, fields=differences(entry.before, entry.after))


def differences(before: Facts | None, after: Facts | None) -> list[tuple[str, str | None, str | None]]:
    """Each field, as it was and as it is; None: it was not, or is not."""
    was, has_become = before or {}, after or {}
    names = dict.fromkeys([*was, *has_become])
    return [(name, _text(was, name), _text(has_become, name)) for name in names]


def _text(facts: Mapping[str, object], name: str) -> str | None:
    return plain(facts[name]) if name in facts else None


def shown(fields: Mapping[str, object]) -> list[tuple[str, str]]:
    """Fields of a definition, as text."""
    return [(name, plain(value)) for name, value in fields.items()]


def plain(value: object) -> str:
    """A value as JSON has it; a text as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return utc_text(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def leads(step: Step) -> str | None:
    """The screen on which that is done; None: there is none."""
    kind, _, rest = step.path.removeprefix("/").partition("/")
    one = rest.partition("/")[0].partition("?")[0]
    if kind == "runs" and one:
        return f"/ui/runs/{one}#output"
    if kind == "jobs" and one:
        last = {"PATCH": "/edit"}.get(step.method) or {"run": "/run"}.get(step.path.rpartition("/")[2], "")
        return f"/ui/jobs/{one}{last}"
    return {"hold": "/ui/", "nodes": "/ui/nodes"}.get(kind)


def curl(address: str, body: str, token: bool) -> str:
    """The command that makes this job where it is not yet; safe to paste, whatever the job holds. `token`: one is
    needed, and the shell knows it."""
    quoted = body.replace("'", "'\\''")
    who = '-H "Authorization: Bearer $JOBSCHED_TOKEN" ' if token else ""
    return f"curl -X PUT {who}-H 'Content-Type: application/json' -d '{quoted}' '{address}'"


def streak(found: Stats, view: View) -> str:
    """How it has failed since its last success; "" if it has not."""
    if not found.failures or found.failing_since is None:
        return ""
    since = words.moment(found.failing_since, view.shown_in(), view.now)
    return f"failed {found.failures} times in a row since {since}" if found.failures > 1 else f"failed since {since}"
