"""The last use of each token. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Column, Table, delete, insert, select, update
from twisted.internet.defer import Deferred

from ..contract import orders as contract
from .column_types import Instant, Words
from .tables import metadata
from .transaction import Noun, Transaction

token_uses = Table(  # since 0005
    "token_uses", metadata, Column("fingerprint", Words(16), primary_key=True), Column("used", Instant, nullable=False)
)


class TokenUses(Noun, contract.TokenUses):
    def note(self, uses: Mapping[str, datetime]) -> Deferred[None]:
        return self._in.write(note, uses)

    def every(self) -> Deferred[dict[str, datetime]]:
        return self._in.read(every)


def note(transaction: Transaction, uses: Mapping[str, datetime]) -> None:
    """Write what is worth it. Of two nodes that write the first use of a token, one is undone, and tries again."""
    stored = _stored(transaction, sorted(uses))
    for fingerprint in sorted(uses):
        instant = uses[fingerprint]
        if fingerprint not in stored:
            transaction.execute(delete(token_uses).where(token_uses.c.used < instant - contract.USES_FORGOTTEN))
            transaction.execute(insert(token_uses).values(fingerprint=fingerprint, used=instant))
        elif stored[fingerprint] <= instant - contract.USES_APART:
            before = (token_uses.c.fingerprint == fingerprint) & (token_uses.c.used <= instant - contract.USES_APART)
            transaction.execute(update(token_uses).where(before).values(used=instant))


def every(transaction: Transaction) -> dict[str, datetime]:
    """The last use of each token."""
    return {row.fingerprint: row.used for row in transaction.execute(select(token_uses))}


def _stored(transaction: Transaction, fingerprints: list[str]) -> dict[str, datetime]:
    query = select(token_uses).where(token_uses.c.fingerprint.in_(fingerprints))
    return {row.fingerprint: row.used for row in transaction.execute(query)}
