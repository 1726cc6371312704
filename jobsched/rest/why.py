"""/jobs/ID/why: why a job did, or did not, run at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from twisted.web.http import Request

from ..http.from_json import given
from ..http.route import Route, caller, json, query
from ..http.schemas.queries import WhyAsked
from ..http.schemas.why import FactOut, StepOut, WhyOut
from ..registry.registry import Registry
from ..why import why


class Why:
    """The call that answers from the record."""

    def __init__(self, registry: Registry, timezone: str, now: Callable[[], datetime]) -> None:
        self._registry = registry
        self._timezone = timezone
        self._now = now

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route("GET", "/jobs/<job_id>/why", self.show, "Why a job did, or did not, run at a time", asks=WhyAsked,
                  gives={200: WhyOut}, refuses=(400, 404)),
        ]  # fmt: skip

    async def show(self, request: Request, job_id: str) -> bytes:
        """200: the answer, also for a job that was deleted."""
        asked = query(request, WhyAsked)
        registry = self._registry.seen_by(caller(request))
        at, zone = given(asked.at, None), given(asked.zone, None)
        found = await why(registry, job_id, at, zone, self._timezone, self._now())
        shown = WhyOut(
            job=job_id,
            name=found.name,
            answer=found.answer,
            sentence=found.sentence,
            due=found.due,
            run=None if found.run is None else found.run.id,
            facts=[FactOut(text=fact.text, at=fact.at, run=fact.run_id) for fact in found.facts],
            next=[StepOut(text=step.text, method=step.method, path=step.path, body=step.body) for step in found.steps],
        )
        return json(request, shown)
