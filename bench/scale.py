"""A hundred thousand jobs: making them, finding them, starting with them, and what they cost while nothing is due."""

from __future__ import annotations

import argparse
import random
import sys
import time
from statistics import median
from typing import Any

import catalogs
from asking import ask
from daemon import Daemon, NotMeasured, load, machine, percentile, post_jobs, running, spread, take_executors, verdict

SHARE = 2_000  # jobs between two looks at the POST rate


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000, help="how many (default: 100000)")
    parser.add_argument("--connections", type=int, default=8, help="that post at the same time (default: 8)")
    parser.add_argument("--asks", type=int, default=2_000, help="GET /jobs/ID to time (default: 2000)")
    parser.add_argument("--pages", type=int, default=200, help="pages of 500 to time (default: 200)")
    parser.add_argument("--starts", type=int, default=3, help="restarts, of which the median counts (default: 3)")
    parser.add_argument("--idle", type=float, default=10, help="seconds to watch it do nothing (default: 10)")
    take_executors(parser)
    options = parser.parse_args()
    machine()
    with running(catalogs.TRUE, executors=options.executors) as daemon:
        print(f"an empty daemon with {options.executors} executors: {daemon.rss:.0f} MB")
        ids = make(daemon, options.jobs, options.connections)
        chosen = random.Random(0)
        print(f"questions among {options.jobs} jobs; {load()}")
        one = ask(daemon, lambda: f"/jobs/{chosen.choice(ids)}", options.asks)
        four = ask(daemon, lambda: f"/jobs/{chosen.choice(ids)}", options.asks, connections=4)
        pages = ask(daemon, lambda: f"/jobs?limit=500&after={chosen.choice(ids)}", options.pages)
        first = ask(daemon, lambda: "/jobs", options.pages)
        print(f"  GET /jobs/ID, 1 connection:  {spread(one)}")
        print(f"  GET /jobs/ID, 4 connections: {spread(four)}")
        print(f"  GET /jobs, 500 from anywhere: {spread(pages)}")
        print(f"  GET /jobs, the first 500:     {spread(first)}")
        grown = daemon.rss
        starts = [restart(daemon) for _ in range(options.starts)]
        print(f"restart until GET /catalog answers: {spread(starts, 's', 1)}; {load()}")
        daemon.find_executors(options.executors)
        memory, cpu = idle(daemon, options.idle)
        print(f"memory: {grown:.0f} MB after making them, {memory:.0f} MB after a restart; idle {cpu:.2%} of a core")
        verdict("GET /jobs/ID p99", percentile(one, 99) * 1000, 20, "ms")
        verdict("GET /jobs page of 500 p99", percentile(pages + first, 99) * 1000, 50, "ms")
        verdict("restart", median(starts), 2, "s")
        verdict("memory", max(grown, memory), 240 if options.executors else 200, "MB")
        verdict("idle CPU", cpu * 100, 2, "%")


def make(daemon: Daemon, jobs: int, connections: int) -> list[str]:
    """Post them; the ids."""
    requests: list[dict[str, Any]] = [
        {"task": "true", "name": f"job {number}", "interval": {"hours": 1}} for number in range(jobs)
    ]
    ids: list[str] = []
    rates: list[float] = []
    cpu, begun = daemon.cpu, time.perf_counter()
    for number in range(0, jobs, SHARE):
        made, took = post_jobs(daemon, requests[number : number + SHARE], connections)
        ids += made
        rates.append(len(made) / took)
    took = time.perf_counter() - begun
    print(f"{jobs} jobs made over {connections} connections in {took:.1f} s; "
          f"the daemon took {(daemon.cpu - cpu) / took:.0%} of a core; {load()}")  # fmt: skip
    print(f"  jobs a second, by each {SHARE}: {spread(rates, '/s', 1)}")
    verdict("POST /jobs", jobs / took, 500, "jobs/s", at_least=True)
    return ids


def restart(daemon: Daemon) -> float:
    """Seconds from the spawn to the first answer."""
    daemon.stop()
    return daemon.start()


def idle(daemon: Daemon, seconds: float) -> tuple[float, float]:
    """(MB of memory, share of a core) while nothing is due; it is given a moment to settle first."""
    time.sleep(min(seconds, 6))
    cpu = daemon.cpu
    time.sleep(seconds)
    return daemon.rss, (daemon.cpu - cpu) / seconds


if __name__ == "__main__":
    try:
        main()
    except NotMeasured as why:
        sys.exit(f"not measured: {why}")
