"""/ui/runs: the list of runs, and the rows that other screens show of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, cast, get_args

import attrs
from msgspec import UNSET
from twisted.web.http import Request

from ..http.instants import Times
from ..http.route import Route
from ..model.errors import Invalid, NotFound
from ..model.run import FAILING, STATES, Cause, Run, RunFilter, State
from ..model.stats import duration
from ..model.upcoming import PlannedFilter
from ..registry.registry import Registry
from .frame import Frame, asked, asked_all, link
from .view import View

PAGE: Final = 200
ROOM: Final = 1 << 20
AROUND: Final = timedelta(minutes=15)
CAUSES: Final = get_args(Cause)


@attrs.frozen
class Group:
    """The attempts at one due that follow one another in a list, newest first."""

    newest: Run
    before: Sequence[Run] = ()

    @property
    def late(self) -> float | None:
        """Seconds from its due to its start, if that is worth saying."""
        run = self.newest
        if run.started is None or run.attempt > 1:
            return None
        late = (run.started - run.due).total_seconds()
        return late if late >= 1 else None

    @property
    def took(self) -> float | None:
        """Seconds from start to end."""
        return duration(self.newest)


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Runs in a list, with the attempts before the last folded under it."""
    found: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        key = (run.job_id, run.due, run.place) if run.cause != "manual" and run.until is None else (run.id,)
        found.setdefault(key, []).append(run)
    return [Group(some[0], tuple(some[1:])) for some in found.values()]


class Runs:
    """The screen."""

    def __init__(self, frame: Frame, times: Times) -> None:
        self._frame = frame
        self._times = times

    def routes(self) -> list[Route]:
        """What is served here."""
        return [Route("GET", "/ui/runs", self.show, "The list of runs")]

    async def show(self, request: Request) -> bytes:
        """200: up to 200 runs."""
        registry, view = self._frame.registry(request), self._frame.view(request)
        only = await self._only(request, registry, view)
        found = await registry.runs(PAGE + 1, asked(request, "after") or None, only)
        more = len(found) > PAGE
        fields = {name: asked(request, name) for name in ("job", "task", "node", "cause", "from", "to", "around")}
        if fields["around"]:
            fields["from"] = fields["to"] = ""
        return await self._frame.screen(
            request, "runs.html", "Runs",
            groups=grouped(found[:PAGE]), count=min(len(found), PAGE), fields=fields, states_asked=only.states,
            all_states=STATES.states, failing=FAILING, causes=CAUSES, url=partial(link, request),
            next=link(request, after=found[PAGE - 1].id) if more else None, shortcuts=shortcuts(view),
            nearest=await self._nearest(registry, only) if not found else None, only=only,
        )  # fmt: skip

    async def _only(self, request: Request, registry: Registry, view: View) -> RunFilter:
        """What is asked for. Raises Invalid, NotFound, Ambiguous."""
        states = [each for text in asked_all(request, "state") for each in text.split(",") if each]
        if strange := [each for each in states if each not in STATES.states]:
            raise Invalid(f"{strange[0]!r} is none of {', '.join(STATES.states)}", "?state")
        job, cause = asked(request, "job"), asked(request, "cause")
        if cause and cause not in CAUSES:
            raise Invalid(f"{cause!r} is none of {', '.join(CAUSES)}", "?cause")
        begin, end = self._window(request, view.shown_in().key)
        return RunFilter(
            job_id=await registry.named(job) if job else None,
            states=tuple(cast(State, each) for each in states),
            task=asked(request, "task") or None,
            node=asked(request, "node") or None,
            cause=cast(Cause, cause) if cause else None,
            begin=begin,
            end=end,
        )

    def _window(self, request: Request, zone: str) -> tuple[datetime | None, datetime | None]:
        """From when to when; `?around` is a quarter of an hour on both sides of it, whatever else is asked for. Raises
        Invalid."""
        begin, end, around = (asked(request, name) or UNSET for name in ("from", "to", "around"))
        if around is UNSET:
            return self._times.window(begin, end, zone)
        try:
            middle, _ = self._times.window(around, UNSET, zone)
        except Invalid as why:
            raise Invalid(why.detail, "?around") from None
        assert middle is not None
        try:
            return middle - AROUND, middle + AROUND
        except OverflowError:
            raise Invalid("lies at an end of the calendar", "?around") from None

    async def _nearest(self, registry: Registry, only: RunFilter) -> Nearest:
        """What was due around a time in which nothing was."""
        now = self._times.now()
        before = None
        if only.begin is not None:
            try:
                before = next(iter(await registry.runs(1, None, attrs.evolve(only, begin=None, end=only.begin))), None)
            except NotFound:
                before = None
        begin = max(only.end or now, now)
        planned = PlannedFilter(end=begin + timedelta(days=1), task=only.task)
        dues = (await registry.upcoming(planned, begin, False, None, 1, ROOM)).values
        return Nearest(before=before, after=(dues[0].job.name, dues[0].utc, dues[0].job.id) if dues else None)


@attrs.frozen(kw_only=True)
class Nearest:
    """The run before a time, and the due after it: name, when, and the job's id."""

    before: Run | None
    after: tuple[str, object, str] | None


def shortcuts(view: View) -> list[tuple[str, str, str]]:
    """Times that are asked for often: what they are called, from, to; days are those of the viewer."""
    today = view.now.astimezone(view.shown_in()).date()
    yesterday = today - timedelta(days=1)
    return [
        ("last hour", "-1h", ""),
        ("last night", f"{yesterday}T18:00", f"{today}T08:00"),
        ("today", f"{today}", ""),
        ("last 24 hours", "-24h", ""),
    ]
