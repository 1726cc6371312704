"""Limits to the log: the same words again and again hide the other lines, and so do the lines of one address."""

from __future__ import annotations

from collections import Counter
from typing import Final

import attrs

PAUSE = 30.0  # seconds until the same words are logged again


class LogThrottle:
    """Remembers which words were logged last, and when."""

    def __init__(self) -> None:
        self._words = ""
        self._said = 0.0

    def should_log(self, words: str, seconds: float) -> bool:
        """Whether `words` are new, or were logged `PAUSE` or more before `seconds`. True: they count as logged now."""
        if words == self._words and 0 <= seconds - self._said < PAUSE:
            return False
        self._words, self._said = words, seconds
        return True

    def settled(self) -> None:
        """There is nothing to complain about any more: the next time is news."""
        self._words = ""


MOST: Final = 10  # lines that an address gets
WITHIN: Final = 60.0  # seconds from the first of these lines
ADDRESSES: Final = 1000  # counted separately; all other addresses share the lines of one
OTHERS: Final = "other addresses"


@attrs.frozen(kw_only=True)
class LeftOut:
    """Lines that were left out within the minute of an address: how many, by kind."""

    address: str
    kinds: dict[str, int]

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} x {count}" for kind, count in sorted(self.kinds.items()))
        return f"{sum(self.kinds.values())} more within {WITHIN:g} s: {kinds}"


@attrs.define
class _Minute:
    begun: float
    lines: int = 0
    left_out: Counter[str] = attrs.field(factory=Counter)

    def over(self, seconds: float) -> bool:
        return not 0 <= seconds - self.begun < WITHIN  # a clock set back ends it too


class Throttle:
    """Counts lines. Times are seconds of some clock."""

    def __init__(self) -> None:
        self._minutes: dict[str, _Minute] = {}  # in the order in which they began

    def __len__(self) -> int:
        return len(self._minutes)

    def line(self, address: str, seconds: float) -> bool:
        """Whether that address gets one more line. Call `over` before, which forgets the minutes that have ended."""
        minute = self._minute(address, seconds)
        if minute.lines >= MOST:
            return False
        minute.lines += 1
        return True

    def leave_out(self, address: str, kind: str, seconds: float) -> None:
        """Count a line of this kind that is left out."""
        self._minute(address, seconds).left_out[kind] += 1

    def over(self, seconds: float | None = None) -> list[LeftOut]:
        """What was left out in minutes that are over at `seconds`, None: in all. These minutes are forgotten."""
        ended: dict[str, _Minute] = {}
        for key, each in self._minutes.items():
            if seconds is not None and not each.over(seconds):
                break  # the minutes after this one began later
            ended[key] = each
        for key in ended:
            del self._minutes[key]
        return [LeftOut(address=key, kinds=dict(each.left_out)) for key, each in ended.items() if each.left_out]

    def next_end(self) -> float | None:
        """The end of the first minute in which a line was left out; None: there is none."""
        return min((each.begun + WITHIN for each in self._minutes.values() if each.left_out), default=None)

    def _minute(self, address: str, seconds: float) -> _Minute:
        if address not in self._minutes and len(self._minutes) >= ADDRESSES:
            address = OTHERS
        return self._minutes.setdefault(address, _Minute(seconds))
