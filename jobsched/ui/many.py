"""/ui/many: what is done to jobs that were selected in the list. It asks first, and says what became of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.web.http import Request

from ..http import from_json
from ..http.route import Route, caller
from ..http.schemas.jobs import PauseIn
from ..model.batch import MOST, BatchAction, Part
from ..model.errors import Invalid
from ..model.order import BatchJobs, DeleteJob, Order, PauseJob, ResumeJob, RunJob
from ..model.selection import Selection
from ..registry.registry import Registry
from . import words
from .actions import PERIODS, Actions, told
from .form import one
from .frame import Frame

ACTIONS: Final[dict[str, BatchAction]] = {"pause": "pause", "resume": "resume", "run": "run", "delete": "delete"}
DONE: Final = {"pause": "paused", "resume": "resumed", "run": "ordered to run", "delete": "deleted"}
LISTED: Final = 10

Sent = dict[str, list[str]]


class Many:
    """The screens."""

    def __init__(self, frame: Frame, actions: Actions) -> None:
        self._frame = frame
        self._actions = actions

    def routes(self) -> list[Route]:
        """What is served here. Which scope is needed depends on what is to be done."""
        return [Route("POST", "/ui/many", self.perform, "Do something to many jobs", form=True, scope="any")]

    async def perform(self, request: Request) -> bytes:
        """200: what would become of them; once that was agreed to, what has become of them."""
        sent = self._frame.form(request)
        action = ACTIONS.get(one(sent, "action"))
        if action is None:
            raise Invalid(f"nothing is done to jobs but {', '.join(ACTIONS)}")
        caller(request).must("run" if action == "run" else "write")
        ids = tuple(dict.fromkeys(sent.get("job", [])))
        if not 0 < len(ids) <= MOST:
            raise Invalid(f"select 1 to {MOST} jobs in the list")
        fault = ""
        if one(sent, "agreed") == "yes":
            try:
                return await self._done(request, sent, action, ids)
            except Invalid as why:
                fault = told(why)
                request.setResponseCode(400)
        parts = await self._asked(request, sent, action, ids, plan=True) if not fault else []
        return await self._frame.screen(
            request, "many.html", f"{action.capitalize()} {words.many(len(ids), 'job')}",
            action=action, ids=ids, planned=parts[:LISTED], more=max(len(parts) - LISTED, 0), fault=fault,
            refused=[each for each in parts if each.result not in ("done", "unchanged")], periods=PERIODS,
            until=one(sent, "until"), reason=one(sent, "reason"),
        )  # fmt: skip

    async def _done(self, request: Request, sent: Sent, action: BatchAction, ids: tuple[str, ...]) -> bytes:
        if action == "delete" and one(sent, "count") != str(len(ids)):
            raise Invalid(f"type the number of jobs, {len(ids)}, to delete them", "/count")
        parts = await self._asked(request, sent, action, ids, plan=False)
        good = sum(each.result in ("done", "unchanged") for each in parts)
        return await self._frame.screen(
            request, "many_done.html", f"{good} of {len(ids)} {DONE[action]}", action=action,
            others=[each for each in parts if each.result not in ("done", "unchanged")],
        )  # fmt: skip

    async def _asked(
        self, request: Request, sent: Sent, action: BatchAction, ids: tuple[str, ...], *, plan: bool
    ) -> Sequence[Part]:
        registry = self._frame.registry(request)
        order = self._order(request, sent, action, registry)
        batch = BatchJobs(select=Selection(ids=ids), action=action, order=order, plan=plan, partial=True)
        return (await registry.batch(batch)).parts

    def _order(
        self, request: Request, sent: Sent, action: BatchAction, registry: Registry
    ) -> Callable[[str], Order[object]]:
        until, reason, peers = self._actions.until(request, sent), one(sent, "reason"), registry.peers
        from_json.pause(PauseIn(reason=reason or None))

        def of(job_id: str) -> Order[object]:
            if action == "pause":
                return PauseJob(job_id=job_id, until=until, reason=reason)
            if action == "resume":
                return ResumeJob(job_id=job_id)
            if action == "run":
                return RunJob(job_id=job_id, peers=peers)
            return DeleteJob(job_id=job_id, cancel=registry.cancelling(False))

        return of
