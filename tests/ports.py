"""Ports for servers that a test starts: chosen now, bound by the server a second later.

The kernel gives ports of its ephemeral range to whoever asks for any, also to outgoing connections: these are left
alone. Processes that test at the same time begin far from each other, and none takes a port a second time soon. One
that goes through many ports comes to those of another all the same: so each keeps what it was given, until it ends.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import socket
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

FIRST = 10_000
_EPHEMERAL = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
PORTS = range(FIRST, _EPHEMERAL if _EPHEMERAL > FIRST + 1000 else 32_768)
APART = 61  # ports from the first of one process to the first of that with the next id

_next = itertools.count(os.getpid() * APART)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has now, and nobody is given by chance."""
    for number in itertools.islice(_next, len(PORTS)):
        port = PORTS[number % len(PORTS)]
        with suppress(OSError), socket.socket() as here:
            here.bind(("127.0.0.1", port))
            fcntl.lockf(_kept(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            return port
    raise OSError(f"no port from {PORTS.start} to {PORTS.stop - 1} is free")


@cache
def _kept() -> int:
    """A file in which byte number N is locked by the process that was given port N. Its end unlocks them."""
    path = Path(tempfile.gettempdir()) / f"jobsched-test-ports-{os.geteuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
