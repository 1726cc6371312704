"""What all nodes have in common, by name."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from ..contract import settings as contract
from .transaction import Noun, Transaction


class Settings(Noun, contract.Settings):
    """The noun of the contract."""

    def agreed(self, name: str, proposed: str) -> Deferred[str]:
        return self._in.write(agreed, name, proposed)


def agreed(transaction: Transaction, name: str, proposed: str) -> str:
    """As `Settings.agreed`. Of two nodes that are the first, one is undone, and finds what the other stored."""
    found = transaction.first("settings", {"_id": name})
    if found is None:
        transaction.insert("settings", [{"_id": name, "value": proposed}])
    return proposed if found is None else str(found["value"])
