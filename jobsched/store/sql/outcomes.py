"""The runs that a transaction gave their outcome: told to who counts them, once it is committed and not before."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from ...model.run import Run

PLACE = "outcomes"  # in what a connection carries with it


def gather(connection: Connection) -> list[Run]:
    """From now on, what this connection is told; the list fills while the transaction goes on."""
    found: list[Run] = []
    connection.info[PLACE] = found
    return found


def tell(connection: Connection, ended: Iterable[Run]) -> None:
    """These runs have their outcome with this transaction; one that is active is left out."""
    found: list[Run] | None = connection.info.get(PLACE)
    if found is not None:
        found.extend(run for run in ended if not run.active)
