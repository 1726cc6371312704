"""What all nodes of a store go by, whatever their configurations say. Runs inside a transaction."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import insert, select, update

from ...model.lease import LONGEST, SHORTEST
from .tables import settings
from .transaction import Transaction

_LEASE = settings.c.name == "lease"
_ASK = select(settings.c.value).where(_LEASE)


def lease(transaction: Transaction, *, hold: bool = False) -> timedelta | None:
    """The lease that the nodes have agreed on; None: no node has asked for one yet. Nobody else sets it while it is
    held, until the transaction ends."""
    found = transaction.execute(_ASK.with_for_update() if hold else _ASK).scalar_one_or_none()
    return None if found is None else min(max(timedelta(seconds=found), SHORTEST), LONGEST)


def keep_lease(transaction: Transaction, lease: timedelta, instead_of: timedelta | None) -> None:
    """Agree on a lease. Two nodes that are the first of all store it both, and one of them has to look again."""
    if lease == instead_of:
        return
    value = lease.total_seconds()
    if instead_of is None:
        transaction.execute(insert(settings).values(name="lease", value=value))
    else:
        transaction.execute(update(settings).where(_LEASE).values(value=value))
