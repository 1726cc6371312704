"""An entry of the audit log, as it is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from ...model.audit import Action


class EntryOut(Struct):
    """One change: who made it, from where, and what was and is."""

    id: str
    at: Annotated[datetime, Meta(tz=True)]
    who: str | None
    address: str
    node: str
    action: Action
    target: str | None
    job_id: str | None
    name: str | None
    task: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Entries(Struct):
    """A page of the audit log."""

    values: list[EntryOut]
