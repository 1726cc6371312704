"""The way of every order: signed before it goes to the store, and told to the logger `jobsched.audit` once it is on
disk."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TypeVar

from .model.audit import AuditFilter, Entry, Facts, Signature
from .model.caller import Caller
from .model.ids import Ids
from .model.order import Issued, Order, Reload
from .model.page import Page
from .model.redaction import Redaction
from .store.contract.store import Store

T = TypeVar("T")

told = logging.getLogger("jobsched.audit")


class AuditLog:
    """The log of who changed what. `node` is the name of this daemon."""

    def __init__(self, store: Store, ids: Ids, node: str, redaction: Redaction) -> None:
        self._store = store
        self._ids = ids
        self._node = node
        self._redaction = redaction

    def signature(self, caller: Caller, instant: datetime) -> Signature:
        """The signature of an order that this caller gives now."""
        return Signature(
            id=self._ids.make(instant),
            at=instant,
            who=caller.name,
            address=caller.address,
            node=self._node,
            redaction=self._redaction,
        )

    async def perform(self, order: Order[T], issued: Issued) -> T:
        """Carry out an order and write its entry, both or neither. Returns the answer to the order."""
        performed = await self._store.for_callers.orders.perform(order, issued)
        if performed.entry is not None:
            tell(performed.entry)
        for entry in performed.parts:
            tell(entry)
        return performed.answer

    async def page(self, limit: int, before: str | None, only: AuditFilter, room: int) -> Page[Entry]:
        """The newest `limit` entries older than `before` that have room, without what is secret by now."""
        found = await self._store.for_callers.audit.page(limit, before, only, room)
        return Page([entry.shown(self._redaction) for entry in found.values], found.more)

    async def reloaded(self, caller: Caller, instant: datetime, before: Facts, after: Facts) -> None:
        """Write down what was in force and what is now. The change has already happened: it is told even if the entry
        cannot be written."""
        signature = self.signature(caller, instant)
        tell(signature.under("catalog.reload", before=before, after=after))
        issued = Issued(signature=signature, caller=caller, node_id="", ids=self._ids)
        await self._store.orders.perform(Reload(before=before, after=after), issued)


def tell(entry: Entry) -> None:
    """Write one line to the log. A name is quoted and escaped, so that the line contains only printable text."""
    name = None if entry.name is None else ascii(entry.name)
    told.info("%s %s %s %s %s", entry.who or "-", entry.address or "-", entry.action, entry.target or "-", name or "-")
