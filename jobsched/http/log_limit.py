"""Log lines caused by requests: a client without a valid token must not fill the disk with them."""

from __future__ import annotations

import logging
import re
from urllib.parse import unquote_to_bytes

from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime

from ..model.address import neighbourhood
from ..model.job_key import PREFIX
from ..model.log_throttle import Throttle
from ..model.printable import quoted

LONGEST_METHOD = 20  # characters
KEY = re.compile(  # what looks like a key, wherever it stands and however it is encoded
    b"".join(b"(?:%c|%%%02x)" % (each, each) for each in PREFIX.encode()) + rb"(?:[\w-]|%[2-7][0-9a-f])+", re.IGNORECASE
)

access = logging.getLogger("jobsched.access")


class Lines:
    """Logs requests. An address that sends no right token gets a few lines a minute, and at its end a line with the
    number of those left out."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._throttle = Throttle()
        self._call: IDelayedCall | None = None

    def room(self, address: str) -> bool:
        """Whether a client without a right token gets a line at that address; the line is then used up."""
        seconds = self._clock.seconds()
        self._tell_counts(seconds)
        return self._throttle.line(neighbourhood(address), seconds)

    def request(
        self, address: str, method: bytes, uri: bytes, status: int, size: int, known: bool = False
    ) -> None:  # fmt: skip
        """A request was answered; `known`: it had a right token."""
        if self.line(address, status, known):
            access.info("%s %s %s %s %s", address, _text(method, LONGEST_METHOD), _text(masked(uri)), status, size)

    def line(self, address: str, status: int, known: bool) -> bool:
        """Whether a request that ended with this status gets a line; if not, it is counted."""
        if known or self.room(address):
            return True
        self._throttle.leave_out(neighbourhood(address), str(status), self._clock.seconds())
        self._arm()
        return False

    def cut_off(self, address: str, status: int, size: int) -> None:
        """Input was refused before its method and path were known."""
        self.request(address, b"-", b"-", status, size)

    def stop(self) -> None:
        """Log the counts that are left."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        self._tell_counts(None)

    def _arm(self) -> None:
        if self._call is None and (end := self._throttle.next_end()) is not None:
            self._call = self._clock.callLater(max(end - self._clock.seconds(), 0), self._ring)

    def _ring(self) -> None:
        self._call = None
        self._tell_counts(self._clock.seconds())
        self._arm()

    def _tell_counts(self, seconds: float | None) -> None:
        for each in self._throttle.over(seconds):
            access.info("%s %s", each.address, each)


def masked(uri: bytes) -> bytes:
    """An address without the key in its query, however that is written, and without what looks like a key elsewhere.
    Twisted ends a part of a query at `;` too."""
    path, mark, query = uri.partition(b"?")
    return KEY.sub(b"***", path + mark + b"".join(_masked(part) for part in re.split(b"([&;])", query)))


def _masked(part: bytes) -> bytes:
    name, mark, _ = part.partition(b"=")
    return name + mark + b"***" if mark and unquote_to_bytes(name.replace(b"+", b" ")) == b"key" else part


def shown(address: IAddress) -> str:
    """The IP address of a client, or "unix"."""
    return getattr(address, "host", "unix")


def _text(given: bytes, *most: int) -> str:
    return quoted(given.decode("ascii", "backslashreplace"), *most)
