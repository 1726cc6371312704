"""Ports that tests give to servers: nobody is given them by chance."""

import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.ports import PORTS, free_port

ROOT = Path(__file__).parents[2]


def test_a_port_is_none_that_the_kernel_gives_away() -> None:
    lowest, highest = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    found = [free_port() for _ in range(20)]
    assert len(set(found)) == 20
    assert all(port in PORTS for port in found)
    if lowest > PORTS.start + 1000:
        assert not any(lowest <= port <= highest for port in found)


def test_a_port_that_is_taken_is_left_out() -> None:
    following = free_port() + 1
    with socket.socket() as here:
        with suppress(OSError):  # somebody else has it: just as well
            here.bind(("127.0.0.1", following))
        assert free_port() != following


def test_a_port_is_given_to_one_process_alone() -> None:
    port = free_port()
    ask = f"from tests import ports; ports._next = iter(range({port - PORTS.start}, 10**6)); print(ports.free_port())"
    told = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    assert int(told.stdout) != port
