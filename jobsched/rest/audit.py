"""/audit: who changed what."""

from __future__ import annotations

from functools import partial

import attrs
from msgspec import UnsetType
from twisted.web.http import Request

from ..http.from_json import given
from ..http.instants import asked_instant
from ..http.pages import Pages
from ..http.route import Route, caller, query
from ..http.schemas import queries
from ..http.schemas.audit import Entries, EntryOut
from ..model.audit import AuditFilter, Entry
from ..model.errors import NotFound
from ..registry.registry import Registry


class Audit:
    """The call on the audit log. The log tells of all tasks, so it needs `admin`: no token for some tasks has that."""

    def __init__(self, registry: Registry, pages: Pages) -> None:
        self._registry = registry
        self._pages = pages

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route("GET", "/audit", self.page, "Who changed what, newest first", asks=queries.AuditPage,
                  gives={200: Entries}, refuses=(400, 409), scope="admin"),
        ]  # fmt: skip

    async def page(self, request: Request) -> bytes:
        """200: up to `limit` entries older than `after`."""
        asked = query(request, queries.AuditPage)
        only = AuditFilter(
            target=None if isinstance(asked.target, UnsetType) else await self._target(asked.target),
            action=given(asked.action, None),
            who=given(asked.who, None),
            group=given(asked.group, None),
            begin=asked_instant(asked.from_, "?from"),
            end=asked_instant(asked.to, "?to"),
        )
        gate = self._registry.seen_by(caller(request))
        entries = partial(gate.entries, asked.limit, given(asked.after, None), only)
        return await self._pages.answer(request, asked.limit, entries, _out, lambda entry: entry.id)

    async def _target(self, text: str) -> str:
        """The id of the job that has this name, if one has; else what may be the id of anything."""
        try:
            return await self._registry.named(text)
        except NotFound:
            return text


def _out(entry: Entry) -> EntryOut:
    return EntryOut(**attrs.asdict(entry, recurse=False))
