"""Ten thousand jobs due within one second: whether all start, in order of due and once, and who else waits meanwhile.

Their dues are a microsecond apart unless told otherwise, and they were made in another order. The program is `date`:
its output is the instant at which it began.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from threading import Event
from typing import Any

import catalogs
from daemon import Daemon, NotMeasured, instant, load, machine, percentile, running, spread, take_executors, verdict
from fill import fill

from jobsched.model.draft import Draft
from jobsched.model.ids import Ids
from jobsched.model.job import Job

MAX_RUNNING = 64  # as shipped: so many begin side by side, in an order that is the kernel's
AHEAD = timedelta(seconds=20)  # from the filling to the due: the daemon starts and settles
LATEST = 600  # seconds after the due: whatever has not run by then is lost
PAUSE = 0.02  # seconds between two questions


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--step", type=int, default=1, help="microseconds between two dues; 0: no order (default: 1)")
    parser.add_argument("--ask", nargs="*", default=["/jobs/ID", "/runs?limit=1", "/health"],
                        help="what callers ask meanwhile, each on a connection of its own")  # fmt: skip
    take_executors(parser)
    options = parser.parse_args()
    machine()
    due = datetime.now(UTC).replace(microsecond=0) + AHEAD
    jobs = list(made(options.jobs, due, timedelta(microseconds=options.step)))
    with running(catalogs.DATE, prepare=lambda daemon: fill(daemon, jobs), executors=options.executors) as daemon:
        left = (due - datetime.now(UTC)).total_seconds()
        if left < 2:
            raise NotMeasured("the daemon did not start in time")
        time.sleep(left - 1)
        print(f"{options.jobs} jobs due at {due:%H:%M:%S}, {options.executors} executors; {load()}")
        burst(daemon, jobs, due, options.ask)
        compare(daemon, jobs)


def made(count: int, due: datetime, step: timedelta) -> Iterator[Job]:
    """The jobs, in an order of their ids that says nothing about their dues."""
    ids, now = Ids(), datetime.now(UTC)
    for place in random.Random(0).sample(range(count), count):
        yield Draft(task="date", name=f"job {place}", at=due + place * step).job(ids.make(now), now)


def burst(daemon: Daemon, jobs: list[Job], due: datetime, asked: list[str]) -> None:
    """Wait until all is done, and ask questions meanwhile."""
    over = Event()
    cpu, begun = daemon.cpu, time.monotonic()
    with ThreadPoolExecutor(len(asked) or 1) as pool:
        each = {
            path: pool.submit(questions, daemon, [path.replace("ID", job.id) for job in jobs], over) for path in asked
        }
        try:
            until_done(daemon, due)
        finally:
            over.set()
        took = time.monotonic() - begun
        print(f"  over after {took:.1f} s, one of which was before the due; daemon and executors took "
              f"{(daemon.cpu - cpu) / took:.0%} of a core, {daemon.rss:.0f} MB; {load()}")  # fmt: skip
        for path, answers in each.items():
            print(f"  GET {path}: {spread(answers.result())}")
    if asked:
        every = [seconds for answers in each.values() for seconds in answers.result()]
        verdict("REST p99 meanwhile", percentile(every, 99) * 1000, 250, "ms")


def questions(daemon: Daemon, paths: list[str], over: Event) -> list[float]:
    """The seconds that each GET took, one after the other until it is over."""
    found = []
    chosen = random.Random(0)
    with daemon.caller() as caller:
        while not over.is_set():
            begun = time.perf_counter()
            caller.get(chosen.choice(paths))
            found.append(time.perf_counter() - begun)
            time.sleep(PAUSE)
    return found


def until_done(daemon: Daemon, due: datetime) -> None:
    """Return when no job has a due left and no run is without an outcome, or when it is too late."""
    with daemon.caller() as caller:
        while (datetime.now(UTC) - due).total_seconds() < LATEST:
            time.sleep(0.5)
            left = ("/jobs?state=scheduled", "/runs?state=waiting", "/runs?state=running", "/runs?state=stopping")
            if not any(caller.get(f"{where}&limit=1")["values"] for where in left):
                return
    print(f"  not over {LATEST} s after the due")


def compare(daemon: Daemon, jobs: list[Job]) -> None:
    """What should have begun against what did, by the record and by what the programs printed."""
    with daemon.caller() as caller:
        record = list(daemon.runs(None, caller))
    printed = {path.stem: path.read_text().split() for path in (daemon.state / "output").rglob("*.log")}
    times = Counter(run["job_id"] for run in record)
    ran = [run for run in record if run["state"] == "succeeded" and len(printed.get(run["id"], [])) == 1]
    print(f"  jobs {len(jobs)}; states {dict(Counter(run['state'] for run in record))}; outputs {len(printed)}")
    verdict("lost", len({job.id for job in jobs} - {run["job_id"] for run in ran}), 0, "dues")
    twice = sum(count - 1 for count in times.values()) + sum(len(words) > 1 for words in printed.values())
    verdict("doubled", twice, 0, "dues")
    if not ran:
        raise NotMeasured("nothing ran")
    ran.sort(key=lambda run: instant(run["due"]))
    noted = [instant(run["started"]) for run in ran]
    began = [float(printed[run["id"]][0]) for run in ran]
    first = instant(ran[0]["due"])
    print(f"  due to `started` in the record: {spread([(at - first).total_seconds() for at in noted], 's', 1)}")
    print(f"  due to the program's first act: {spread([at - first.timestamp() for at in began], 's', 1)}")
    print(
        f"  from `started` to the first act: {spread([a - b.timestamp() for a, b in zip(began, noted, strict=True)])}"
    )
    print(f"  begun a second: {len(ran) / max(max(began) - min(began), 1e-9):.0f}")
    in_order(ran, noted, began)


def in_order(ran: list[dict[str, Any]], noted: list[datetime], began: list[float]) -> None:
    """Both lists are in order of due. Those of one claim are `started` at one instant, and begin in any order."""
    if ran[0]["due"] == ran[-1]["due"]:
        print("  all were due at the same instant: there is no order to hold")
        return
    latest = list(accumulate(noted, max))
    soonest = list(accumulate(reversed(noted), min))[::-1]
    early = [(before - at).total_seconds() for at, before in zip(noted, latest, strict=True) if at < before]
    late = [(at - after).total_seconds() for at, after in zip(noted, soonest, strict=True) if at > after]
    print(f"  `started` before one with an earlier due, by how much: {spread(early)}")
    print(f"  `started` after one with a later due, by how much:     {spread(late)}")
    verdict("`started` out of order of due, fewest that explain it", min(len(early), len(late)), 0, "runs")
    places = sorted(range(len(began)), key=began.__getitem__)
    moved = max(abs(place - number) for place, number in enumerate(places))
    verdict("most places from that in order of due, by the first act", moved, MAX_RUNNING, "places")


if __name__ == "__main__":
    try:
        main()
    except NotMeasured as why:
        sys.exit(f"not measured: {why}")
