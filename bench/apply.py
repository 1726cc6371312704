"""PUT /jobs with many jobs on a real daemon: how long a plan and an order take, and what other dues feel of it.

On each database: a set is planned and made, put again, changed (each job, and its rule), and deleted. Meanwhile other
jobs are due twenty times a second; how late they start is what the order costs them. At the end come bodies that
are wrong.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Self

sys.path.insert(0, str(Path(__file__).parent.parent))

from daemon import Caller, Daemon, instant, machine, percentile, running, spread, verdict

from tests.servers import started

CATALOG = """
[quick]
file = quick.py
class = Quick
parameters = text
"""
QUICK = "class Quick:\n    def __call__(self, info):\n        pass\n"
SCOPE = "/jobs?scope=team=bench&prune=1"
TICKERS = 200
EVERY = 10.0  # seconds between two dues of each: longer than dues wait, or the newest alone would be run


def wanted(count: int, **fields: Any) -> dict[str, Any]:
    """A set such as a team has it."""
    return {
        "jobs": [
            {
                "id": f"bench-{number:05}",
                "task": "quick",
                "name": f"The job number {number}",
                "cron": f"{number % 60} {number // 60 % 24} * * *",
                "timezone": "Europe/Berlin",
                "parameters": {"text": f"what job {number} is told"},
                "labels": {"team": "bench", "number": str(number)},
                "description": "What it is for, and what to do at night. " * 3,
                "retries": 2,
            }
            | fields
            for number in range(count)
        ]
    }


def ask_on(port: int, over: Event, answer: Connection) -> None:
    """Ask short questions until it is over; how long each took. In a process of its own, which nothing else keeps."""
    took = []
    with Caller(port) as caller:
        while not over.wait(0.01):
            begun = time.perf_counter()
            caller.get("/health")
            took.append(time.perf_counter() - begun)
    answer.send(took)


class Watched:
    """Dues of other jobs, and short questions, while something is done."""

    def __init__(self, daemon: Daemon, tickers: list[str]) -> None:
        self._daemon = daemon
        self._tickers = tickers
        self._over = multiprocessing.Event()
        self._answer, theirs = multiprocessing.Pipe(duplex=False)
        self._process = multiprocessing.Process(target=ask_on, args=(daemon.port, self._over, theirs))

    def __enter__(self) -> Self:
        self._begun = time.time()
        self._process.start()
        return self

    def __exit__(self, *why: object) -> None:
        self._ended = time.time()
        self._over.set()
        self._asked: list[float] = self._answer.recv()
        self._process.join()

    def tell(self) -> None:
        """Print how late dues started, and how long GET /health took, which asks nobody. Dues in the second of the
        switch, which is that after the entry in the audit log, are counted apart."""
        late: list[float] = []
        within: list[float] = []
        with self._daemon.caller() as caller:
            entries = caller.get("/audit?action=jobs.put&limit=1")["values"]
            switched = instant(entries[0]["at"]).timestamp() if entries else 0.0
            for job in self._tickers:
                for run in caller.get(f"/jobs/{job}/runs?limit=20")["values"]:
                    due = instant(run["due"]).timestamp()
                    if self._begun <= due <= self._ended and run["started"]:
                        some = within if switched - 1 <= due <= switched + 1 else late
                        some.append((instant(run["started"]) - instant(run["due"])).total_seconds())
        print(f"    dues in the switch started late by  {spread(within)}")
        print(f"    other dues started late by          {spread(late)}")
        print(f"    GET /health took                    {spread(self._asked)}")
        if within:
            verdict("dues in the switch, the latest", max(within), 1, "s")
        if late:
            verdict("other dues, p99", percentile(late, 99) * 1000, 100, "ms")
        verdict("the reactor, by GET /health", max(self._asked) * 1000, 50, "ms")


def hostile() -> dict[str, bytes]:
    """Bodies that are as much work as may be, for nothing."""
    names = ",".join(f'"n{number:07}":1' for number in range(1_990_000))
    jobs = ",".join(f'{{"id":"a","{"é" * 520_000}":1}}' for _ in range(31))
    return {
        "two million names in withheld": f'{{"jobs":[],"withheld":{{{names}}}}}'.encode(),
        "two million numbers for jobs": b'{"jobs":[' + b"1," * 1_999_000 + b"1]}",
        "31 names of a megabyte": f'{{"jobs":[{jobs}]}}'.encode(),
        "a name of 32 MiB": b'{"' + b"a" * (32 * 1024 * 1024 - 8) + b'":1}',
    }


def measure(daemon: Daemon, count: int) -> None:
    """Each step, with a line of its own."""
    with daemon.caller() as caller:
        begin, due = datetime.now(UTC), {"task": "quick", "interval": {"seconds": EVERY}}
        starts = [(begin + timedelta(seconds=EVERY * number / TICKERS)).isoformat() for number in range(TICKERS)]
        tickers = [caller.post_job(name=f"ticker {at}", start=at, **due) for at in starts]
        time.sleep(2)
        print("  nothing, for 4 s: what this machine makes of it")
        with Watched(daemon, tickers) as watched:
            time.sleep(4)
        watched.tell()
        small = {"interval": {"hours": 1}, "cron": None}
        for what, path, body, most in (
            ("plan of a new set", f"{SCOPE}&plan=1", wanted(count), 2),
            ("made", SCOPE, wanted(count), 10),
            ("plan of the same", f"{SCOPE}&plan=1", wanted(count), 2),
            ("plan of a change", f"{SCOPE}&plan=1", wanted(count, retries=3), 2),
            ("each changed", SCOPE, wanted(count, retries=3), 10),
            ("each with another rule", SCOPE, wanted(count, **small), 10),
            ("all deleted", SCOPE, {"jobs": []}, 10),
        ):
            text = json.dumps(body).encode()
            watched = Watched(daemon, tickers)
            with watched:
                begun = time.perf_counter()
                status, _, answer = caller.ask("PUT", path, text)
                took = time.perf_counter() - begun
            if status != 200:
                raise SystemExit(f"{what}: {status} {answer[:500]!r}")
            print(f"  {what}: {took:.2f} s, {len(text) / 1e6:.1f} MB, {json.loads(answer)['counts']}")
            verdict(what, took, most, "s")
            watched.tell()
            time.sleep(1)
        for what, text in hostile().items():
            with Watched(daemon, tickers) as watched:
                status, _, _ = caller.ask("PUT", f"{SCOPE}&plan=1", text)
                time.sleep(0.5)
            print(f"  {what}: {status}, {len(text) / 1e6:.1f} MB")
            watched.tell()


def main() -> None:
    """On each database in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs of the set (default: 10,000)")
    parser.add_argument("--on", action="append", choices=("sqlite", "postgresql", "mysql"), help="databases; all")
    given = parser.parse_args()
    machine()
    for kind in given.on or ("sqlite", "postgresql", "mysql"):
        with ExitStack() as stack:
            options = ""
            if kind != "sqlite":
                server = started(kind)
                stack.callback(server.close)
                options = f"SCHED_CONFIG['store'] = {server.create_database('applied')!r}"
            print(kind)
            measure(stack.enter_context(running(CATALOG, {"quick.py": QUICK}, options)), given.jobs)


if __name__ == "__main__":
    main()
