"""The sign of life of the one daemon of a store that is not shared. The sign goes with other changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

OFTEN = 1.0  # seconds between two signs of life

Sign = tuple[str, datetime]  # the id of a node, and when it lived


class SignOfLife:
    """A sign that goes with changes of the store, at most once in `OFTEN` seconds. It is made before the store, because
    the store asks it at each change. It says nothing until its node has begun."""

    def __init__(self, now: Callable[[], datetime], elapsed: Callable[[], float]) -> None:
        self._now = now
        self._elapsed = elapsed
        self._node_id: str | None = None
        self._given = 0.0  # elapsed time of the last sign

    def begin(self, node_id: str) -> None:
        """This node lives from now on."""
        self._node_id = node_id

    def end(self) -> None:
        """Say no more."""
        self._node_id = None

    @property
    def age(self) -> float:
        """Seconds since the last sign."""
        return self._elapsed() - self._given

    def take(self) -> Sign | None:
        """The sign that goes with a change that is about to be made; None: no sign. Called in the store's thread."""
        moment, node_id = self._elapsed(), self._node_id
        if node_id is None or moment - self._given < OFTEN:
            return None
        self._given = moment
        return node_id, self._now()
