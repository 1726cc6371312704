"""Looks of scripts at a screen that somebody has open: made once for all viewers with the same rights.

A look is a GET with the header Jobsched-Look: for how many milliseconds looks may be gathered. A screen is never older
than the look that it answers: looks wait until the last making of the screen is as long ago as that, and are answered
together. What a person asks for waits for nothing. Jobsched-Made in the answer says how many milliseconds ago the
making of the screen has begun: what had changed until then is in it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.web.http import Request

from ..model.caller import Caller

HEADER: Final = b"jobsched-look"
MADE: Final = b"jobsched-made"
MOST: Final = 5.0  # seconds for which looks may be gathered
SPARED: Final = 10  # times as long as a screen took to be made, it is not made again
STAND_IN: Final = secrets.token_hex(16)  # in a shared screen, where each viewer's own CSRF token is to stand

Key = tuple[object, ...]


@attrs.define(eq=False)
class Look:
    """What the first of those that look together gets, for the others."""

    age: Callable[[], float] = float  # seconds since the making began
    text: str | None = None  # None: there is nothing to share

    sent: tuple[str, bytes] = ("", b"")  # the CSRF token of whom it was sent to last, and what was sent

    def give(self, text: str) -> None:
        """Share this screen."""
        self.text = text

    def data(self, csrf: str) -> bytes:
        """The screen for a viewer with that CSRF token; without tokens it is the same for all."""
        if self.sent[0] != csrf or not self.sent[1]:
            self.sent = csrf, (self.text or "").replace(STAND_IN, csrf).encode()
        return self.sent[1]


@attrs.define(eq=False)
class Group:
    """Those that look at one screen with the same rights."""

    begun: float  # when the screen was made last
    took: float = 0.0  # seconds that it took
    waiting: dict[Request, float] = attrs.field(factory=dict)  # and for how long each may
    call: IDelayedCall | None = None
    making: bool = False

    def is_idle(self, since: float) -> bool:
        """Whether nobody has looked since then, and nobody waits."""
        return not self.waiting and not self.making and self.begun < since


class Looks:
    """Gathers looks. `make` answers a request, and fills its `Look`; `share` answers one with a screen that there is,
    made for a request like it."""

    def __init__(
        self, reactor: IReactorTime, make: Callable[[Request], object],
        share: Callable[[Request, Look, Request], object],
    ) -> None:  # fmt: skip
        self._reactor = reactor
        self._make = make
        self._share = share
        self._groups: dict[Key, Group] = {}

    def add(self, request: Request, who: Caller, differs: Key, gathered: float) -> None:
        """Answer the look of this viewer. `differs`: all that makes screens of viewers with the same rights differ."""
        key = (request.uri, who.name, who.scopes, who.tasks, *differs)
        now = self._reactor.seconds()
        group = self._groups.get(key)
        if group is None:
            for old in [each for each, found in self._groups.items() if found.is_idle(now - MOST)]:
                del self._groups[old]
            group = self._groups[key] = Group(now - MOST)
        group.waiting[request] = gathered
        request.notifyFinish().addErrback(lambda _: group.waiting.pop(request, None))
        self._order(group)

    def _order(self, group: Group, *, now: bool = False) -> None:
        """Have the screen made as soon as one of those that wait may not wait longer."""
        if group.making or not group.waiting:
            return
        apart = max(min(group.waiting.values()), min(SPARED * group.took, MOST))
        delay = max(group.begun + apart - self._reactor.seconds(), 0) * (not now)
        if group.call is None or not group.call.active():
            group.call = self._reactor.callLater(delay, self._begin, group)
        elif group.call.getTime() > self._reactor.seconds() + delay:
            group.call.reset(delay)

    def _begin(self, group: Group) -> None:
        if not group.waiting:
            return
        first, *others = group.waiting
        del group.waiting[first]
        group.begun, group.making = self._reactor.seconds(), True
        look = Look(lambda: self._reactor.seconds() - group.begun)
        first.look = look  # type: ignore[attr-defined]  # read by `look_of`
        first.notifyFinish().addBoth(self._answer, group, look, first, others)
        self._make(first)

    def _answer(self, _: object, group: Group, look: Look, first: Request, others: list[Request]) -> None:
        """The first has its answer, or is gone. The others get the same, if it can be shared; else one of them is the
        first now."""
        group.making, group.took = False, self._reactor.seconds() - group.begun
        for each in others if look.text is not None else ():
            if group.waiting.pop(each, None) is not None:  # one that is gone does not wait any more
                self._share(each, look, first)
        self._order(group, now=look.text is None)


def gathered(request: Request) -> float | None:
    """For how many seconds a look may wait; None: it is none."""
    given = request.getHeader(HEADER)
    if given is None or request.method != b"GET" or not given.isdigit() or len(given) > 6:
        return None
    return min(int(given) / 1000, MOST)


def look_of(request: Request) -> Look | None:
    """The look that a request answers for others too."""
    return getattr(request, "look", None)
