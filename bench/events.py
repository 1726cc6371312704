"""What it costs that many clients follow what changes, and how soon they hear of it.

A number of jobs run every second; the daemon's CPU is taken first without clients, then with them. One of the clients
notes when each end of a run came, and compares with `ended` in it.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import time
from datetime import UTC, datetime, timedelta

from catalogs import DATE
from daemon import (
    Daemon,
    NotMeasured,
    instant,
    load,
    machine,
    once_made,
    percentile,
    post_jobs,
    running,
    spread,
    verdict,
)

SHARE = 0.10  # of a core, for all clients together
SOON = 0.5  # seconds from the commit to the client
EVENTS = "MAX_FOLLOWERS = {0}\nMAX_CONNECTIONS = {0}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200, help="how many follow (default: 200)")
    parser.add_argument("--jobs", type=int, default=100, help="jobs that run every second (default: 100)")
    parser.add_argument("--seconds", type=int, default=15, help="for how long, each of the two (default: 15)")
    options = parser.parse_args()
    machine()
    with running(DATE, options=EVENTS.format(options.clients + 20)) as daemon:
        first = once_made(options.jobs)
        post_jobs(daemon, [
            {"task": "date", "name": f"job {number}", "interval": {"seconds": 1},
             "start": (first + number * timedelta(seconds=1) / options.jobs).isoformat()}
            for number in range(options.jobs)
        ])  # fmt: skip
        time.sleep(max((first - datetime.now(UTC)).total_seconds(), 0) + 2)
        without = share_of_a_core(daemon, [], options.seconds)[0]
        clients = [follow(daemon) for _ in range(options.clients)]
        time.sleep(1)
        shared, late, size = share_of_a_core(daemon, clients, options.seconds)
        for client in clients:
            client.close()
    print(f"  without clients {without:.1%} of a core, with {options.clients} {shared:.1%}; {size / 1e6:.1f} MB sent")
    print(f"  from `ended` to the client: {spread(late)}")
    verdict(f"{options.clients} clients", (shared - without) * 100, SHARE * 100, "% of a core")
    verdict("p99 from `ended` to the client", percentile(late, 99) * 1000, SOON * 1000, "ms")


def follow(daemon: Daemon) -> socket.socket:
    """A client that follows everything."""
    client = socket.create_connection(("127.0.0.1", daemon.port))
    client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client


def share_of_a_core(daemon: Daemon, clients: list[socket.socket], seconds: float) -> tuple[float, list[float], int]:
    """How much of a core the daemon takes, how late the first client heard of ends, and bytes that came to all."""
    selector = selectors.DefaultSelector()
    for client in clients:
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ)
    since = datetime.now(UTC)  # what ended before that has waited for this loop
    cpu, begun, size, heard, late = daemon.cpu, time.monotonic(), 0, b"", list[float]()
    while (left := begun + seconds - time.monotonic()) > 0:
        for key, _ in selector.select(left) if clients else [] or ():
            data = key.fileobj.recv(1 << 18)  # type: ignore[union-attr]
            if not data:
                raise NotMeasured("a client was cut off")
            size += len(data)
            if key.fileobj is clients[0]:
                heard, news = ends(heard + data, since)
                late += news
        if not clients:
            time.sleep(left)
    selector.close()
    share = (daemon.cpu - cpu) / (time.monotonic() - begun)
    print(f"  {len(clients)} clients: {share:.1%} of a core; {load()}")
    return share, late, size


def ends(text: bytes, since: datetime) -> tuple[bytes, list[float]]:
    """What is left of the text, and how many seconds ago each run ended after `since` of which it tells."""
    now, late = datetime.now(UTC), []
    *whole, rest = text.split(b"\n\n")
    for event in whole:
        _, found, data = event.partition(b"\ndata: ")
        run = json.loads(data.split(b"\r\n")[0]) if found and b"event: run" in event else {}
        if run.get("ended") and instant(run["ended"]) > since:
            late.append((now - instant(run["ended"])).total_seconds())
    return rest, late


if __name__ == "__main__":
    main()
