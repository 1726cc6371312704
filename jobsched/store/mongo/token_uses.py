"""The last use of each token. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from twisted.internet.defer import Deferred

from ..contract import orders as contract
from ..contract.orders import USES_APART, USES_FORGOTTEN
from .documents import instant_of, instant_to_number, up_to
from .transaction import Noun, Transaction


class TokenUses(Noun, contract.TokenUses):
    """The noun of the contract."""

    def note(self, uses: Mapping[str, datetime]) -> Deferred[None]:
        return self._in.write(note, uses)

    def every(self) -> Deferred[dict[str, datetime]]:
        return self._in.read(every)


def note(transaction: Transaction, uses: Mapping[str, datetime]) -> None:
    """As `TokenUses.note`. Of two nodes that write the first use of a token, one is undone, and tries again."""
    stored = _uses(transaction, {"_id": {"$in": sorted(uses)}})
    for fingerprint in sorted(uses):
        instant = uses[fingerprint]
        used = {"used": instant_to_number(instant)}
        if fingerprint not in stored:
            transaction.delete("token_uses", {"used": {"$lt": instant_to_number(instant - USES_FORGOTTEN)}})
            transaction.insert("token_uses", [{"_id": fingerprint, **used}])
        elif stored[fingerprint] <= instant - USES_APART:
            transaction.update("token_uses", {"_id": fingerprint, "used": up_to(instant - USES_APART)}, used)


def every(transaction: Transaction) -> dict[str, datetime]:
    """As `TokenUses.every`."""
    return _uses(transaction, {})


def _uses(transaction: Transaction, which: Mapping[str, object]) -> dict[str, datetime]:
    return {each["_id"]: instant_of(each["used"]) for each in transaction.find("token_uses", which)}
