"""/runs/counts: how many runs came to which state, hour by hour."""

from __future__ import annotations

from itertools import pairwise
from zoneinfo import ZoneInfo

import attrs
from twisted.web.http import Request

from ..http.from_json import given, labels_asked
from ..http.instants import Times
from ..http.route import Route, caller, json, query
from ..http.schemas import queries
from ..http.schemas import stats as wire
from ..model.preview import local
from ..model.run import RunFilter
from ..model.run_counts import day_before, edges
from ..model.zone import Zone
from ..registry.registry import Registry
from .jobs import run_filter


class RunCounts:
    """The call that counts runs."""

    def __init__(self, registry: Registry, times: Times) -> None:
        self._registry = registry
        self._times = times

    def routes(self) -> list[Route]:
        """What is served here."""
        return [Route("GET", "/runs/counts", self.show, "Count runs, by hour and state", asks=queries.RunCounts,
                      gives={200: wire.CountsOut}, refuses=(400, 404, 409))]  # fmt: skip

    async def show(self, request: Request) -> bytes:
        """200: each hour."""
        asked = query(request, queries.RunCounts)
        registry = self._registry.seen_by(caller(request))
        name = given(asked.job, None)
        only = RunFilter(
            job_id=None if name is None else await registry.named(name),
            task=given(asked.task, None),
            labels=labels_asked(asked.label),
        )
        only = run_filter(only, asked, self._times)
        zone = Zone(given(asked.zone, self._times.timezone))
        end = only.end or self._times.now()
        borders = edges(only.begin or day_before(end, zone), end, zone)
        counts = await registry.run_counts(attrs.evolve(only, begin=None, end=None), borders)
        hours = [
            wire.HourOut(from_=since, to=until, local=local(since, ZoneInfo(zone.name)), counts=found)
            for (since, until), found in zip(pairwise(borders), counts, strict=True)
        ]
        return json(request, wire.CountsOut(timezone=zone.name, values=hours))
