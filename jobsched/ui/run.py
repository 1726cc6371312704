"""/ui/runs/ID: one run, and what it printed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs
from twisted.web.http import Request

from ..http.route import Route, caller
from ..model.audit import AuditFilter
from ..model.claim import NO_SLOT
from ..model.printable import many
from ..model.redaction import Redaction
from ..model.run import Run, RunFilter
from ..model.stats import duration
from ..model.trigger import TICK
from ..registry.registry import Registry
from . import output, words
from .frame import Frame, asked
from .job import shown

ATTEMPTS: Final = 101  # of one due, at most
LATE: Final = timedelta(seconds=1)  # from its due until it was decided, to be worth saying
WAITED: Final = 0.05  # seconds, likewise


@attrs.frozen
class Step:
    """A point in the life of a run, or what came between two."""

    text: str
    at: object = None  # an instant


class OneRun:
    """The screen."""

    def __init__(self, frame: Frame, redaction: Redaction, grace: float) -> None:
        self._frame = frame
        self._redaction = redaction
        self._grace = grace  # seconds from TERM to KILL

    def routes(self) -> list[Route]:
        """What is served here."""
        return [Route("GET", "/ui/runs/<run_id>", self.show, "One run")]

    async def show(self, request: Request, run_id: str) -> bytes:
        """200: the run, with a window on its output: its end, or what stands from ?line on."""
        registry = self._frame.registry(request)
        run = await registry.run(run_id)
        line, find = asked(request, "line"), asked(request, "find")[:200]
        first = int(line) if line.isascii() and line.isdigit() and len(line) < 12 else None
        seen = await output.window(registry, run, first)
        return await self._frame.screen(
            request, "run.html", f"Run of {run.job_name}",
            run=run, life=life(run, run.state == "waiting" and await full(registry)),
            sentence=sentence(run), attempts=await attempts(registry, run), seen=seen,
            parameters=shown(self._redaction.shown(run.parameters)), began=await self._began(request, run),
            looked_for=find, hits=await output.search(registry, run, find) if find else [], most=output.FOUND,
            took=duration(run), grace=self._grace, expected=await expected(registry, run),
        )  # fmt: skip

    async def _began(self, request: Request, run: Run) -> str:
        """Who asked for it, as far as the viewer may know."""
        if run.cause != "manual":
            return "the schedule" if run.cause == "schedule" else "a retry"
        if not caller(request).may("admin"):
            return "a caller"
        only = AuditFilter(target=run.id, action="run.start")
        found = (await self._frame.registry(request).entries(1, None, only, 1 << 16)).values
        if not found:
            return "a caller"
        return f"{found[0].who or 'a caller without a token'}, from {found[0].address}"


async def expected(registry: Registry, run: Run) -> tuple[float | None, datetime | None]:
    """Of a run that goes on: how many seconds its job usually takes, and when its timeout ends it."""
    if run.state != "running" or run.started is None:
        return None, None
    jobs = await registry.some([run.job_id])
    limit = registry.timeout(run.task, run.timeout).seconds
    try:
        end = None if limit is None else run.started + timedelta(seconds=limit)
    except OverflowError:
        end = None
    return jobs[0].activity.median if jobs else None, end


async def full(registry: Registry) -> bool:
    """Whether no living node has a free slot, as the nodes have said last."""
    alive = [node for node in await registry.nodes() if node.state == "alive"]
    return bool(alive) and not any(node.slots for node in alive)


async def attempts(registry: Registry, run: Run) -> Sequence[Run]:
    """All attempts at its due, first to last."""
    if run.cause == "manual" or run.until is not None:
        return [run]
    only = RunFilter(job_id=run.job_id, begin=run.due, end=run.due + TICK)
    found = await registry.runs(ATTEMPTS, None, only)
    same = [each for each in found if each.place == run.place and each.cause != "manual"]
    return sorted(same, key=lambda each: each.attempt) or [run]


def life(run: Run, full: bool = False) -> list[Step]:
    """From its due to its end, as far as it has come. `full`: no node has a free slot now."""
    steps = [Step("due", run.due)]
    begin = max(run.due, run.not_before or run.due)
    if run.cause == "retry" and run.not_before is not None:
        steps.append(Step("to be tried again", run.not_before))
    elif run.cause == "schedule" and run.created - run.due >= LATE:
        steps.append(Step(f"found {words.span((run.created - run.due).total_seconds())} late"))
        begin = max(begin, run.created)
    if run.started is not None:
        waited = (run.started - begin).total_seconds()
        if waited >= WAITED:
            steps.append(Step(f"waited {words.span(waited)} ({waits_for(run)})"))
        steps.append(Step("started", run.started))
    elif run.state == "waiting":
        slot = "; no node has a free slot now" if full and run.reason != NO_SLOT else ""
        what = waits_for(run)
        steps.append(Step(f"waits{' ' if what.startswith(('for ', 'to ')) else ': '}{what}{slot}"))
    if run.isolated is not None:
        steps.append(Step("its node was cut off, and it went on", run.isolated))
    if run.stop is not None:
        steps.append(Step(f"told to end: {run.stop}"))
    steps += [Step(name, at) for name, at in (("TERM", run.term_at), ("KILL", run.kill_at)) if at is not None]
    if run.ended is not None:
        steps.append(Step(words.STATES[run.state].word, run.ended))
    elif run.started is not None and run.stop is None:
        steps.append(Step("runs"))
    return steps


def waits_for(run: Run) -> str:
    """What a run waits for, or has waited for, as its record has it."""
    reason = run.reason if run.state == "waiting" else run.waited_for
    if reason is None:
        return "for what is not known"
    if reason == NO_SLOT:
        return "for a slot"
    _, sign, what = reason.rpartition("waits ")  # "waits for the active run to end", "catching up: waits for ..."
    if sign:
        return what
    return "to be started" if run.cause == "retry" else reason


def sentence(run: Run) -> str:
    """What became of it, in words."""
    word, took = words.STATES[run.state].word, duration(run)
    text = f"{word[:1].upper()}{word[1:]}"
    if took is not None:
        text += f" after {words.span(took)}"
    if run.until is not None:
        text += f": {many(run.count, 'due')}"
    return f"{text}: {run.reason}" if run.reason and run.state != "running" else f"{text}."
