"""Idempotency keys: what was made under each. Every function runs inside a transaction."""

from __future__ import annotations

from datetime import datetime

import attrs
from sqlalchemy import insert, select

from ...model.errors import Reused
from ...model.order import IdempotencyKey
from .tables import keys
from .transaction import Transaction


def recall(transaction: Transaction, key: IdempotencyKey) -> str | None:
    """The id of what was made under this key; None: nothing yet. Raises Reused if another request was sent with it."""
    row = transaction.execute(select(keys).where(keys.c.scope == key.scope, keys.c.key == key.key)).one_or_none()
    if row is None:
        return None
    if row.digest != key.digest:
        raise Reused("this Idempotency-Key was sent before with another request")
    return str(row.target)


def remember(transaction: Transaction, key: IdempotencyKey | None, target: str, now: datetime) -> None:
    """This was made under that key, if there is one."""
    if key is not None:
        transaction.execute(insert(keys).values(**attrs.asdict(key), target=target, created=now))
