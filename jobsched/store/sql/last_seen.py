"""Signs of life of the one daemon that has an SQLite store, for the daemon after it: what is said of the time between.

They are kept where those of several nodes are, in one row. Every function runs inside its connection's transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from ...model.node import Node
from . import nodes as node_rows
from .tables import nodes

OFTEN = 1.0  # seconds between signs of life that go with other changes

_GIVE = (
    update(nodes)
    .where(nodes.c.id == bindparam("key"))
    .values(seen=bindparam("new_seen", type_=nodes.c.seen.type), state=bindparam("new_state"))
)


def begin(connection: Connection, node: Node) -> datetime | None:
    """The last sign of life of those before this one, None if there is none; from now on there are its own."""
    last = connection.execute(select(func.max(nodes.c.seen, type_=nodes.c.seen.type))).scalar()
    connection.execute(delete(nodes))
    connection.execute(insert(nodes).values(node_rows.to_row(node)))
    return last


def give(connection: Connection, node_id: str, instant: datetime, state: str = "alive") -> None:
    """It lives at that instant, or ends then."""
    connection.execute(_GIVE, {"key": node_id, "new_seen": instant, "new_state": state})


class SignOfLife:
    """Goes with changes of the store, at most once in `OFTEN` seconds. It is made before the store, whose changes it
    adds to, and says nothing until the node that it speaks for has begun."""

    def __init__(self, now: Callable[[], datetime], elapsed: Callable[[], float]) -> None:
        self._now = now
        self._elapsed = elapsed
        self._node_id: str | None = None
        self._given = 0.0  # elapsed time of the last one

    def begin(self, node_id: str) -> None:
        """This node lives from now on."""
        self._node_id = node_id

    def end(self) -> None:
        """Say no more."""
        self._node_id = None

    @property
    def age(self) -> float:
        """Seconds since the last one."""
        return self._elapsed() - self._given

    def add(self, connection: Connection) -> None:
        """Called in the store's thread, at the end of a change."""
        moment, node_id = self._elapsed(), self._node_id
        if node_id is not None and moment - self._given >= OFTEN:
            self._given = moment
            give(connection, node_id, self._now())
