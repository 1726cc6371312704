"""Pages of the list of jobs as a page of people asks for them: sorted, searched, with what each job has done lately."""

from __future__ import annotations

import argparse
import random
from datetime import UTC, datetime, timedelta

import catalogs
from asking import ask
from daemon import load, machine, percentile, running, spread, verdict
from fill import fill

from jobsched.model.draft import Draft
from jobsched.model.ids import Ids
from jobsched.model.job import Job
from jobsched.model.job_list import SORTS
from jobsched.model.labels import About
from jobsched.model.run import Run

OPTIONS = "KEEP_RUNS = 10_000_000"  # nothing is pruned
PAGE = 500
MOST = 100  # milliseconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--runs", type=int, default=20, help="of each of them (default: 20)")
    parser.add_argument("--asks", type=int, default=100, help="questions of each kind to time (default: 100)")
    options = parser.parse_args()
    machine()
    jobs, runs = record(options.jobs, options.runs)
    kinds = {"as they were made": "", "without what they did": "&fields=name,state,next_due,last_run"}
    kinds |= {f"sort={sort}": f"&sort={sort}" for sort in SORTS[1:]} | {"q": "&q=job+team%3Ddata"}
    with running(catalogs.TRUE, options=OPTIONS, prepare=lambda daemon: fill(daemon, jobs, runs)) as daemon:
        print(f"GET /jobs, {PAGE} of {len(jobs)}, each with {options.runs} runs; {load()}")
        for name, query in kinds.items():
            took = ask(daemon, lambda query=query: f"/jobs?limit={PAGE}{query}", options.asks, values=PAGE)  # type: ignore[misc]  # mypy infers no lambda with a default
            print(f"  {name}: {spread(took)}")
            verdict(f"{name} p99", percentile(took, 99) * 1000, MOST, "ms")
        failing = ask(daemon, lambda: "/runs?limit=100&failing=1&from=-1d", options.asks)
        print(f"GET /runs?failing=1&from=-1d, 100 of {len(runs)}: {spread(failing)}")
        upcoming = ask(daemon, lambda: "/upcoming?limit=100&from=-1h", options.asks, values=100)
        print(f"GET /upcoming, 100 dues of {len(jobs)} jobs: {spread(upcoming)}")
        later = ask(daemon, lambda: f"/upcoming?limit=100&from={tomorrow()}", max(options.asks // 10, 1), values=100)
        print(f"  from tomorrow on, when all jobs are computed: {spread(later)}")
        print(f"the daemon has {daemon.rss:.0f} MB; {load()}")


def tomorrow() -> str:
    """This time of tomorrow, as a query has it."""
    return f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"


def record(jobs: int, runs: int) -> tuple[list[Job], list[Run]]:
    """As many jobs, each with as many runs over the last days; one in twenty failed."""
    ids, chance, now = Ids(), random.Random(0), datetime.now(UTC)
    made = now - timedelta(days=20)
    kinds = ({"every": timedelta(hours=1)}, {"cron": "0 3 * * *", "timezone": "America/New_York"})
    found = []
    for number in range(jobs):
        about = About(labels={"team": "data" if number % 2 else "web"}, description="Copies the database. " * 5)
        draft = Draft(task="true", name=f"job {number}", about=about, **kinds[number % 2])
        job = draft.job(ids.make(made + timedelta(seconds=number)), now)
        found.append(job)
    step = timedelta(days=5) / (jobs * runs)
    done = [ran(ids, found[beat % jobs], now - timedelta(days=5) + beat * step, chance) for beat in range(jobs * runs)]
    return found, done


def ran(ids: Ids, job: Job, due: datetime, chance: random.Random) -> Run:
    """A run that went well, most of the time."""
    return Run(
        id=ids.make(due), job_id=job.id, job_name=job.name, task=job.task, due=due, created=due,
        state="failed" if chance.random() < 0.05 else "succeeded", reason="finished", node="bench", node_id="bench",
        pid=4711, pid_started=1.0, started=due, ended=due + timedelta(milliseconds=3), exit_code=0, output_bytes=20,
        output_kept=20,
    )  # fmt: skip


if __name__ == "__main__":
    main()
