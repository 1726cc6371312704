"""Ids: those that are made sort by the time they were made (UUID version 7, RFC 9562), those of jobs may be words."""

from __future__ import annotations

import os
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from .errors import Invalid

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MICROSECOND = timedelta(microseconds=1)
BACK = timedelta(hours=3)  # a clock that is set back further was wrong before
_BACK = BACK // MICROSECOND // 1000 << 12

DRAWN: Final = 100  # parts whose chance is drawn at once: each draw gives Python's lock away
MILLISECOND: Final = 13  # characters of an id that say in which it was made
LONGEST: Final = 63  # characters of a word
WORD: Final = "[a-z][a-z0-9._-]{0,62}"
MADE: Final = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
JOB_ID: Final = f"{WORD}|{MADE}"
_WORD, _MADE = re.compile(WORD), re.compile(MADE)
_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def is_word(text: str) -> bool:
    """Whether it may be the id of a job that a caller chose: a word, and no UUID."""
    return _WORD.fullmatch(text) is not None and _UUID.fullmatch(text) is None


def is_made(text: str) -> bool:
    """Whether it is an id as `Ids` makes them."""
    return _MADE.fullmatch(text) is not None


def check_job_id(text: str, pointer: str = "/id") -> None:
    """Raises Invalid for what cannot be the id of a job: it is a word, or a UUID that Jobsched made."""
    if not is_word(text) and not is_made(text):
        raise Invalid(
            f"an id is a word: 1 to {LONGEST} of a-z, 0-9, '.', '_' and '-', a letter first, and no UUID but one that "
            "Jobsched has made",
            pointer,
        )


def made_at(text: str) -> datetime:
    """The instant of an id that `Ids` made, to the microsecond."""
    value = uuid.UUID(text).int
    fraction = -(-(value >> 64 & 0xFFF) * 1000 // 4096)  # rounded up, as it was rounded down
    try:
        return EPOCH + ((value >> 80) * 1000 + fraction) * MICROSECOND
    except OverflowError:  # past the year 9999
        return datetime.max.replace(tzinfo=UTC)


def least(instant: datetime) -> str:
    """The lowest id of `instant`, to the millisecond: ids that were made earlier sort before it."""
    return str(uuid.UUID(int=max((instant - EPOCH) // MICROSECOND // 1000, 0) << 80))


def parts_of(whole: str, count: int) -> Iterator[str]:
    """The ids of so many parts, of the same millisecond as the id of the whole. They sort in this order."""
    for number in range(count):
        if number % DRAWN == 0:
            chance = os.urandom(6 * DRAWN).hex()
        begin, fraction = 12 * (number % DRAWN), number * 4096 // count
        rest = number + -fraction * count // 4096  # counts from the first of that fraction
        yield f"{whole[:MILLISECOND]}-7{fraction:03x}-8{rest:03x}-{chance[begin : begin + 12]}"


class Ids:
    """Makes ids that sort after all ids this instance made before, unless the clock was set back by more than `BACK`.

    Safe for threads: the reactor and all threads of the store share one instance.
    """

    def __init__(self, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._entropy = entropy
        self._last = 0
        self._latest = EPOCH
        self._lock = threading.Lock()

    def onward(self, now: datetime) -> datetime:
        """`now`; or, if the clock was set back since by no more than `BACK`, the latest instant that was given here."""
        with self._lock:
            self._latest = now if now < self._latest - BACK else max(now, self._latest)
            return self._latest

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
        return f"{count >> 28:08x}-{count >> 12 & 0xFFFF:04x}-7{count & 0xFFF:03x}-{_spaced(0b10 << 62 | chance)}"


def _spaced(value: int) -> str:
    text = f"{value:016x}"
    return f"{text[:4]}-{text[4:]}"
