"""Which nodes of an older release live beside this one: they do not know what is new."""

from __future__ import annotations

from sqlalchemy import select

from .tables import nodes
from .transaction import Transaction


def of_older_release(transaction: Transaction) -> list[str]:
    """The names of the living nodes whose release knows schema 0004 at most."""
    older = select(nodes.c.name).where(nodes.c.state == "alive", nodes.c.schema.is_(None)).order_by(nodes.c.name)
    return list(transaction.execute(older).scalars())
