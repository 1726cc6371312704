"""A task of the catalog, as it is shown."""

from __future__ import annotations

from msgspec import Struct


class LimitsOut(Struct):
    """What each process of a run may take; null for as much as the daemon itself."""

    nice: int | None
    memory: int | None
    cpu: int | None
    files: int | None


class TaskOut(Struct):
    """A task of the catalog."""

    name: str
    description: str
    kind: str
    parameters: tuple[str, ...]
    timeout: float | None
    user: str | None
    limits: LimitsOut
