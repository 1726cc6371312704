"""/audit: who changed what."""

from __future__ import annotations

import attrs
from twisted.web.http import Request

from ..registry import Registry
from ..store.audit import Filter
from . import queries
from .convert import given
from .entry import Entries, EntryOut
from .instants import asked_instant
from .location import link_next
from .route import Route, caller, json, query


class Audit:
    """The call on the trail. It tells of all tasks: for `admin`, which no token for some tasks can have."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route("GET", "/audit", self.page, "Who changed what, newest first", asks=queries.AuditPage,
                  gives={200: Entries}, refuses=(400,), scope="admin"),
        ]  # fmt: skip

    async def page(self, request: Request) -> bytes:
        """200: up to `limit` entries older than `after`."""
        asked = query(request, queries.AuditPage)
        only = Filter(
            target=given(asked.target, None),
            action=given(asked.action, None),
            who=given(asked.who, None),
            begin=asked_instant(asked.from_, "?from"),
            end=asked_instant(asked.to, "?to"),
        )
        door = self._registry.seen_by(caller(request))
        found = await door.entries(asked.limit + 1, given(asked.after, None), only)
        link_next(request, found, asked.limit, lambda entry: entry.id)
        shown = [EntryOut(**attrs.asdict(entry, recurse=False)) for entry in found[: asked.limit]]
        return json(request, Entries(values=shown))
