"""Lines of the log that callers cause: a stranger must not fill the disk with them."""

from __future__ import annotations

import logging

from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime

from ..model.address import neighbourhood
from ..model.line_limit import Throttle
from ..model.printable import quoted

LONGEST_METHOD = 20  # characters

access = logging.getLogger("jobsched.access")


class Lines:
    """Tells of requests. An address from which no right token comes gets a few lines a minute, and one with a count at
    its end."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._throttle = Throttle()
        self._call: IDelayedCall | None = None

    def room(self, address: str) -> bool:
        """Whether a stranger at that address gets a line; it is taken."""
        seconds = self._clock.seconds()
        self._tell_counts(seconds)
        return self._throttle.line(neighbourhood(address), seconds)

    def request(
        self, address: str, method: bytes, uri: bytes, status: int, size: int, known: bool = False
    ) -> None:  # fmt: skip
        """A request was answered; `known` is one with a right token."""
        if self.line(address, status, known):
            access.info("%s %s %s %s %s", address, _text(method, LONGEST_METHOD), _text(uri), status, size)

    def line(self, address: str, status: int, known: bool) -> bool:
        """Whether a request that came to this status gets a line; else it is counted."""
        if known or self.room(address):
            return True
        self._throttle.leave_out(neighbourhood(address), str(status), self._clock.seconds())
        self._arm()
        return False

    def cut_off(self, address: str, status: int, size: int) -> None:
        """Something was refused before it was known what is asked for."""
        self.request(address, b"-", b"-", status, size)

    def stop(self) -> None:
        """Tell what there is to be told."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        self._tell_counts(None)

    def _arm(self) -> None:
        end = self._throttle.next_end()
        if self._call is None and end is not None:
            self._call = self._clock.callLater(max(end - self._clock.seconds(), 0), self._ring)

    def _ring(self) -> None:
        self._call = None
        self._tell_counts(self._clock.seconds())
        self._arm()

    def _tell_counts(self, seconds: float | None) -> None:
        for each in self._throttle.over(seconds):
            access.info("%s %s", each.address, each)


def shown(address: IAddress) -> str:
    """Where a client is."""
    return getattr(address, "host", "unix")


def _text(given: bytes, *most: int) -> str:
    return quoted(given.decode("ascii", "backslashreplace"), *most)
