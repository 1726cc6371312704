"""What all nodes have in common, by name."""

from __future__ import annotations

from sqlalchemy import insert, select
from twisted.internet.defer import Deferred

from ..contract import settings as contract
from .tables import settings
from .transaction import Noun, Transaction


class Settings(Noun, contract.Settings):
    """The noun of the contract."""

    def agreed(self, name: str, proposed: str) -> Deferred[str]:
        return self._in.write(agreed, name, proposed)


def agreed(transaction: Transaction, name: str, proposed: str) -> str:
    """If two nodes are the first at the same moment, both store it, and one of them has to look again."""
    found: str | None = transaction.execute(select(settings.c.value).where(settings.c.name == name)).scalar()
    if found is None:
        transaction.execute(insert(settings).values(name=name, value=proposed))
    return found or proposed
