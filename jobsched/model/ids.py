"""Identifiers that sort by the time they were made (UUID version 7, RFC 9562)."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MICROSECOND = timedelta(microseconds=1)
BACK = timedelta(hours=3)  # a clock that is set back further was wrong before
_BACK = BACK // MICROSECOND // 1000 << 12


def least(instant: datetime) -> str:
    """The lowest id of `instant`, to the millisecond: ids that were made earlier sort before it."""
    return str(uuid.UUID(int=max((instant - EPOCH) // MICROSECOND // 1000, 0) << 80))


class Ids:
    """Makes ids that sort after all ids this instance made before, unless the clock was set back by more than `BACK`.

    Safe for threads: the reactor and all threads of the store share one instance.
    """

    def __init__(self, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._entropy = entropy
        self._last = 0
        self._lock = threading.Lock()

    def make(self, now: datetime) -> str:
        """A fresh id, in the usual text form of 36 characters.

        48 bits of milliseconds and 12 of their fraction count up; 62 random bits tell two nodes apart.
        """
        micros = (now - EPOCH) // MICROSECOND
        millis, rest = divmod(max(micros, 0), 1000)
        stamp = millis << 12 | rest * 4096 // 1000
        with self._lock:
            count = self._last = stamp if stamp < self._last - _BACK else max(self._last + 1, stamp)
        chance = int.from_bytes(self._entropy(8), "big") >> 2
        value = (count >> 12) << 80 | 0x7 << 76 | (count & 0xFFF) << 64 | 0b10 << 62 | chance
        return str(uuid.UUID(int=value))
