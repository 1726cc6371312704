"""Lists of what is much: a page among a hundred thousand jobs, the runs of a job that has as many, a thousand dues."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import catalogs
from asking import ask
from daemon import Caller, Daemon, NotMeasured, load, machine, percentile, running, spread, verdict
from fill import fill

from jobsched.model.draft import Draft
from jobsched.model.ids import Ids
from jobsched.model.job import Job
from jobsched.model.run import Run

OPTIONS = "KEEP_RUNS = 10_000_000"  # nothing is pruned
PAGE = 500
DUES = 1_000
CRONS = ("* * * * *", "*/7 * * * *", "0 3 * * *", "30 2 * * *", "0 0 L * *", "15 4 * * MON-FRI", "0 0 29 2 *")
ZONE = "America/New_York"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000, help="how many (default: 100000)")
    parser.add_argument("--runs", type=int, default=100_000, help="of one of them (default: 100000)")
    parser.add_argument("--asks", type=int, default=200, help="questions of each kind to time (default: 200)")
    parser.add_argument("--previews", type=int, default=50, help="previews of each expression (default: 50)")
    options = parser.parse_args()
    machine()
    jobs, runs = record(options.jobs, options.runs)
    busy = runs[-1].job_id
    with running(catalogs.TRUE, options=OPTIONS, prepare=lambda daemon: fill(daemon, jobs, runs)) as daemon:
        lists(daemon, jobs, options.asks)
        busy_ids = [run.id for run in runs if run.job_id == busy]
        history(daemon, busy, busy_ids, jobs[jobs_before(jobs, busy)].id, options.asks)
        previews(daemon, options.previews)
        print(f"the daemon has {daemon.rss:.0f} MB; {load()}")


def record(jobs: int, runs: int) -> tuple[list[Job], list[Run]]:
    """As many jobs of all kinds, none due today, each with one run; the one in the middle has many, oldest first."""
    ids = Ids()
    now = datetime.now(UTC)
    made = now - timedelta(days=20)
    far = now + timedelta(days=1)
    kinds: tuple[dict[str, Any], ...] = (
        {"every": timedelta(hours=1)}, {"cron": "0 3 * * *", "timezone": ZONE}, {"at": far}, {"cron": "*/5 * * * *"},
    )  # fmt: skip
    drafts = [Draft(task="true", name=f"job {number}", start=far, **kinds[number % 4]) for number in range(jobs)]
    found = [draft.job(ids.make(made + timedelta(seconds=number)), made) for number, draft in enumerate(drafts)]
    done = [ran(ids, job, now - timedelta(days=2) + timedelta(milliseconds=beat)) for beat, job in enumerate(found)]
    busy = found[jobs // 2]
    step = timedelta(days=1) / runs
    done += [ran(ids, busy, now - timedelta(days=1) + beat * step) for beat in range(runs - 1)]
    return found, done


def ran(ids: Ids, job: Job, due: datetime) -> Run:
    """A run that went well."""
    return Run(
        id=ids.make(due), job_id=job.id, job_name=job.name, task=job.task, due=due, created=due, state="succeeded",
        reason="finished", node="bench", node_id="bench", pid=4711, pid_started=1.0, started=due,
        ended=due + timedelta(milliseconds=3), exit_code=0, output_bytes=20, output_kept=20,
    )  # fmt: skip


def jobs_before(jobs: list[Job], job_id: str) -> int:
    """The place of a job half a page before that one."""
    place = next(number for number, job in enumerate(jobs) if job.id == job_id)
    return max(place - PAGE // 2, 0)


def lists(daemon: Daemon, jobs: list[Job], asks: int) -> None:
    """Pages of the list of jobs."""
    chosen = random.Random(0)
    starts = jobs[: max(len(jobs) - PAGE, 1)]  # so that what comes behind is a whole page
    last = jobs[-PAGE - 1].id
    print(f"GET /jobs, {PAGE} of {len(jobs)}, each with a last run; {load()}")
    first = ask(daemon, lambda: f"/jobs?limit={PAGE}", asks, values=PAGE)
    pages = ask(daemon, lambda: f"/jobs?limit={PAGE}&after={chosen.choice(starts).id}", asks, values=PAGE)
    end = ask(daemon, lambda: f"/jobs?limit={PAGE}&after={last}", asks, values=PAGE)
    print(f"  the first:     {spread(first)}")
    print(f"  from anywhere: {spread(pages)}")
    print(f"  the last:      {spread(end)}")
    verdict(f"GET /jobs page of {PAGE} p99", percentile(first + pages + end, 99) * 1000, 50, "ms")


def history(daemon: Daemon, busy: str, ids: list[str], neighbour: str, asks: int) -> None:
    """Pages of the runs of the job that has many, and what the many do to others; `ids` are oldest first."""
    chosen = random.Random(0)
    of_busy = f"/jobs/{busy}/runs?limit={PAGE}"
    print(f"a job with {len(ids)} runs, {PAGE} a page; {load()}")
    first = ask(daemon, lambda: of_busy, asks, values=PAGE)
    pages = ask(daemon, lambda: f"{of_busy}&after={chosen.choice(ids[PAGE:])}", asks, values=PAGE)
    last = ask(daemon, lambda: f"{of_busy}&after={ids[PAGE]}", asks, values=PAGE)
    every = ask(daemon, lambda: f"/runs?limit={PAGE}", asks, values=PAGE)
    none = ask(daemon, lambda: f"{of_busy}&state=failed", max(asks // 10, 1))
    itself = ask(daemon, lambda: f"/jobs/{busy}", asks)
    among = ask(daemon, lambda: f"/jobs?limit={PAGE}&after={neighbour}", asks, values=PAGE)
    counts = ask(daemon, lambda: "/runs/counts?zone=Asia/Kathmandu", asks)
    print(f"  GET /runs/counts of a day:    {spread(counts)}")
    verdict(f"counts by hour of {len(ids)} runs p99", percentile(counts, 99) * 1000, 100, "ms")
    print(f"  the first page:               {spread(first)}")
    print(f"  from anywhere:                {spread(pages)}")
    print(f"  the last page:                {spread(last)}")
    print(f"  GET /runs, the first page:    {spread(every)}")
    print(f"  a state that none of them has: {spread(none)}")
    print(f"  the job itself:               {spread(itself)}")
    print(f"  the page of jobs it is on:    {spread(among)}")
    verdict("first page p99", percentile(first, 99) * 1000, 50, "ms")
    verdict("last page p99", percentile(last, 99) * 1000, 50, "ms")
    verdict("page of jobs with that job on it p99", percentile(among, 99) * 1000, 50, "ms")


def previews(daemon: Daemon, times: int) -> None:
    """A thousand dues of cron expressions, each asked for from another day."""
    print(f"POST /preview of {DUES} dues in {ZONE}; {load()}")
    with daemon.caller() as caller:
        for cron in CRONS:
            took = [preview(caller, cron, datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day))
                    for day in range(times)]  # fmt: skip
            print(f"  {cron}: {spread(took)}")
            verdict(f"{cron} p99", percentile(took, 99) * 1000, 100, "ms")


def preview(caller: Caller, cron: str, begin: datetime) -> float:
    """The seconds that it took."""
    asked = {"cron": cron, "timezone": ZONE, "from": begin.isoformat(), "count": DUES}
    begun = time.perf_counter()
    status, _, body = caller.ask("POST", "/preview", asked)
    took = time.perf_counter() - begun
    if status != 200 or len(json.loads(body)["fires"]) != DUES:
        raise NotMeasured(f"preview of {cron}: {status} {body[:300]!r}")
    return took


if __name__ == "__main__":
    try:
        main()
    except NotMeasured as why:
        sys.exit(f"not measured: {why}")
