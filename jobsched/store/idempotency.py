"""Idempotency keys: what was made under each."""

from __future__ import annotations

from collections.abc import Mapping

from ..model.errors import Reused
from ..model.order import IdempotencyKey


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
