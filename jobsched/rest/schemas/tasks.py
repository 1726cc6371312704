"""A task of the catalog, as it is shown."""

from __future__ import annotations

from msgspec import Struct

from ...config.catalog import Leftovers
from ...model.timeout import Source


class LimitsOut(Struct):
    """What each process of a run may take; null for as much as the daemon itself."""

    nice: int | None
    memory: int | None
    cpu: int | None
    files: int | None


class EffectiveOut(Struct):
    """What is in force for a run, and where it stands."""

    timeout: float | None
    source: Source | None


class TaskOut(Struct):
    """A task of the catalog."""

    name: str
    description: str
    kind: str
    parameters: tuple[str, ...]
    timeout: float | None
    effective: EffectiveOut
    user: str | None
    limits: LimitsOut
    new_privileges: bool
    leftovers: Leftovers | None
    problem: str | None
