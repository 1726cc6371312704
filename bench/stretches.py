"""What long stretches of dues cost: found late at a start, or settled when a paused job is resumed, changed, deleted.

Beside them runs a job of each half second: none of its dues may be missed for it.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import catalogs
from daemon import Daemon, NotMeasured, instant, load, machine, running, spread, verdict
from fill import fill, put

from jobsched.model.draft import Draft
from jobsched.model.ids import Ids
from jobsched.model.job import Job, Policy

YEAR = timedelta(days=365.25)
STRETCHES: dict[str, tuple[timedelta, dict[str, Any]]] = {
    "30 days of each second": (timedelta(days=30), {"cron": "* * * * * *"}),
    "50 years of each minute": (50 * YEAR, {"cron": "* * * * *", "timezone": "America/New_York"}),
    "50 years, a fixed time over gaps": (50 * YEAR, {"cron": "30 2 * * *", "timezone": "Africa/Casablanca"}),
    "30 days of each second, put off": (
        timedelta(days=30), {"cron": "* * * * * *", "jitter": timedelta(milliseconds=400)},
    ),
    "30 days of 0.1 s, put off": (
        timedelta(days=30), {"every": timedelta(seconds=0.1), "jitter": timedelta(milliseconds=50)},
    ),
}  # fmt: skip
ORDERS = ("resume", "change", "delete")
SLOWEST, SOON = 0.1, 1.0  # seconds: of a transaction, until the newest due starts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", help="URL of an empty database (default: SQLite, in the daemon's folder)")
    parser.add_argument("--jobs", type=int, default=20, help="of each kind and for each order (default: 20)")
    options = parser.parse_args()
    machine()
    late = [made(span, fields, catch_up=how) for span, fields in STRETCHES.values() for how in ("latest", "none")]
    paused = [
        (order, name, made(span, fields, paused=True))
        for order in ORDERS for name, (span, fields) in STRETCHES.items() for _ in range(options.jobs)
    ]  # fmt: skip
    jobs = late + [job for _, _, job in paused]

    def prepare(daemon: Daemon) -> None:
        if options.store is None:
            fill(daemon, jobs)
        else:
            put(options.store, jobs)

    store = "" if options.store is None else f"SCHED_CONFIG['store'] = {options.store!r}"
    with running(catalogs.TRUE, options=store, prepare=prepare) as daemon:
        starts(daemon, late)
        beside = daemon.caller().post_job(task="true", name="beside", interval={"seconds": 0.5})
        time.sleep(2)
        orders(daemon, paused)
        time.sleep(2)
        transactions(daemon)
        with daemon.caller() as caller:
            states = [run["state"] for run in daemon.runs(beside, caller)]
        verdict(
            "dues of the job beside that were missed or skipped", len(states) - states.count("succeeded"), 0, "dues"
        )
        print(load())


_IDS = Ids()


def made(span: timedelta, fields: dict[str, Any], catch_up: str = "latest", paused: bool = False) -> Job:
    """A job of which the dues of that span have passed and are not decided."""
    then = datetime.now(UTC) - span
    policy = Policy(misfire_grace=None, catch_up=catch_up)  # type: ignore[arg-type]
    job = Draft(task="true", name="late", policy=policy, **fields).job(_IDS.make(then), then)
    return attrs.evolve(job, paused=paused)


def starts(daemon: Daemon, late: list[Job]) -> None:
    """How soon the newest due of each job starts that waits at the start of the daemon."""
    begun, deadline = began(daemon), time.monotonic() + 60
    with daemon.caller() as caller:
        waits = []
        for job in late:
            found: list[dict[str, Any]] = []
            while not (found and all(run["state"] in {"succeeded", "missed"} for run in found)):
                if time.monotonic() > deadline:
                    raise NotMeasured(f"job {job.id} is not decided")
                time.sleep(0.02)
                found = [run for run in daemon.runs(job.id, caller) if instant(run["due"]) < begun]
            records = [run for run in found if run["state"] == "missed"]
            if len(records) != 1:
                raise NotMeasured(f"{len(records)} records of one stretch: {records}")
            waits += [(instant(run["started"]) - begun).total_seconds() for run in found if run["started"]]
    print("from the start of the daemon to that of the newest due:", spread(waits))
    verdict("the newest owed due starts within", max(waits), SOON, "s")


def began(daemon: Daemon) -> datetime:
    """When the daemon did."""
    with daemon.caller() as caller:
        return instant(caller.get("/nodes")["values"][0]["since"])


def orders(daemon: Daemon, paused: list[tuple[str, str, Job]]) -> None:
    """How long each order takes on a job with such a stretch, and whether it is one record."""
    took: dict[tuple[str, str], list[float]] = {}
    with daemon.caller() as caller:
        for order, name, job in paused:
            begun = time.perf_counter()
            if order == "resume":
                status, _, body = caller.ask("POST", f"/jobs/{job.id}/resume")
            elif order == "change":
                status, _, body = patch(daemon, job.id)
            else:
                status, _, body = caller.ask("DELETE", f"/jobs/{job.id}")
            took.setdefault((order, name), []).append(time.perf_counter() - begun)
            if status != 200:
                raise NotMeasured(f"{order}: {status} {body[:300]!r}")
            records = [run for run in daemon.runs(job.id, caller) if run["reason"] == "paused"]
            if len(records) != 1 or records[0]["count"] < 1000:
                raise NotMeasured(f"{len(records)} records of one stretch: {records}")
            caller.ask("DELETE", f"/jobs/{job.id}")
    for (order, name), seconds in took.items():
        print(f"{order}, {name}: {spread(seconds)}")
    verdict("the slowest order", max(max(seconds) for seconds in took.values()), SLOWEST, "s")


def patch(daemon: Daemon, job_id: str) -> tuple[int, dict[str, str], bytes]:
    """Another schedule; the client that is shared knows no merge patch."""
    from http.client import HTTPConnection

    client = HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    client.request("PATCH", f"/jobs/{job_id}", b'{"cron": "0 4 * * *"}', {"Content-Type": "application/json"})
    answer = client.getresponse()
    body = answer.read()
    client.close()
    return answer.status, {}, body


def transactions(daemon: Daemon) -> None:
    """Changes of the store that took long, as the daemon counts them: a wait for the writer is among it."""
    with daemon.caller() as caller:
        text = metrics(caller.ask("GET", "/metrics")[2].decode())
    counts = dict(text)
    slow = counts["count"] - counts["0.1"]
    print(f"{counts['count']:.0f} changes of the store, the mean took {counts['sum'] / counts['count'] * 1000:.2f} ms")
    verdict("changes of the store that took more than 100 ms", slow, 0, "changes")


def metrics(text: str) -> Iterator[tuple[str, float]]:
    """What is said of changes: (bucket, so many), sum and count."""
    pattern = r'^jobsched_store_duration_seconds_(bucket|sum|count)\{kind="write"(?:,le="([^"]+)")?\} (\S+)$'
    for kind, bucket, number in re.findall(pattern, text, re.MULTILINE):
        yield bucket or kind, float(number)


if __name__ == "__main__":
    main()
