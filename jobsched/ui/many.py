"""/ui/many: what is done to jobs that were selected in the list. It asks first, and says what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, Final, TypeVar

import attrs
import msgspec
from twisted.web.http import Request

from .. import formats
from ..formats.kinds import WRITTEN, Written
from ..http import from_json, to_json
from ..http.from_json import Defaults
from ..http.route import Route, caller, whole
from ..http.schemas.jobs import PatchIn, PauseIn
from ..model.audit import AuditFilter
from ..model.batch import MOST, BatchAction, Part
from ..model.errors import Conflict, Invalid
from ..model.job import JobView
from ..model.job_list import JobOrder
from ..model.order import BatchJobs, DeleteJob, Order, PauseJob, ResumeJob, RunJob
from ..model.printable import many
from ..model.selection import Selection
from ..registry.registry import Registry
from . import form
from .actions import PERIODS, Actions, told
from .form import one
from .frame import Frame
from .job import differences
from .search import Search

ACTIONS: Final[dict[str, BatchAction]] = {
    "pause": "pause", "resume": "resume", "run": "run", "delete": "delete", "change": "change",
}  # fmt: skip
DONE: Final = {
    "pause": "paused", "resume": "resumed", "run": "ordered to run", "delete": "deleted", "change": "changed",
}  # fmt: skip
SCOPES: Final[dict[str, Any]] = {"run": "run", "export": "read"}  # what else is done needs `write`
LISTED: Final = 10
MOST_SELECTED: Final = 1000
ROOM: Final = 4 * 1024 * 1024  # bytes of jobs that are read at a time

Sent = dict[str, list[str]]
T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Asked:
    """What is to be done, and to which jobs: the version of each that was seen, by id; 0: it is not there. `patch` is
    for a change that was said already."""

    action: str
    seen: dict[str, int]
    sent: Sent
    patch: PatchIn | None = None


class Many:
    """The screens."""

    def __init__(self, frame: Frame, actions: Actions, defaults: Defaults) -> None:
        self._frame = frame
        self._actions = actions
        self._defaults = defaults

    def routes(self) -> list[Route]:
        """What is served here. Which scope is needed depends on what is to be done."""
        return [Route("POST", "/ui/many", self.perform, "Do something to many jobs", form=True, scope="any")]

    async def perform(self, request: Request) -> bytes:
        """200: what would become of them; once that was agreed to, what has become of them."""
        sent = self._frame.form(request)
        action = one(sent, "action")
        if action not in ACTIONS and action != "export":
            raise Invalid(f"nothing is done to jobs but {', '.join(ACTIONS)} and export")
        caller(request).must(SCOPES.get(action, "write"))
        asked = Asked(action=action, seen=await self._selected(request, sent), sent=sent)
        agreed, fault, parts = one(sent, "agreed"), "", list[Part]()
        try:
            if action == "change" and agreed:
                asked = attrs.evolve(asked, patch=form.patch(sent))
            if agreed == "yes":
                return await (self._export(request, asked) if action == "export" else self._done(request, asked))
            if action != "export" and (action != "change" or asked.patch is not None):
                parts = await self._parts(request, asked, plan=True)
        except (Invalid, Conflict) as why:
            fault = told(why)
            request.setResponseCode(400 if isinstance(why, Invalid) else 409)
        return await self._frame.screen(
            request, "many.html", f"{action.capitalize()} {many(len(asked.seen), 'job')}",
            action=action, seen=asked.seen, planned=[(each, _differing(each)) for each in parts[:LISTED]],
            more=max(len(parts) - LISTED, 0), fault=fault, sent=sent, one=lambda name: one(sent, name),
            refused=[each for each in parts if each.result not in ("done", "unchanged")], periods=PERIODS,
            formats=WRITTEN, most=MOST_SELECTED,
        )  # fmt: skip

    async def _selected(self, request: Request, sent: Sent) -> dict[str, int]:
        """Those that were selected, each `id` or `id:version`; with `every` all that match `q`. Raises Invalid for
        none, or too many."""
        registry = self._frame.registry(request)
        if one(sent, "every") == "yes":
            seen = await _matching(registry, Search.of(one(sent, "q")))
        else:
            seen = dict(map(_seen, sent.get("job", [])))
        if not 0 < len(seen) <= MOST_SELECTED:
            raise Invalid(f"select 1 to {MOST_SELECTED:,} jobs in the list")
        new = [job_id for job_id, version in seen.items() if not version]
        return seen | {news.job.id: news.job.version for news in await _all(registry, new)}

    async def _done(self, request: Request, asked: Asked) -> bytes:
        if asked.action == "delete" and one(asked.sent, "count") != str(len(asked.seen)):
            raise Invalid(f"type the number of jobs, {len(asked.seen)}, to delete them", "/count")
        parts = await self._parts(request, asked, plan=False)
        others = [each for each in parts if each.result not in ("done", "unchanged")]
        who = [await self._who(request, each) for each in others[:LISTED]]
        return await self._frame.screen(
            request, "many_done.html", f"{len(parts) - len(others)} of {len(asked.seen)} {DONE[asked.action]}",
            action=asked.action, others=list(zip_longest(others, who, fillvalue="somebody")),
        )  # fmt: skip

    async def _who(self, request: Request, part: Part) -> str:
        """Who has changed a job meanwhile, as far as the viewer may know."""
        if part.result != "stale" or not caller(request).may("admin"):
            return "somebody"
        only = AuditFilter(target=part.job_id)
        found = (await self._frame.registry(request).entries(1, None, only, ROOM)).values
        return found[0].who or "somebody without a token" if found else "somebody"

    async def _export(self, request: Request, asked: Asked) -> bytes:
        """200: the jobs as a file, which `PUT /jobs` and `jobsched apply` take."""
        kind = one(asked.sent, "format")
        if kind not in WRITTEN:
            raise Invalid(f"is one of {', '.join(WRITTEN)}", "/format")
        registry, rules = self._frame.registry(request), self._defaults
        jobs = [news.job for news in await _all(registry, list(asked.seen))]
        withheld = {job.id: to_json.withheld(job, rules.redaction) for job in jobs}
        requests = [
            msgspec.to_builtins(to_json.request_out(job, rules.policy, rules.timezone, rules.redaction)) for job in jobs
        ]
        text = await registry.in_thread(lambda wanted: formats.write(_written(kind), requests, withheld, wanted))
        request.setHeader(b"content-disposition", f'attachment; filename="jobs.{kind}"'.encode())
        return whole(request, b"text/plain; charset=utf-8", text.encode())

    async def _parts(self, request: Request, asked: Asked, *, plan: bool) -> list[Part]:
        """What became of each, or would: as many at a time as one order takes."""
        registry, found = self._frame.registry(request), list[Part]()
        order, action = self._order(request, asked, registry), ACTIONS[asked.action]
        for some in _shares(list(asked.seen.items())):
            versions = dict(some)
            select = Selection(ids=tuple(versions))
            batch = BatchJobs(select=select, action=action, order=order, versions=versions, plan=plan, partial=True)
            found += (await registry.batch(batch)).parts
        return found

    def _order(self, request: Request, asked: Asked, registry: Registry) -> Callable[[str], Order[object]]:
        until, reason = self._actions.until(request, asked.sent), one(asked.sent, "reason")
        action, patch, peers = asked.action, asked.patch, registry.peers
        from_json.pause(PauseIn(reason=reason or None))

        def of(job_id: str) -> Order[object]:
            if action == "pause":
                return PauseJob(job_id=job_id, until=until, reason=reason)
            if action == "resume":
                return ResumeJob(job_id=job_id)
            if action == "run":
                return RunJob(job_id=job_id, peers=peers)
            if action == "delete":
                return DeleteJob(job_id=job_id, cancel=registry.cancelling(False))
            assert patch is not None
            return registry.changing(job_id, None, lambda job: from_json.merged(job, patch, self._defaults))

        return of


async def _matching(registry: Registry, search: Search) -> dict[str, int]:
    only = attrs.evolve(search.filter(JobOrder(sort="id")), activity=False)
    seen, after, more = dict[str, int](), "", True
    while more and len(seen) <= MOST_SELECTED:
        page = await registry.jobs(MOST, after, only, ROOM)
        seen |= {news.job.id: news.job.version for news in page.values}
        more, after = page.more, page.values[-1].place if page.values else ""
    return seen


async def _all(registry: Registry, ids: Sequence[str]) -> list[JobView]:
    return [news for some in _shares(ids) for news in await registry.some(some)]


def _shares(found: Sequence[T]) -> Iterator[Sequence[T]]:
    return (found[begin : begin + MOST] for begin in range(0, len(found), MOST))


def _seen(text: str) -> tuple[str, int]:
    job_id, _, version = text.partition(":")
    return job_id, int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0


def _written(text: str) -> Written:
    return next(kind for kind in WRITTEN if kind == text)


def _differing(part: Part) -> Sequence[tuple[str, str | None, str | None]]:
    return differences(part.before, part.after) if part.result == "done" and part.before and part.after else []
