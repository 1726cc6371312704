"""Signs of life of the one daemon that has an SQLite store, for the daemon after it: what is said of the time between.

They are kept where those of several nodes are, in one row. Every function runs inside a transaction.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, delete, func, insert, select, update

from ...model.node import Node
from . import nodes as node_rows
from .tables import nodes
from .transaction import Transaction

_GIVE = (
    update(nodes)
    .where(nodes.c.id == bindparam("key"))
    .values(seen=bindparam("new_seen", type_=nodes.c.seen.type), state=bindparam("new_state"))
)


def begin(transaction: Transaction, node: Node) -> datetime | None:
    """The last sign of life of those before this one, None if there is none; from now on there are its own."""
    last = transaction.execute(select(func.max(nodes.c.seen, type_=nodes.c.seen.type))).scalar()
    transaction.execute(delete(nodes))
    transaction.execute(insert(nodes).values(node_rows.to_row(node)))
    return last


def give(transaction: Transaction, node_id: str, instant: datetime, state: str = "alive") -> None:
    """It lives at that instant, or ends then."""
    transaction.execute(_GIVE, {"key": node_id, "new_seen": instant, "new_state": state})
