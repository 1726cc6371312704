"""What counting costs: microseconds for each run, and milliseconds for a page of a hundred tasks that all have run.

The page is written in pieces, between which the daemon does its other work: the longest is how long it is held up.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

import attrs
from catalogs import TRUE
from daemon import Caller, machine, percentile, running, verdict
from twisted.internet.defer import Deferred, succeed

from jobsched.metrics import MOST_TASKS, Facts, Metrics
from jobsched.model.health import Counts
from jobsched.model.run import Run

RUNS = 20_000
ASKED = 3  # questions and changes that the store is asked for each run, when runs do not share them
PAGES = 20
APART = 1.1  # seconds between two pages: within one second all get the same
MOST = 20.0  # microseconds for each run
LONGEST = 50.0  # milliseconds for a page
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Measure and print."""
    machine()
    metrics = Metrics()
    verdict("counting a run", counting(metrics), MOST, "us")
    pieces(metrics)
    verdict(f"a page of {MOST_TASKS} tasks, over HTTP, median", pages(), LONGEST, "ms")


def counting(metrics: Metrics) -> float:
    """Microseconds for all that is told of one run: the best of five, as others use this machine too."""
    run = Run(id="", job_id="", job_name="", due=NOW, created=NOW, task="")
    ended = [
        attrs.evolve(run, task=f"task {number}", state="succeeded", output_bytes=100, started=NOW,
                     ended=NOW + timedelta(seconds=number))
        for number in range(MOST_TASKS)
    ]  # fmt: skip
    metrics.know(each.task for each in ended)
    best = float("inf")
    for _ in range(5):
        begun = time.perf_counter()
        for number in range(RUNS):
            one = ended[number % MOST_TASKS]
            metrics.begun(one, NOW)
            for _ in range(ASKED):
                metrics.asked(True, 0.004, None)
            metrics.ended([one])
        best = min(best, time.perf_counter() - begun)
    return best / RUNS * 1e6


def pieces(metrics: Metrics) -> None:
    """The page without the way to it."""
    counts = Counts(jobs={"scheduled": 1}, overdue=0, waiting=0, deliveries={"waiting": 0})
    facts = Facts(
        version="", uptime=1, threads=1, running=0, slots=64, ready=True, store_up=True, counts=counts, labels=(),
        infos=(), nodes_alive=1, lease=None, lease_remaining=None, fenced=False, sweep_age=1, tried=0, won=0,
        catalog_sound=True, tokens_sound=True, connections=1,
    )  # fmt: skip
    turns = [time.perf_counter()]

    def turn() -> Deferred[None]:
        turns.append(time.perf_counter())
        return succeed(None)

    written: list[bytes] = []
    Deferred.fromCoroutine(metrics.exposition(facts, turn)).addCallback(written.append)
    turns.append(time.perf_counter())
    longest = max(after - before for before, after in pairwise(turns))
    lines = written[0].count(b"\n")
    took = turns[-1] - turns[0]
    print(f"  {lines} lines, {len(written[0]) / 1024:.0f} KiB, written in {took * 1e3:.1f} ms, "
          f"in {len(turns) - 1} pieces, the longest {longest * 1e3:.1f} ms")  # fmt: skip


def pages() -> float:
    """Milliseconds for a page of a daemon, half of them took less."""
    catalog = "".join(TRUE.replace("[true]", f"[task{number}]") for number in range(MOST_TASKS))
    with running(catalog) as daemon, Caller(daemon.port) as caller:
        for number in range(MOST_TASKS):
            job = {"task": f"task{number}", "name": "one", "interval": {"seconds": 1}}
            assert caller.ask("POST", "/jobs", job)[0] == 202
        took, size = [], 0
        for _ in range(PAGES):
            time.sleep(APART)
            begun = time.perf_counter()
            status, _, body = caller.ask("GET", "/metrics")
            took.append((time.perf_counter() - begun) * 1e3)
            size = body.count(b"\n")
            assert status == 200
    print(f"  {size} lines, while {MOST_TASKS} runs a second start; 90 % of {PAGES} pages within "
          f"{percentile(took, 90):.0f} ms, all within {max(took):.0f} ms")  # fmt: skip
    return median(took)


if __name__ == "__main__":
    main()
