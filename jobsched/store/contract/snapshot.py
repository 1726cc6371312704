"""All that is stored, for `jobsched.verify`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Protocol

from ...model.job import Job
from ...model.node import Node
from ...model.run import Run


class Snapshot(Protocol):
    """One state of the store, read piece by piece. No Deferreds: nobody else is there."""

    def now(self) -> datetime | None:
        """The instant of it, by the database's clock; None: it has no clock, and knows no nodes."""

    def nodes(self) -> dict[str, Node]:
        """Every node that is not forgotten, by its id."""

    def histories(self) -> Iterator[tuple[str, Job | None, Iterable[Run]]]:
        """Each job that there is, or of which runs are left (None), by id; its runs by due, attempt and place. They are
        to be read before the next job is asked for."""
