"""Hears of the end of one child by a descriptor of that child, which the reactor reads like any other.

Twisted asks after every child at each SIGCHLD: with thousands of them, that is most of what a short run costs.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from ..reactor_types import Spawner

AGAIN = 0.1  # seconds until a child that could not be waited for is asked after again


@implementer(IReadDescriptor)
class ExitWatch:
    """Calls `ended` when a child has ended, until it is closed. The child must not have been waited for.

    Raises OSError where the kernel has no such descriptors (before Linux 5.3), or none is left, and AttributeError
    where this Python has none.
    """

    def __init__(self, reactor: Spawner, pid: int, ended: Callable[[], object]) -> None:
        self._reactor = reactor
        self._ended = ended
        self._descriptor = os.pidfd_open(pid)  # close-on-exec
        self._open = True
        self._again: IDelayedCall | None = None
        try:
            reactor.addReader(self)
        except OSError:  # the kernel watches no more for this user
            os.close(self._descriptor)
            raise

    def close(self) -> None:
        """Watch no more."""
        if self._open:
            self._open = False
            self._reactor.removeReader(self)
            if self._again is not None and self._again.active():
                self._again.cancel()
            os.close(self._descriptor)

    # Called by the reactor.

    def fileno(self) -> int:
        """The same number when it is closed: the reactor would look through all descriptors for the one of -1."""
        return self._descriptor

    def doRead(self) -> None:
        """The child has ended. If it cannot be waited for yet, as under a debugger, that is tried again soon."""
        self._ended()
        if self._open:
            self._reactor.removeReader(self)
            self._again = self._reactor.callLater(AGAIN, self._reactor.addReader, self)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor ends."""
        self.close()

    def logPrefix(self) -> str:
        """For lines of the log."""
        return "child"
