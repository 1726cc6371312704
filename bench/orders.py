"""How many jobs a second callers can make, each on disk before its answer, by how many of them ask at once; and what
others notice of orders that are refused.

`--beside` measures another checkout too, in turns with this one.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import catalogs
from daemon import ROOT, Daemon, NotMeasured, load, machine, running, spread, verdict

sys.path.insert(0, str(ROOT))  # a checkout need not be installed

from tests.servers import MariaDB, PostgreSQL, Server

DEMANDED = 1000  # jobs a second, made by the most clients
BODY = {"task": "true", "interval": {"seconds": 3600}, "start": "2100-01-01T00:00:00Z"}
REFUSED = {**BODY, "id": "taken"}


class DurablePostgreSQL(PostgreSQL):
    """Waits for the disk, as the tests' server does not."""

    def _command(self) -> list[str]:
        return [*super()._command(), "-c", "fsync=on", "-c", "shared_buffers=128MB"]


class DurableMariaDB(MariaDB):
    """Waits for the disk, as the tests' server does not."""

    def _command(self) -> list[str]:
        more = ["--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=96M"]
        return [*super()._command(), *more]


SERVERS: dict[str, type[Server]] = {"postgresql": DurablePostgreSQL, "mysql": DurableMariaDB}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", nargs="+", default=["sqlite", *SERVERS], choices=["sqlite", *SERVERS])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16], help="that ask at once")
    parser.add_argument("--seconds", type=float, default=4, help="for how long, each time (default: 4)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (default: 3)")
    parser.add_argument("--refused", type=float, default=0, help="share of orders that are refused (default: 0)")
    parser.add_argument("--beside", type=Path, help="another checkout, of the version before")
    parser.add_argument("--profile", type=Path, help="where py-spy writes what the daemon does")
    options = parser.parse_args()
    machine()
    checkouts = {"here": ROOT} | ({"beside": options.beside.resolve()} if options.beside else {})
    for database in options.databases:
        with daemons(database, checkouts) as found:
            for clients in options.clients:
                measure(database, found, clients, options)


@contextmanager
def daemons(database: str, checkouts: dict[str, Path]) -> Iterator[dict[str, Daemon]]:
    """A daemon of each checkout, each with a database of its own."""
    with ExitStack() as stack:
        server = SERVERS[database]() if database in SERVERS else None
        if server is not None:
            stack.callback(server.close)
            server.start()
        found = {}
        for name, checkout in checkouts.items():
            url = None if server is None else server.create_database(f"bench_{name}")
            options = "" if url is None else f"SCHED_CONFIG |= {{'store': {url!r}}}"
            daemon = found[name] = stack.enter_context(running(catalogs.TRUE, options=options, checkout=checkout))
            with daemon.caller() as caller:
                caller.post_job(**BODY, id="taken")
        yield found


def measure(database: str, found: dict[str, Daemon], clients: int, options: argparse.Namespace) -> None:
    """So many clients, on each daemon in turns."""
    rates: dict[str, list[float]] = {name: [] for name in found}
    took: dict[str, list[float]] = {name: [] for name in found}
    cpu: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(options.rounds):
        for name, daemon in found.items():
            before = daemon.cpu
            with profiled(
                daemon, options.profile and options.profile / f"{database}-{clients}-{name}", options.seconds
            ):
                answers = flood(daemon.port, clients, options.seconds, options.refused)
            rates[name].append(len(answers) / options.seconds)
            cpu[name].append((daemon.cpu - before) / max(len(answers), 1))
            took[name] += answers
    for name in found:
        print(f"{database}, {clients} clients, {name}: {median(rates[name]):.0f} orders/s, "
              f"{median(cpu[name]) * 1000:.2f} ms of CPU each; {spread(took[name])}; {load()}")  # fmt: skip
    if clients == max(options.clients):
        verdict(f"{database}, {clients} clients", median(rates["here"]), DEMANDED, "orders/s", at_least=True)


def flood(port: int, clients: int, seconds: float, refused: float = 0) -> list[float]:
    """The seconds that each answer took. One thread has all connections: heavier clients would measure themselves."""
    made, taken = (asked(body) for body in (BODY, REFUSED))
    took: list[float] = []
    begun: dict[socket.socket, float] = {}
    every = round(1 / refused) if refused else 0
    sent = 0

    def send(connection: socket.socket) -> None:
        nonlocal sent
        sent += 1
        begun[connection] = time.perf_counter()
        connection.sendall(taken if every and sent % every == 0 else made)

    with ExitStack() as stack, selectors.EpollSelector() as ready:
        for _ in range(clients):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(connection, selectors.EVENT_READ, [b""])
            send(connection)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for key, _ in ready.select(1):
                assert isinstance(key.fileobj, socket.socket)
                if not whole(key.fileobj, key.data, refused > 0):
                    continue
                took.append(time.perf_counter() - begun[key.fileobj])
                send(key.fileobj)
    return took


def whole(connection: socket.socket, left: list[bytes], refusals: bool) -> bool:
    """Read what has come; whether the answer is there whole."""
    data = connection.recv(65536)
    if not data:
        raise NotMeasured("the daemon hung up")
    left[0] += data
    head, mark, body = left[0].partition(b"\r\n\r\n")
    if not mark:
        return False
    if not head.startswith(b"HTTP/1.1 202") and not (refusals and head.startswith(b"HTTP/1.1 409")):
        raise NotMeasured(f"POST /jobs: {left[0][:300]!r}")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    if len(body) < length:
        return False
    left[0] = b""
    return True


def asked(body: Mapping[str, object]) -> bytes:
    """One request."""
    text = json.dumps({**body, "name": "a job of the bench"}).encode()
    head = f"POST /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(text)}"
    return head.encode() + b"\r\n\r\n" + text


@contextmanager
def profiled(daemon: Daemon, into: Path | None, seconds: float) -> Iterator[None]:
    """What the daemon does meanwhile, if that is asked for."""
    if into is None:
        yield
        return
    program = str(Path(sys.executable).with_name("py-spy"))
    argv = [program, "record", "--pid", str(daemon.process.pid), "--duration", str(max(int(seconds) - 1, 1)),
            "--rate", "200", "--format", "raw", "--output", f"{into}.raw", "--gil"]  # fmt: skip
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        yield


if __name__ == "__main__":
    try:
        main()
    except NotMeasured as why:
        sys.exit(f"not measured: {why}")
