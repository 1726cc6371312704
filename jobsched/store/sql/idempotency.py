"""Idempotency keys: what was made under each. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs
from sqlalchemy import ColumnElement, insert, select, tuple_

from ...model.errors import Reused
from ...model.order import IdempotencyKey
from .tables import keys
from .transaction import Transaction

_WRITE = insert(keys)  # built once: building costs more than asking


class Known:
    """What was made under some keys, by (scope, key): (digest, target)."""

    def __init__(self, found: Mapping[tuple[str, str], tuple[str, str]]) -> None:
        self._found = dict(found)

    def made_under(self, key: IdempotencyKey) -> str | None:
        """The id of what was made under this key; None: nothing yet. Raises Reused if another request was sent with
        it."""
        digest, target = self._found.get((key.scope, key.key), (key.digest, None))
        if digest != key.digest:
            raise Reused("this Idempotency-Key was sent before with another request")
        return target

    def remember(self, key: IdempotencyKey | None, target: str) -> None:
        """This is made under that key, if there is one."""
        if key is not None:
            self._found[key.scope, key.key] = (key.digest, target)


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


def recall(transaction: Transaction, key: IdempotencyKey) -> str | None:
    """The id of what was made under this key; None: nothing yet. Raises Reused if another request was sent with it."""
    return recall_all(transaction, [key]).made_under(key)


def remember_all(transaction: Transaction, made: Sequence[tuple[IdempotencyKey, str, datetime]]) -> None:
    """Each was made under its key, at an instant."""
    if made:
        rows = [{**attrs.asdict(key), "target": target, "created": now} for key, target, now in made]
        transaction.execute(_WRITE, rows)


def remember(transaction: Transaction, key: IdempotencyKey | None, target: str, now: datetime) -> None:
    """This was made under that key, if there is one."""
    if key is not None:
        remember_all(transaction, [(key, target, now)])
