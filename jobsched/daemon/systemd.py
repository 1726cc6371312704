"""What systemd is told of a daemon that it started with Type=notify: that it serves, reads files again, lives, ends.

The protocol is that of sd_notify(3): lines in a datagram to the unix socket that NOTIFY_SOCKET names.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from ..loops import Loop
from ..reactor_types import Reactor

AGAIN = 1.0  # seconds until a message that systemd had no room for is sent again
ENTERING = "waits until the store knows this node"
READY = "serves, and runs what is due"
ENDING = "ends its runs"


def send(address: str, *lines: str) -> None:
    """Tell systemd, without ever waiting for it. Raises OSError; BlockingIOError where it has no room now."""
    name = f"\0{address[1:]}" if address.startswith("@") else address  # an abstract socket, which is no file
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as door:
        door.sendto("\n".join(lines).encode(), name)


def beat(environ: Mapping[str, str], pid: int) -> float | None:
    """Seconds between two signs of life: half of what systemd waits for one. None: it waits for none of ours."""
    limit = environ.get("WATCHDOG_USEC", "")
    meant = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
    return int(limit) / 2e6 if meant and limit.isdecimal() and int(limit) > 0 else None


class Systemd(Service):
    """Tells systemd, if there is one to be told. Goes last into the house: it starts last, and stops first."""

    name = "systemd"
    log = Logger()

    def __init__(self, reactor: Reactor, environ: Mapping[str, str]) -> None:
        self._reactor = reactor
        self._environ = environ
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._begun = False
        self._reloading = 0
        self._again: IDelayedCall | None = None
        self._failure_log: str | None = None  # why it could not be told the last time
        self._loop: Loop | None = None

    def startService(self) -> None:
        super().startService()
        every = beat(self._environ, os.getpid())  # not earlier: twistd may have forked since we were made
        if self._address and every is not None:
            self._loop = Loop(self._reactor, every, self._live, "the sign of life for systemd")
            self._loop.start()
            # The end may take as long as its runs do: it has to be seen to live until then.
            self._reactor.addSystemEventTrigger("after", "shutdown", self._loop.stop)
        if self._begun:
            self._ready()
        else:
            self._tell(f"STATUS={ENTERING}")

    def begun(self) -> None:
        """The scheduler has started; the service is ready if it listens too."""
        self._begun = True
        if self.running:
            self._ready()

    def reloading(self) -> None:
        """Files are about to be read again."""
        self._reloading += 1
        if self._begun and self.running:
            micros = time.monotonic_ns() // 1000  # noqa: TID251  # systemd compares them with its own
            self._tell("RELOADING=1", f"MONOTONIC_USEC={micros}", "STATUS=reads its files again")

    def reread(self) -> None:
        """The files were read again, with or without success."""
        self._reloading -= 1
        if self._begun and self.running and not self._reloading:
            self._ready()

    def stopService(self) -> None:
        super().stopService()
        self._tell("STOPPING=1", f"STATUS={ENDING}")

    def _ready(self) -> None:
        self._tell("READY=1", f"STATUS={READY}")

    def _tell(self, *lines: str) -> None:
        """Send a state. A message about an earlier state that still waits to be sent is dropped."""
        if self._again is not None and self._again.active():
            self._again.cancel()
        if not self._address:
            return
        try:
            send(self._address, *lines)
            self._failure_log = None
        except BlockingIOError:
            self._again = self._reactor.callLater(AGAIN, self._tell, *lines)
        except OSError as why:
            self._failed(lines[0], why)

    def _live(self) -> None:
        try:
            send(self._address, "WATCHDOG=1")
            self._failure_log = None
        except OSError as why:
            self._failed("WATCHDOG=1", why)

    def _failed(self, what: str, error: OSError) -> None:
        """Log an error once, until it changes or a send succeeds: signs of life are sent for ever."""
        why = error.strerror or str(error)
        if why != self._failure_log:
            self._failure_log = why
            self.log.warn("systemd could not be told {what}: {why}", what=what, why=why)
