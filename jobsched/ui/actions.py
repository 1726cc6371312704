"""What is done to jobs and runs by a button: run now, pause, resume, delete, cancel, run again, hold, release."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from msgspec import UNSET
from twisted.web.http import Request

from ..http import from_json
from ..http.from_json import Defaults
from ..http.instants import Times
from ..http.route import Route, caller
from ..http.schemas.jobs import PauseIn, RunIn
from ..model.errors import Conflict, Invalid, NotFound, OnHold
from ..model.hold import Hold
from ..model.job import JobView
from . import amounts
from .errors import see
from .form import one
from .frame import Frame

PERIODS: Final = (("", "until it is resumed"), ("1h", "1 hour"), ("4h", "4 hours"), ("1d", "1 day"), ("1w", "1 week"))


def told(why: Exception) -> str:
    """What is wrong, and with which field."""
    pointer = why.pointer if isinstance(why, Invalid) else ""
    return f"{pointer.rpartition('/')[2]}: {why}" if pointer else str(why)


class Actions:
    """The buttons, and the screens that ask before."""

    def __init__(self, frame: Frame, defaults: Defaults, times: Times) -> None:
        self._frame = frame
        self._defaults = defaults
        self._times = times

    def routes(self) -> list[Route]:
        """What is served here."""
        job, run = "/ui/jobs/<job_id>", "/ui/runs/<run_id>"
        return [
            Route("GET", f"{job}/run", self.ask_run, "Run a job with parameters", scope="run"),
            Route("POST", f"{job}/run", self.run, "Run a job now", form=True, scope="run"),
            Route("GET", f"{job}/pause", self.ask_pause, "Pause a job", scope="write"),
            Route("POST", f"{job}/pause", self.pause, "Pause a job", form=True),
            Route("POST", f"{job}/resume", self.resume, "Go on with a job", form=True),
            Route("GET", f"{job}/delete", self.ask_delete, "Delete a job", scope="write"),
            Route("POST", f"{job}/delete", self.delete, "Delete a job", form=True),
            Route("POST", f"{run}/cancel", self.cancel, "End a run", form=True, scope="run"),
            Route("POST", f"{run}/rerun", self.rerun, "Run again", form=True, scope="run"),
            Route("GET", "/ui/hold", self.ask_hold, "Hold all jobs", scope="write"),
            Route("POST", "/ui/hold", self.hold, "Hold all jobs", form=True),
            Route("POST", "/ui/release", self.release, "Go on with what is on hold", form=True),
        ]

    async def ask_run(self, request: Request, job_id: str) -> bytes:
        """200: with which parameters?"""
        return await self._run_form(request, await self._frame.registry(request).job(job_id))

    async def run(self, request: Request, job_id: str) -> bytes:
        """303: to the run."""
        sent, registry = self._frame.form(request), self._frame.registry(request)
        changes, merged = one(sent, "parameters"), None
        try:
            if changes:
                caller(request).must("write")  # to set parameters is to change what is run
                given = {name: amounts.typed(value) for name, value in amounts.pairs(changes, "/parameters").items()}
                _, merged = from_json.run(RunIn(parameters=dict(given)), self._defaults)
            run = await registry.run_now(job_id, force=one(sent, "force") == "yes", parameters=merged)
        except (Invalid, Conflict) as why:
            return await self._run_form(request, await registry.job(job_id), sent, told(why))
        return see(request, f"/ui/runs/{run.id}?said=started")

    async def _run_form(
        self, request: Request, news: JobView, sent: dict[str, list[str]] | None = None, fault: str = ""
    ) -> bytes:
        if fault:
            request.setResponseCode(409)
        shown = amounts.lines(self._defaults.redaction.shown(news.job.parameters))
        return await self._frame.screen(
            request, "run_form.html", f"Run {news.job.name} now", job=news.job, fault=fault, shown=shown,
            typed=one(sent or {}, "parameters"), known=self._frame.registry(request).task_known(news.job.task),
        )  # fmt: skip

    async def ask_pause(self, request: Request, job_id: str) -> bytes:
        """200: until when, and why?"""
        return await self._pause_form(request, (await self._frame.registry(request).job(job_id)).job.name, job_id, {})

    async def pause(self, request: Request, job_id: str) -> bytes:
        """303: paused."""
        sent, registry = self._frame.form(request), self._frame.registry(request)
        try:
            until = self.until(request, sent)
            from_json.pause(PauseIn(reason=one(sent, "reason") or None))
            await registry.pause(job_id, None, until, one(sent, "reason"))
        except Invalid as why:
            return await self._pause_form(request, (await registry.job(job_id)).job.name, job_id, sent, str(why))
        return see(request, f"/ui/jobs/{job_id}?said=paused")

    async def _pause_form(
        self, request: Request, name: str, job_id: str, sent: dict[str, list[str]], fault: str = ""
    ) -> bytes:
        if fault:
            request.setResponseCode(400)
        to, what = (f"/ui/jobs/{job_id}", f"Pause {name}") if job_id else ("/ui/", "Hold everything")
        return await self._frame.screen(
            request, "pause_form.html", what, action="/ui/hold" if not job_id else f"{to}/pause", to=to, fault=fault,
            periods=PERIODS, until=one(sent, "until"), reason=one(sent, "reason"), period=one(sent, "for"),
        )  # fmt: skip

    def until(self, request: Request, sent: dict[str, list[str]]) -> datetime | None:
        """The end that was chosen or typed. Raises Invalid."""
        text, period = one(sent, "until"), one(sent, "for")
        if text:
            zone = self._frame.view(request).shown_in().key
            found = self._times.window(text, UNSET, zone, ahead=True)[0]
            if found is not None and found <= self._frame.now():
                raise Invalid("lies in the past", "/until")
            return found
        if not period:
            return None
        return self._frame.now() + timedelta(seconds=min(amounts.seconds(period, "/for"), 3e9))

    async def resume(self, request: Request, job_id: str) -> bytes:
        """303: it goes on."""
        self._frame.form(request)
        await self._frame.registry(request).resume(job_id)
        return see(request, f"/ui/jobs/{job_id}?said=resumed")

    async def ask_delete(self, request: Request, job_id: str) -> bytes:
        """200: really?"""
        news = await self._frame.registry(request).job(job_id)
        return await self._frame.screen(request, "delete_form.html", f"Delete {news.job.name}", news=news)

    async def delete(self, request: Request, job_id: str) -> bytes:
        """303: it is gone."""
        sent = self._frame.form(request)
        await self._frame.registry(request).unschedule(job_id, one(sent, "cancel") == "yes")
        return see(request, "/ui/jobs?said=deleted")

    async def cancel(self, request: Request, run_id: str) -> bytes:
        """303: it is told to end."""
        self._frame.form(request)
        try:
            await self._frame.registry(request).cancel(run_id)
        except Conflict:  # it has ended meanwhile, which its screen shows
            return see(request, f"/ui/runs/{run_id}?said=over")
        return see(request, f"/ui/runs/{run_id}?said=cancelled")

    async def rerun(self, request: Request, run_id: str) -> bytes:
        """303: to the new run."""
        self._frame.form(request)
        run = await self._frame.registry(request).rerun(run_id)
        return see(request, f"/ui/runs/{run.id}?said=started")

    async def ask_hold(self, request: Request) -> bytes:
        """200: until when, and why?"""
        return await self._pause_form(request, "", "", {})

    async def hold(self, request: Request) -> bytes:
        """303: nothing starts any more."""
        sent, registry, now = self._frame.form(request), self._frame.registry(request), self._frame.now()
        try:
            until, reason = self.until(request, sent), one(sent, "reason")
            from_json.pause(PauseIn(reason=reason or None))
            await registry.put_hold(Hold(by=None, at=now, until=until, reason=reason), True, None)
        except Invalid as why:
            return await self._pause_form(request, "", "", sent, str(why))
        except OnHold:
            return see(request, "/ui/?said=held-already")
        return see(request, "/ui/?said=held")

    async def release(self, request: Request) -> bytes:
        """303: everything goes on."""
        self._frame.form(request)
        with suppress(NotFound):  # it ended meanwhile
            await self._frame.registry(request).release_hold(None)
        return see(request, "/ui/?said=released")
