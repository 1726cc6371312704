"""Idempotency keys: what was made under each. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs
from sqlalchemy import ColumnElement, insert, select, tuple_

from ...model.order import IdempotencyKey
from ..idempotency import Known
from .tables import keys
from .transaction import Transaction

_WRITE = insert(keys)  # built once: building costs more than asking


def recall_all(transaction: Transaction, asked: Sequence[IdempotencyKey]) -> Known:
    """What was made under these keys."""
    if not asked:
        return Known({})
    if len(asked) == 1:  # by far the most, and each database goes by the index
        its: ColumnElement[bool] = (keys.c.scope == asked[0].scope) & (keys.c.key == asked[0].key)
    else:
        its = tuple_(keys.c.scope, keys.c.key).in_([(key.scope, key.key) for key in asked])
    found = transaction.execute(select(keys.c.scope, keys.c.key, keys.c.digest, keys.c.target).where(its))
    return Known({(row.scope, row.key): (row.digest, row.target) for row in found})


def remember_all(transaction: Transaction, made: Sequence[tuple[IdempotencyKey, str, datetime]]) -> None:
    """Each was made under its key, at an instant."""
    if made:
        rows = [{**attrs.asdict(key), "target": target, "created": now} for key, target, now in made]
        transaction.execute(_WRITE, rows)
