"""Ports for servers that a test starts: chosen now, bound by the server a second later.

The kernel gives ports of its ephemeral range to whoever asks for any, also to outgoing connections: these are left
alone. Processes that test at the same time take no port of each other's, not even one whose server is just not there:
each takes a block of ports for itself, and the next one when that is used up. No process takes a port a second time
soon.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

FIRST = 10_000
_EPHEMERAL = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
PORTS = range(FIRST, _EPHEMERAL if _EPHEMERAL > FIRST + 1000 else 32_768)
BLOCK = 100  # ports
BLOCKS = [PORTS[start : start + BLOCK] for start in range(0, len(PORTS), BLOCK)]
LOCKS = Path(tempfile.gettempdir(), f"jobsched-tests-ports-{os.getuid()}")

_ours: dict[range, int] = {}  # each block of this process, and its lock, which ends with the process


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has now, and nobody is given by chance."""
    for port in itertools.islice(_ports, len(PORTS)):
        with suppress(OSError), socket.socket() as here:
            here.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no port from {PORTS.start} to {PORTS.stop - 1} is free")


def numbers(begin: int) -> Iterator[int]:
    """The ports of blocks that this process takes for itself, one after the other, from the one at `begin` on."""
    while True:
        for block in [*BLOCKS[begin:], *BLOCKS[:begin]]:
            if block in _ours or _is_taken_for_us(block):
                yield from block
        if not _ours:
            raise OSError("others have all ports")


def _is_taken_for_us(block: range) -> bool:
    LOCKS.mkdir(exist_ok=True)
    lock = os.open(LOCKS / str(block.start), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    _ours[block] = lock
    return True


_ports = numbers(os.getpid() % len(BLOCKS))
